"""`streetseg evaluate`, `streetseg pool` and `streetseg compare`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streetseg.cli.options import add_data_options, add_engine_options, engine_options, need_torch, path
from streetseg.cli.output import DONE, progress, say
from streetseg.errors import ReportError, UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs
    from streetseg.measure.inputs import Exporter
    from streetseg.results import Printable


def add_verbs(verbs: Verbs) -> None:
    """Add evaluate, pool and compare."""
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
    verb.add_argument("--window", type=int, nargs=2, metavar=("H", "W"), help="evaluate the frame in windows")
    verb.add_argument("--overlap", type=float, metavar="SHARE", help="share by which windows overlap (0.5)")
    verb.add_argument("--trimap", type=int, nargs="+", metavar="K", help="bands at borders, in pixels (1 3 5 10)")
    verb.add_argument("--report", type=path, metavar="DIR", help="write JSON, CSV and a page with pictures")
    verb.add_argument("--worst", type=int, metavar="N", help="frames with pictures in the report (8)")
    verb.add_argument("--submission", type=path, metavar="DIR", help="only write the files that a test server takes")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=evaluate)

    verb = verbs.add_parser("pool", help="one figure from evaluations of different frames, such as left-out drives")
    verb.add_argument("evaluations", nargs="+", type=path, metavar="FILE.json", help="from evaluate --json or --report")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=pool)

    verb = verbs.add_parser("compare", help="tell whether two evaluations of the same frames really differ")
    verb.add_argument("a", type=path, metavar="A.json", help="from evaluate --json or --report")
    verb.add_argument("b", type=path, metavar="B.json")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=compare)


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate an artefact; print its scores and write its report, or write its class maps for a test server."""
    from streetseg.measure.evaluate import WORST, evaluate
    from streetseg.measure.submission import write_submission
    from streetseg.measure.views import Views

    refuse_mixed_options(options)
    shared: dict[str, Any] = {
        "data": options.data,
        "dataset": options.dataset,
        "split": options.split,
        "scales": options.scale,
        "flip": options.flip,
        "window": options.window and tuple(options.window),
        "overlap": Views.overlap if options.overlap is None else options.overlap,
        "options": engine_options(options),
        "export": exporter(options),
        "progress": progress,
    }
    if options.submission is not None:
        say(write_submission(options.artefact, out=options.submission, **shared).table())
        return DONE
    worst = WORST if options.worst is None else options.worst
    try:
        evaluation = evaluate(options.artefact, trimap=options.trimap, report=options.report, worst=worst, **shared)
    except ReportError as error:
        say_result(error.result, options)
        raise
    say_result(evaluation, options)
    if options.report is not None and not options.json:
        say(f"report: {options.report / 'report.html'}")
    return DONE


def refuse_mixed_options(options: argparse.Namespace) -> None:
    """Refuse options that only go with another one."""
    if options.overlap is not None and options.window is None:
        raise UsageError("--overlap is that of windows; add --window H W")
    for option in ("report", "trimap", "json"):
        if options.submission is not None and getattr(options, option):
            raise UsageError(f"--submission scores nothing, so there is no --{option}; leave one of them out")
    if options.worst is not None and options.worst >= 0 and options.report is None:
        raise UsageError("--worst is for the report; add --report DIR")


def exporter(options: argparse.Namespace) -> Exporter | None:
    """Return what exports unfolded weights; None if the artefact is something else."""
    if options.artefact.suffix != ".safetensors":
        return None
    need_torch(f"evaluating {options.artefact.name}, which must be exported first,")
    from streetseg.export.targets import export

    return export


def pool(options: argparse.Namespace) -> int:
    """Print one evaluation from several."""
    from streetseg.measure.pool import pool

    say_result(pool(options.evaluations), options)
    return DONE


def compare(options: argparse.Namespace) -> int:
    """Print two evaluations side by side, and which differences are real."""
    from streetseg.measure.compare import compare

    say_result(compare(options.a, options.b), options)
    return DONE


def say_result(result: Printable, options: argparse.Namespace) -> None:
    """Print a result as its table, or as JSON."""
    say(result.to_json() if options.json else result.table())
