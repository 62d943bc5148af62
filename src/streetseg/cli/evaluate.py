"""`streetseg evaluate`, `streetseg pool` and `streetseg compare`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, add_engine_options, engine_options, need_torch, path
from streetseg.cli.output import DONE, complain, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs

WORST = 8  # frames with pictures in a report


def add_verbs(verbs: Verbs) -> None:
    """evaluate, pool, compare."""
    verb = verbs.add_parser("evaluate", help="accuracy of an artefact on a labelled dataset")
    verb.add_argument(
        "artefact", type=path, help="NAME.onnx, NAME.pt2, a name, or NAME.safetensors, which is exported first"
    )
    add_data_options(verb)
    verb.add_argument("--split", default="val", help="val, test, train, trainval, only:SEQUENCE, without:SEQUENCE")
    add_engine_options(verb)
    verb.add_argument(
        "--scale", type=float, nargs="+", metavar="S", help="input scale instead of the card's; several are averaged"
    )
    verb.add_argument("--flip", action="store_true", help="average with the mirrored frame")
    verb.add_argument("--window", type=int, nargs=2, metavar=("H", "W"), help="look through windows of this size")
    verb.add_argument("--overlap", type=float, metavar="SHARE", help="of neighbouring windows (0.5)")
    verb.add_argument("--trimap", type=int, nargs="+", metavar="K", help="bands at borders, in pixels (1 3 5 10)")
    verb.add_argument("--report", type=path, metavar="DIR", help="write JSON, CSV and a page with pictures")
    verb.add_argument("--worst", type=int, metavar="N", help=f"frames with pictures in the report ({WORST})")
    verb.add_argument("--submission", type=path, metavar="DIR", help="only write the files that a test server takes")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=evaluate)

    verb = verbs.add_parser("pool", help="one figure of evaluations of different frames, such as left-out drives")
    verb.add_argument("evaluations", nargs="+", type=path, metavar="FILE.json", help="from evaluate --json or --report")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=pool)

    verb = verbs.add_parser("compare", help="whether two evaluations of the same frames really differ")
    verb.add_argument("a", type=path, metavar="A.json", help="from evaluate --json or --report")
    verb.add_argument("b", type=path, metavar="B.json")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=compare)


def evaluate(options: argparse.Namespace) -> int:
    """Judge an artefact on a split; print its scores, write its report."""
    from streetseg.data.datasets import open_dataset
    from streetseg.measure.boundary import TRIMAP_WIDTHS, WIDEST
    from streetseg.measure.evaluation import Setup, describe_data
    from streetseg.measure.frames import evaluate_frames
    from streetseg.measure.report.files import write_report
    from streetseg.measure.report.worst import WorstFrames
    from streetseg.measure.submission import write_submission
    from streetseg.measure.views import Views, ViewSegmenter
    from streetseg.runtime.files import make_folder
    from streetseg.runtime.segmenter import Segmenter

    scales, window = options.scale and tuple(options.scale), options.window and tuple(options.window)
    overlap = Views.overlap if options.overlap is None else options.overlap
    views = Views(scales, options.flip, window, overlap)
    trimap_widths = tuple(options.trimap or TRIMAP_WIDTHS)
    if not all(1 <= width <= WIDEST for width in trimap_widths):
        raise UsageError(f"--trimap takes bands of 1 to {WIDEST} pixels, got {', '.join(map(str, trimap_widths))}")
    if options.overlap is not None and window is None:
        raise UsageError("--overlap is that of windows; add --window H W")
    if options.worst is not None and options.worst < 0:
        raise UsageError(f"--worst takes a number of frames, 0 or more, got {options.worst}")
    for option in ("report", "trimap", "json"):
        if options.submission is not None and getattr(options, option):
            raise UsageError(f"--submission scores nothing, so there is no --{option}; leave one of them out")
    if options.worst is not None and options.report is None:
        raise UsageError("--worst is for the report; add --report DIR")
    dataset = open_dataset(options.data, options.dataset)
    if dataset.note:
        complain(f"note: {dataset.note}")
    if options.report is not None:
        make_folder(options.report)
    with runnable(options.artefact, options.engine) as artefact:
        segmenter = Segmenter.open(artefact, options=engine_options(options))
        card, predict = segmenter.card, ViewSegmenter(segmenter, views)
        if options.submission is not None:
            written = write_submission(predict, card.classes, dataset, options.split, options.submission, progress)
            say(f"{written} files for the test server: {options.submission}")
            return DONE
        shown = WORST if options.worst is None else options.worst
        worst = WorstFrames(shown if options.report else 0, card.colours)
        result = evaluate_frames(
            predict,
            card.classes,
            dataset,
            options.split,
            trimap_widths=trimap_widths,
            watch=worst,
            progress=progress,
        )
    setup = Setup(
        measured_on=describe_data(dataset.name, options.split, result.frames, card.training_data),
        weights=card.content_hash,
        engine=f"{segmenter.engine.name}, {segmenter.engine.precision}",
        views=views.describe(),
        command=evaluate_command(options, dataset.name, overlap),
    )
    evaluation = dataclasses.replace(result, setup=setup, colours=card.colours, worst=worst.frames())
    report = None
    try:
        if options.report is not None:
            report = write_report(options.report, evaluation)
    finally:  # in this order, and whatever fails: the other must not be lost
        say(evaluation.to_json() if options.json else evaluation.table())
    if report and not options.json:
        say(f"report: {report}")
    return DONE


@contextlib.contextmanager
def runnable(artefact: Path, engine: str | None) -> Iterator[Path]:
    """The artefact itself; for unfolded weights, one exported from them for this engine, as long as it is needed."""
    if artefact.suffix != ".safetensors":
        yield artefact
        return
    need_torch(f"evaluating {artefact.name}, which must be exported first,")
    from streetseg.export.targets import TARGETS, export

    target = "torch" if engine == "torch" else "onnx"
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / f"{artefact.stem}{TARGETS[target].suffix}"
        yield export(artefact, target=target, out=exported).path


def evaluate_command(options: argparse.Namespace, dataset: str, overlap: float) -> str:
    """The command that gives these figures again; paths of this machine left out."""
    parts = ["streetseg", "evaluate", options.artefact.name, "--data", dataset.upper(), "--split", options.split]
    for name in ("dataset", "engine", "device", "precision", "scale", "window", "trimap"):
        value = getattr(options, name)
        if value is not None:
            parts += [f"--{name}", *(map(str, value) if isinstance(value, list) else [value])]
    parts += ["--flip"] * options.flip + ["--overlap", str(overlap)] * (options.window is not None)
    return shlex.join(parts)


def pool(options: argparse.Namespace) -> int:
    """Print the evaluation of all frames of several."""
    from streetseg.measure.pool import pool

    evaluation = pool(options.evaluations)
    say(evaluation.to_json() if options.json else evaluation.table())
    return DONE


def compare(options: argparse.Namespace) -> int:
    """Print two evaluations side by side, and which differences are real."""
    from streetseg.measure.compare import compare

    comparison = compare(options.a, options.b)
    say(comparison.to_json() if options.json else comparison.table())
    return DONE
