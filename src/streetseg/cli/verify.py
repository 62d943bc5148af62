"""`streetseg verify`: an exported file beside the artefact that it was made from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, add_json, add_threads, add_verb, path
from streetseg.cli.output import CHECK_FAILED, DONE, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add verify."""
    verb = add_verb(verbs, "verify", verify, "check that an exported file computes the same as its artefact")
    verb.add_argument(
        "exported", nargs="?", type=path, metavar="EXPORTED", help="what export wrote, or NAME.onnx of any exporter"
    )
    verb.add_argument(
        "frames", nargs="*", type=path, metavar="FRAME",
        help="images, folders or patterns to run both on (default: rendered streets)",
    )  # fmt: skip
    verb.add_argument(
        "--against", nargs="+", type=path, metavar=("ARTEFACT", "FRAME"),
        help="NAME.onnx, NAME.xml, NAME.pt2 or a name of weights; frames may follow it",
    )  # fmt: skip
    verb.add_argument(
        "--all", action="store_true",
        help="export four networks of the shelf to every target that runs here, and verify each",
    )  # fmt: skip
    verb.add_argument(
        "--to", action="append", metavar="TARGET", help="with --all: this target only; can be repeated (default: all)"
    )
    add_data_options(verb, required=False)
    verb.add_argument("--split", default="val", help="split of --data (default: val)")
    verb.add_argument(
        "--card", type=path, metavar="CARD.json",
        help="card of another exporter's file, as card --json prints it (default: the one inside, else ARTEFACT's)",
    )  # fmt: skip
    verb.add_argument("--layout", help="nchw or nhwc: axes of its input (default: by the place of the 3 channels)")
    verb.add_argument(
        "--values", metavar="RANGE",
        help="normalised, 0-255 or 0-1: what its float input takes (default: normalised by the card)",
    )  # fmt: skip
    verb.add_argument(
        "--output", help="logits, probabilities or classmap: what it puts out (default: logits, or class indices)"
    )
    verb.add_argument(
        "--precision", help="float32, float16, bfloat16 or int8: whose limits count (default: what the file shows)"
    )
    verb.add_argument("--engine", help="engine that runs an artefact of ours (default: the first that fits)")
    verb.add_argument("--device", help="device that runs an artefact of ours (default: cpu)")
    add_threads(verb)
    add_json(verb)


def verify(options: argparse.Namespace) -> int:
    """Verify an exported file; print the differences, the limits and the mistakes; 1 beyond the limits."""
    if options.all:
        return verify_everything(options)
    from streetseg.export.equivalence import verify

    if options.exported is None or options.against is None:
        missing = "EXPORTED" if options.exported is None else "--against ARTEFACT"
        raise UsageError(f"verify needs {missing}, or --all for every target; see streetseg verify --help")
    against, *frames = options.against
    verification = verify(
        options.exported,
        against=against,
        data=options.data,
        dataset=options.dataset,
        split=options.split,
        frames=[*options.frames, *frames] or None,
        card=options.card,
        layout=options.layout,
        values=options.values,
        output=options.output,
        precision=options.precision,
        engine=options.engine,
        device=options.device,
        threads=options.threads,
        progress=progress,
    )
    say(verification.to_json() if options.json else verification.table())
    return DONE if verification.passed else CHECK_FAILED


def verify_everything(options: argparse.Namespace) -> int:
    """Verify every target with the networks of the shelf; print the table; 1 if one is not the same function."""
    from streetseg.export.verify_all import verify_all

    if options.exported is not None or options.against is not None:
        raise UsageError("--all verifies the weights of the shelf; leave out EXPORTED and --against")
    found = verify_all(targets=options.to, threads=options.threads, progress=progress)
    say(found.to_json() if options.json else found.table())
    return DONE if found.passed else CHECK_FAILED
