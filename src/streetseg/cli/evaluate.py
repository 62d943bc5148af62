"""`streetseg evaluate`, `streetseg pool` and `streetseg compare`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streetseg.cli.options import (
    add_data_options,
    add_engine_options,
    add_json,
    add_map,
    add_verb,
    class_mapping,
    engine_options,
    need_torch,
    path,
)
from streetseg.cli.output import CHECK_FAILED, DONE, complain, progress, say
from streetseg.errors import ReportError, UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs
    from streetseg.measure.compare import Comparison
    from streetseg.measure.evaluation import Evaluation


def add_verbs(verbs: Verbs) -> None:
    """Add evaluate, pool and compare."""
    verb = add_verb(verbs, "evaluate", evaluate, "measure an artefact's accuracy on a labelled dataset")
    verb.add_argument(
        "artefact", type=path, metavar="ARTEFACT",
        help="NAME.onnx, NAME.xml, NAME.pt2 or a name of weights; or NAME.safetensors, which is exported first",
    )  # fmt: skip
    add_data_options(verb)
    verb.add_argument(
        "--split", default="val",
        help="val, test, train, trainval, only:SEQUENCE or without:SEQUENCE (default: val)",
    )  # fmt: skip
    add_map(verb)
    add_partial(verb)
    add_engine_options(verb)
    verb.add_argument(
        "--scale", type=float, nargs="+", metavar="S",
        help="scale of the network's input; predictions at several are averaged (default: the card's)",
    )  # fmt: skip
    verb.add_argument("--flip", action="store_true", help="average the predictions with those of the mirrored frame")
    verb.add_argument(
        "--window", type=int, nargs=2, metavar=("H", "W"),
        help="segment in windows of H x W pixels (default: the whole frame)",
    )  # fmt: skip
    verb.add_argument("--overlap", type=float, metavar="SHARE", help="share by which windows overlap (default: 0.5)")
    verb.add_argument(
        "--trimap", type=int, nargs="+", metavar="K",
        help="score bands of K pixels along the borders of classes (default: 1 3 5 10)",
    )  # fmt: skip
    verb.add_argument(
        "--report", type=path, metavar="DIR",
        help="folder for a report: JSON, CSV and a page with pictures (default: none)",
    )  # fmt: skip
    verb.add_argument("--worst", type=int, metavar="N", help="show the N worst frames in the report (default: 8)")
    verb.add_argument(
        "--submission", type=path, metavar="DIR", help="folder for a test server's files; computes no scores"
    )
    verb.add_argument(
        "--flicker", action="store_true",
        help="measure how much class maps flicker, of a film, of a folder of its frames, or, beside the scores, of a "
        "dataset's drives",
    )  # fmt: skip
    verb.add_argument("--steady", action="store_true", help="with --flicker: smooth the class maps over time")
    add_json(verb)

    verb = add_verb(verbs, "pool", pool, "pool evaluations of different frames into one")
    verb.add_argument(
        "evaluations", nargs="+", type=path, metavar="FILE.json", help="output of evaluate --json or --report"
    )
    add_partial(verb)
    add_json(verb)

    verb = add_verb(verbs, "compare", compare, "test whether two evaluations of the same frames differ")
    verb.add_argument("a", type=path, metavar="A.json", help="output of evaluate --json or --report")
    verb.add_argument("b", type=path, metavar="B.json", help="the same of the other artefact")
    add_partial(verb)
    add_json(verb)


def add_partial(verb: argparse.ArgumentParser) -> None:
    """Add --partial."""
    verb.add_argument(
        "--partial", action="store_true",
        help="exit with 0 although over 10 %% of the labelled pixels are of classes that the weights do not know",
    )  # fmt: skip


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate an artefact; print its scores and write its report, or write its class maps for a test server."""
    from streetseg.measure.evaluate import WORST, evaluate
    from streetseg.measure.submission import write_submission
    from streetseg.measure.views import Views

    labelled = not options.flicker or has_labels(options)
    refuse_mixed_options(options, labelled)
    if not labelled:
        return flicker(options)
    if options.artefact.suffix == ".safetensors":
        need_torch(f"evaluating {options.artefact.name}, which must be exported first,")
    shared: dict[str, Any] = {
        "data": options.data,
        "dataset": options.dataset,
        "split": options.split,
        "scales": options.scale,
        "flip": options.flip,
        "window": options.window and tuple(options.window),
        "overlap": Views.overlap if options.overlap is None else options.overlap,
        "options": engine_options(options),
        "progress": progress,
    }
    mapping = class_mapping(options)
    if options.submission is not None:
        say(write_submission(options.artefact, out=options.submission, **shared).table())
        return DONE
    worst = WORST if options.worst is None else options.worst
    try:
        evaluation = evaluate(
            options.artefact,
            mapping=mapping,
            partial=True,  # say_result complains
            trimap=options.trimap,
            report=options.report,
            worst=worst,
            flicker=options.flicker,
            steady=options.steady,
            **shared,
        )
    except ReportError as error:
        say(error.result.to_json() if options.json else error.result.table())
        raise
    code = say_result(evaluation, options)
    if options.report is not None and not options.json:
        say(f"report: {options.report / 'report.html'}")
    return code


