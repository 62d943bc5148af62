"""`streetseg bench`: artefacts, networks beside PyTorch, training steps."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, add_engine_options, engine_options, need_torch, path, size
from streetseg.cli.output import DONE, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs

BENCH_ROUNDS, VS_ROUNDS = 100, 10


def add_verbs(verbs: Verbs) -> None:
    """bench, bench train."""
    verb = verbs.add_parser("bench", help="speed of artefacts on this machine")
    verb.add_argument(
        "artefacts",
        nargs="*",
        type=path,
        metavar="ARTEFACT",
        help="NAME.onnx, or a name (default: the package's)",
    )
    add_engine_options(verb, several=True)
    verb.add_argument(
        "--size", type=size, metavar="HxW",
        help="frames of this size, unreduced (default: 4:3 at the first artefact's native side; with --vs 1024x2048)",
    )  # fmt: skip
    verb.add_argument("--rounds", type=int, help="how often each is timed (default: 100; 10 with --vs)")
    verb.add_argument(
        "--vs",
        choices=["torch-eager"],
        help="artefacts, or networks, beside the same network in PyTorch and our targets",
    )
    verb.add_argument("--network", action="append", help="with --vs (default: four); can be repeated")
    verb.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="folder for speed.json; without --vs also for figures, SVG and PNG",
    )
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    verb.set_defaults(verb=bench)

    verb = verbs.add_parser("bench train", help="speed of training steps on this CPU, beside the plain way")
    verb.add_argument(
        "--network", action="append", help="one with a recipe for CamVid (default: four); can be repeated"
    )
    add_data_options(verb, required=False)
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    verb.add_argument("--rounds", type=int, default=5, help="how often each is timed (default: 5)")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=bench_train)


def bench(options: argparse.Namespace) -> int:
    """Measure artefacts on engines, taking turns."""
    from streetseg.bench.frames import Entry, accuracy_plot, measure, speed_plot, speed_table
    from streetseg.runtime.artefact import read_card
    from streetseg.runtime.files import make_folder, write_file
    from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
    from streetseg.runtime.shelf.shelf import find_weights

    if options.rounds is None:
        options.rounds = VS_ROUNDS if options.vs else BENCH_ROUNDS
    if options.rounds < 1:
        raise UsageError(f"--rounds must be at least 1, got {options.rounds}")
    if options.out:
        make_folder(options.out)
    if options.vs:
        return bench_against_eager(options)
    if options.network:
        raise UsageError("--network is for --vs torch-eager; name artefacts instead")
    artefacts = [find_weights(artefact) for artefact in options.artefacts] or [DEFAULT_WEIGHTS]
    short_side = read_card(artefacts[0]).native_short_side
    frame_size = options.size or (short_side, round(short_side * 4 / 3))
    entries = [
        Entry.open(artefact, frame_size, engine_options(options, engine=engine))
        for artefact in artefacts
        for engine in options.engine or [None]
    ]
    facts = measure(entries, frame_size, options.rounds, lambda rounds: progress(rounds, "round"))
    try:
        if options.out:
            write_file(options.out / "speed.json", json.dumps(facts, indent=2).encode())
            speed_plot(facts).save(options.out / "speed")
            if figure := accuracy_plot(facts):
                figure.save(options.out / "accuracy")
    finally:  # in this order, and whatever fails: what was measured must not be lost
        say(json.dumps(facts, indent=2) if options.json else speed_table(facts))
    return DONE


def bench_against_eager(options: argparse.Namespace) -> int:
    """Measure networks, ours and eager PyTorch, taking turns."""
    for option in ("engine", "device"):
        if getattr(options, option) is not None:
            raise UsageError(f"--vs torch-eager takes no --{option}: ours is the artefact's default, on the CPU")
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads must be at least 1, got {options.threads}")
    need_torch("streetseg bench --vs torch-eager")
    from streetseg.bench.eager import SIZE, eager_table, measure_against_eager
    from streetseg.bench.training import NETWORKS
    from streetseg.runtime.engines.engine import cores
    from streetseg.runtime.files import write_file
    from streetseg.runtime.shelf.shelf import find_weights

    artefacts = [find_weights(artefact) for artefact in options.artefacts]
    if others := [path.name for path in artefacts if path.suffix != ".onnx"]:
        raise UsageError(f"--vs torch-eager takes NAME.onnx, not {others[0]}")
    facts = measure_against_eager(
        [*artefacts, *(options.network or [])] or NETWORKS,
        options.size or SIZE,
        options.threads or cores(),
        options.precision,
        options.rounds,
        lambda rounds: progress(rounds, "round"),
    )
    try:
        if options.out:
            write_file(options.out / "speed.json", json.dumps(facts, indent=2).encode())
    finally:  # as above
        say(json.dumps(facts, indent=2) if options.json else eager_table(facts))
    return DONE


def bench_train(options: argparse.Namespace) -> int:
    """Measure training steps, ours and the plain way, taking turns."""
    need_torch("streetseg bench train")
    from streetseg.bench.training import BATCH, NETWORKS, measure_training, training_table
    from streetseg.data.datasets import open_dataset
    from streetseg.runtime.engines.engine import cores
    from streetseg.streets.datasets import write_camvid_tutorial

    for name in ("rounds", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_camvid_tutorial(Path(folder), {"train": 2 * BATCH})
        facts = measure_training(
            options.network or NETWORKS,
            open_dataset(options.data or folder, options.dataset if options.data else None),
            options.threads or cores(),
            options.rounds,
            lambda rounds: progress(rounds, "round"),
        )
    say(json.dumps(facts, indent=2) if options.json else training_table(facts))
    return DONE
