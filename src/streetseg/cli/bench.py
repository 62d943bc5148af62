"""`streetseg bench frames`, `bench eager` and `bench train`: speed on this machine."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, add_engine_options, engine_options, need_torch, path, size
from streetseg.cli.output import DONE, figures_optional, progress, say, say_at_the_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streetseg.cli.options import Verbs

FORMS = ("frames", "eager", "train")


def add_verbs(verbs: Verbs) -> None:
    """Add bench with its three forms."""
    bench = verbs.add_parser("bench", help="speed on this machine: frames, eager, train", old_form=todays_command)
    forms = bench.add_subparsers(required=True, metavar="frames|eager|train")

    verb = forms.add_parser("frames", help="speed of artefacts, taking turns")
    add_artefacts(verb, "NAME.onnx, NAME.pt2 or a name (default: the package's)")
    add_engine_options(verb, several=True)
    verb.add_argument(
        "--size", type=size, metavar="HxW", help="size of the frames (default: 4:3 at the first artefact's native side)"
    )
    add_rounds(verb, 100)
    verb.add_argument("--out", type=path, metavar="DIR", help="folder for speed.json and figures, SVG and PNG")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    verb.set_defaults(verb=bench_frames)

    verb = forms.add_parser("eager", help="artefacts or networks beside eager PyTorch, and our targets")
    add_artefacts(verb, "NAME.onnx or a name (default: four networks)")
    verb.add_argument("--network", action="append", default=[], help="a network by its name; can be repeated")
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    verb.add_argument("--precision", help="our precision, float32 or bfloat16 (default: the fastest)")
    verb.add_argument(
        "--size", type=size, default=(1024, 2048), metavar="HxW", help="size of the frames (default: 1024x2048)"
    )
    add_rounds(verb, 10)
    verb.add_argument("--out", type=path, metavar="DIR", help="folder for speed.json")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    verb.set_defaults(verb=bench_eager)

    verb = forms.add_parser("train", help="training steps on this CPU, beside the plain way")
    verb.add_argument(
        "--network", action="append", default=[], help="one with a recipe for CamVid (default: four); can be repeated"
    )
    add_data_options(verb, required=False)
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    add_rounds(verb, 5)
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=bench_train)


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


def add_artefacts(verb: argparse.ArgumentParser, words: str) -> None:
    """Add the artefacts that are timed."""
    verb.add_argument("artefacts", nargs="*", type=path, metavar="ARTEFACT", help=words)


def add_rounds(verb: argparse.ArgumentParser, rounds: int) -> None:
    """Add --rounds."""
    verb.add_argument("--rounds", type=int, default=rounds, help=f"number of times that each is timed ({rounds})")


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
    """Measure networks, ours and eager PyTorch, taking turns."""
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
    """Measure training steps, ours and the plain way, taking turns."""
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