def has_labels(options: argparse.Namespace) -> bool:
    """Return True if --data is a labelled dataset, not a film or a folder of its frames."""
    from streetseg.data.datasets import find_dataset
    from streetseg.errors import DatasetError

    if options.dataset is None and not options.data.is_dir():
        return False
    try:
        find_dataset(options.data, options.dataset)
    except DatasetError:
        return options.dataset is not None
    return True


def flicker(options: argparse.Namespace) -> int:
    """Print how much the class maps of a film flicker."""
    from streetseg.measure.flicker import measure_flicker

    measured = measure_flicker(
        options.artefact,
        film=options.data,
        steady=options.steady,
        options=engine_options(options),
        progress=progress,
    )
    say(measured.to_json() if options.json else measured.table())
    return DONE


def refuse_mixed_options(options: argparse.Namespace, labelled: bool) -> None:
    """Raise UsageError if an option needs another one that is not given, or has no use with another."""
    if options.overlap is not None and options.window is None:
        raise UsageError("--overlap needs --window H W; add it, or leave --overlap out")
    if options.steady and not options.flicker:
        raise UsageError("--steady needs --flicker; add it, or leave --steady out")
    for option in ("submission", "scale", "flip", "window"):
        if options.flicker and getattr(options, option):
            raise UsageError(f"--flicker looks at whole frames, so it takes no --{option}; leave one of them out")
    for option in ("report", "trimap", "map", "partial"):
        if not labelled and getattr(options, option):
            raise UsageError(f"{options.data} has no labels, so --flicker takes no --{option} here; leave it out")
    for option in ("report", "trimap", "json", "map", "partial"):
        if options.submission is not None and getattr(options, option):
            raise UsageError(f"--submission computes no scores, so it takes no --{option}; leave one of them out")
    if options.worst is not None and options.worst >= 0 and options.report is None:
        raise UsageError("--worst needs --report DIR; add it, or leave --worst out")


def pool(options: argparse.Namespace) -> int:
    """Pool evaluations and print the result."""
    from streetseg.measure.pool import pool

    return say_result(pool(options.evaluations), options)


def compare(options: argparse.Namespace) -> int:
    """Print two evaluations side by side, and which differences are significant."""
    from streetseg.measure.compare import compare

    return say_result(compare(options.a, options.b), options)


def say_result(result: Evaluation | Comparison, options: argparse.Namespace) -> int:
    """Print a result as its table, or as JSON; return the exit code, CHECK_FAILED for unasked partial figures."""
    say(result.to_json() if options.json else result.table())
    if not result.partial or options.partial:
        return DONE
    complain(result.coverage.advice)
    return CHECK_FAILED
