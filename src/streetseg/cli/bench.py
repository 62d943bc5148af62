"""`streetseg bench frames`, `bench eager`, `bench train` and `bench bulk`: speed on this machine."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from streetseg.cli.options import (
    add_data_options,
    add_engine_options,
    add_json,
    add_threads,
    add_verb,
    engine_options,
    need_torch,
    path,
    sentence,
    size,
)
from streetseg.cli.output import DONE, figures_optional, progress, say, say_at_the_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streetseg.cli.options import Verbs

FORMS = ("frames", "eager", "train", "bulk")


def add_verbs(verbs: Verbs) -> None:
    """Add bench with its forms."""
    summary = "measure speed on this machine: frames, eager, train or bulk"
    bench = verbs.add_parser("bench", help=summary, description=sentence(summary), old_form=todays_command)
    forms = bench.add_subparsers(required=True, metavar="frames|eager|train|bulk")

    verb = add_verb(forms, "frames", bench_frames, "measure latency and throughput of artefacts, taking turns")
    add_artefacts(verb, "NAME.onnx, NAME.xml, NAME.pt2, NAME.param or a name of weights (default: the package's)")
    add_engine_options(verb, several=True)
    verb.add_argument(
        "--size", type=size, metavar="HxW",
        help="size of the frames (default: 4:3 at the first artefact's native short side)",
    )  # fmt: skip
    add_rounds(verb, 100)
    verb.add_argument(
        "--out", type=path, metavar="DIR", help="folder for speed.json and plots as SVG and PNG (default: none)"
    )
    add_json(verb, "one JSON object instead of the tables")

    verb = add_verb(forms, "eager", bench_eager, "compare artefacts or networks with eager PyTorch and our targets")
    add_artefacts(verb, "NAME.onnx or a name of weights (default: four networks)")
    verb.add_argument(
        "--network", action="append", default=[], metavar="NAME",
        help="network by its name, with weights of that name or initial ones; can be repeated",
    )  # fmt: skip
    add_threads(verb)
    verb.add_argument("--precision", help="our precision, float32 or bfloat16 (default: the fastest)")
    verb.add_argument(
        "--size", type=size, default=(1024, 2048), metavar="HxW", help="size of the frames (default: 1024x2048)"
    )
    add_rounds(verb, 10)
    verb.add_argument("--out", type=path, metavar="DIR", help="folder for speed.json (default: none)")
    add_json(verb, "one JSON object instead of the tables")

    verb = add_verb(forms, "train", bench_train, "compare our training steps on this CPU with plain PyTorch")
    verb.add_argument(
        "--network", action="append", default=[], metavar="NAME",
        help="network that has a CamVid recipe (default: four networks); can be repeated",
    )  # fmt: skip
    add_data_options(verb, required=False)
    add_threads(verb)
    add_rounds(verb, 5)
    add_json(verb)

    add_bulk(forms)


def add_bulk(forms: Verbs) -> None:
    """Add bench bulk."""
    verb = add_verb(forms, "bulk", bench_bulk, "measure how the rate of a bulk run grows with its workers")
    verb.add_argument(
        "--workers", nargs="+", type=int, default=[1, 2], metavar="N",
        help="numbers of workers, one thread each (default: 1 2)",
    )  # fmt: skip
    verb.add_argument(
        "--weights", type=path, metavar="FILE", help="NAME.onnx, NAME.pt2 or a name of weights (default: the package's)"
    )
    verb.add_argument("--images", type=int, default=200, metavar="N", help="images of each run (default: 200)")
    verb.add_argument(
        "--size", type=size, metavar="HxW", help="size of the images (default: 4:3 at the native short side)"
    )
    verb.add_argument("--engine", metavar="NAME", help="engine that runs the network (default: the first that fits)")
    add_json(verb)


def todays_command(arguments: Sequence[str]) -> str | None:
    """Return the command of today for arguments without a form of bench, None where they have one."""
    if arguments and arguments[0] in (*FORMS, "-h", "--help"):
        return None
    given = list(arguments)
    form = "frames"
    for old in (["--vs", "torch-eager"], ["--vs=torch-eager"]):
        for place in range(len(given)):
            if given[place : place + len(old)] == old:
                form = "eager"
                del given[place : place + len(old)]
                break
    return shlex.join(["streetseg", "bench", form, *given])


def add_artefacts(verb: argparse.ArgumentParser, text: str) -> None:
    """Add the artefacts to time; text: their help."""
    verb.add_argument("artefacts", nargs="*", type=path, metavar="ARTEFACT", help=text)


def add_rounds(verb: argparse.ArgumentParser, rounds: int) -> None:
    """Add --rounds."""
    verb.add_argument(
        "--rounds", type=int, default=rounds, metavar="N", help=f"time each of them N times (default: {rounds})"
    )


def bench_frames(options: argparse.Namespace) -> int:
    """Measure artefacts on engines, taking turns."""
    from streetseg.bench.frames import bench
    from streetseg.runtime.files import make_folder

    if options.out:
        make_folder(options.out)
    speed = bench(
        options.artefacts,
        size=options.size,
        rounds=options.rounds,
        options=[engine_options(options, engine=engine) for engine in options.engine or [None]],
        progress=progress,
    )
    with say_at_the_end(speed.to_json() if options.json else speed.table()):
        if options.out:
            with figures_optional():
                speed.save(options.out)
    return DONE


def bench_eager(options: argparse.Namespace) -> int:
    """Measure networks in our engines and in eager PyTorch, taking turns."""
    need_torch("streetseg bench eager")
    from streetseg.bench.eager import bench_eager
    from streetseg.runtime.engines.options import EngineOptions
    from streetseg.runtime.files import make_folder, write_file

    if options.out:
        make_folder(options.out)
    speed = bench_eager(
        options.artefacts,
        networks=options.network,
        size=options.size,
        rounds=options.rounds,
        options=EngineOptions(threads=options.threads, precision=options.precision),
        progress=progress,
    )
    with say_at_the_end(speed.to_json() if options.json else speed.table()):
        if options.out:
            write_file(options.out / "speed.json", speed.to_json().encode())
    return DONE


def bench_train(options: argparse.Namespace) -> int:
    """Measure our training steps and those of plain PyTorch, taking turns."""
    need_torch("streetseg bench train")
    from streetseg.bench.training import bench_training

    speed = bench_training(
        options.network,
        data=options.data,
        dataset=options.dataset,
        threads=options.threads,
        rounds=options.rounds,
        progress=progress,
    )
    say(speed.to_json() if options.json else speed.table())
    return DONE


def bench_bulk(options: argparse.Namespace) -> int:
    """Measure bulk runs with different numbers of workers."""
    from streetseg.bench.bulk import bench_bulk
    from streetseg.runtime.engines.options import EngineOptions

    speed = bench_bulk(
        options.workers,
        weights=options.weights,
        images=options.images,
        size=options.size,
        options=EngineOptions(options.engine),
        progress=progress,
    )
    say(speed.to_json() if options.json else speed.table())
    return DONE
