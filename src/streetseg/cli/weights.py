"""`streetseg convert`, `export`, `quantize`: from one form of weights to another."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, need_torch, path
from streetseg.cli.output import DONE, complain, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add convert, export, quantize."""
    verb = verbs.add_parser("convert", help="make weights of ours from another code base's checkpoint")
    verb.add_argument("checkpoint", type=path, metavar="FILE", help=".pth, .pt, .tar, .pkl, .bin, .ckpt, .safetensors")
    verb.add_argument("--out", required=True, type=path, metavar="NAME.safetensors")
    verb.add_argument("--network", help="which network it is (default: recognised by its tensors)")
    verb.add_argument("--origin", metavar="OWNER/REPOSITORY", help="whose checkpoint it is (default: likewise)")
    verb.add_argument(
        "--classes",
        help="a dataset's name, names with commas between, a text file with a name a line, or a count; another count "
        "than the checkpoint's leaves the head untrained (default: Cityscapes' for 19, else class_0, class_1, ...)",
    )
    verb.add_argument(
        "--operating-scale", type=float, default=1.0, metavar="SCALE",
        help="factor by which frames are reduced for the network: 0.5 for STDC-Seg50, 0.75 for STDC-Seg75 (default: 1)",
    )  # fmt: skip
    verb.set_defaults(verb=convert)

    verb = verbs.add_parser("export", help="make the artefact that runs from trained weights")
    verb.add_argument("weights", type=path, metavar="FILE.safetensors")
    verb.add_argument("--target", default="onnx", help="onnx (default), or torch: a torch.export program")
    verb.add_argument("--out", type=path, help="NAME.onnx or NAME.pt2 (default: beside the weights)")
    verb.add_argument(
        "--accuracy", type=path, action="append", default=[], metavar="FILE",
        help="a result of evaluate --json to put on the card; can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--training-time", default="", metavar="TEXT",
        help="how long the training took and on which machine, for the card",
    )  # fmt: skip
    verb.set_defaults(verb=export)

    verb = verbs.add_parser("quantize", help="make an int8 artefact of an artefact, calibrated on a dataset")
    verb.add_argument("artefact", type=path, help="NAME.onnx, or a name")
    add_data_options(verb)
    verb.add_argument("--split", default="train", help="split whose frames show the ranges of the values (train)")
    verb.add_argument("--frames", type=int, default=100, metavar="N", help="number of these frames (100)")
    verb.add_argument("--validate", default="val", metavar="SPLIT", help="split on which the drop is measured (val)")
    verb.add_argument(
        "--max-drop", type=float, default=0.5, metavar="POINTS",
        help="mIoU points it may lose (0.5); operations return to float until it loses no more",
    )  # fmt: skip
    verb.add_argument("--out", required=True, type=path, metavar="NAME.onnx")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=quantize)


def convert(options: argparse.Namespace) -> int:
    """Convert a checkpoint; print what was taken, left out and left untrained."""
    need_torch("streetseg convert")
    from streetseg.export.convert import convert

    converted = convert(
        options.checkpoint,
        out=options.out,
        network=options.network,
        origin=options.origin,
        classes=options.classes,
        operating_scale=options.operating_scale,
    )
    say(converted.table())
    return DONE


def export(options: argparse.Namespace) -> int:
    """Export weights; print the artefact and how far it differs from its network."""
    need_torch("streetseg export")
    from streetseg.export.targets import export

    exported = export(
        options.weights,
        target=options.target,
        out=options.out,
        accuracy=options.accuracy,
        training_time=options.training_time,
    )
    for note in exported.notes:
        complain(f"note: {note}")
    say(exported.table())
    return DONE


def quantize(options: argparse.Namespace) -> int:
    """Quantise an artefact; print what it lost and what stayed in float."""
    from streetseg.export.quantize import quantize

    quantization = quantize(
        options.artefact,
        data=options.data,
        dataset=options.dataset,
        out=options.out,
        split=options.split,
        frames=options.frames,
        validate=options.validate,
        max_drop=options.max_drop,
        progress=progress,
    )
    say(quantization.to_json() if options.json else quantization.table())
    return DONE
