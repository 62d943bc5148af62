"""`streetseg convert`, `streetseg export` and `streetseg quantize`: one form of weights to another."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from streetseg.cli.options import (
    add_data_options,
    add_json,
    add_map,
    add_verb,
    class_mapping,
    fill_in,
    need_torch,
    path,
)
from streetseg.cli.output import DONE, complain, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs

# Options that only some export targets have: fields of `ExportOptions`, and keywords of `export`.
TARGET_OPTIONS: dict[str, dict[str, Any]] = {
    "opset": {"type": int, "metavar": "N", "help": "version of ONNX's operators, 13 or more (%(able)s)"},
    "input": {"help": "uint8, or float for float32; both 0 to 255, the normalisation stays inside (%(able)s)"},
    "layout": {"help": "nhwc, or nchw for channels first in input and output (%(able)s)"},
    "size": {
        "type": int, "nargs": 2, "metavar": ("H", "W"),
        "help": "the only size of frames that the result takes (default: any; %(able)s)",
    },
    "output": {"help": "logits, probabilities, or classmap for uint8 class indices (%(able)s)"},
    "precision": {"help": "float32, float16, bfloat16 or int8 (%(able)s)"},
    "plan": {"action": "store_true", "help": "write what another machine needs for the last step (%(able)s)"},
}  # fmt: skip


def add_verbs(verbs: Verbs) -> None:
    """Add convert, export and quantize."""
    verb = add_verb(verbs, "convert", convert, "convert another code base's checkpoint to weights of ours")
    verb.add_argument(
        "checkpoint", type=path, metavar="FILE",
        help="checkpoint: .pth, .pt, .tar, .pkl, .bin, .ckpt or .safetensors",
    )  # fmt: skip
    verb.add_argument("--out", required=True, type=path, metavar="NAME.safetensors", help="file for the weights")
    verb.add_argument("--network", metavar="NAME", help="name of its network (default: by the tensors)")
    verb.add_argument(
        "--origin", metavar="OWNER/REPOSITORY", help="code base that it comes from (default: by the tensors)"
    )
    verb.add_argument(
        "--part", metavar="NAME",
        help="part of the file to take, if it holds several networks (default: the averaged weights, or the only ones)",
    )  # fmt: skip
    verb.add_argument(
        "--classes",
        help="a dataset's name, names separated by commas, a text file with one name a line, or a count; a count other "
        "than the checkpoint's leaves the head untrained (default: the names in the checkpoint, else Cityscapes' for "
        "19, else class_0, class_1, ...)",
    )
    verb.add_argument(
        "--operating-scale", type=float, default=1.0, metavar="SCALE",
        help="factor that reduces frames for the network: 0.5 for STDC-Seg50, 0.75 for STDC-Seg75 (default: 1)",
    )  # fmt: skip

    add_export(add_verb(verbs, "export", export, "export weights to a form that runs elsewhere"))

    verb = add_verb(verbs, "quantize", quantize, "quantise an artefact to int8, calibrated on a dataset")
    verb.add_argument("artefact", type=path, metavar="ARTEFACT", help="NAME.onnx or a name of weights")
    add_data_options(verb)
    add_map(verb)
    verb.add_argument("--split", default="train", help="split to calibrate on (default: train)")
    verb.add_argument(
        "--frames", type=int, default=100, metavar="N", help="number of frames to calibrate on (default: 100)"
    )
    verb.add_argument(
        "--validate", default="val", metavar="SPLIT", help="split to measure the drop of the mIoU on (default: val)"
    )
    verb.add_argument(
        "--max-drop", type=float, default=0.5, metavar="POINTS",
        help="mIoU points that it may lose; operations go back to float until it loses no more (default: 0.5)",
    )  # fmt: skip
    verb.add_argument(
        "--keep-float", action="append", metavar="MODULE",
        help="module whose convolutions stay in float, head.4 for example; can be repeated (default: those that are "
        "known to cost too much)",
    )  # fmt: skip
    verb.add_argument("--out", required=True, type=path, metavar="NAME.onnx", help="file for the int8 artefact")
    add_json(verb)


def add_export(verb: argparse.ArgumentParser) -> None:
    """Add the options of export."""
    verb.add_argument(
        "weights",
        metavar="WHAT",
        help="NAME.safetensors from train or convert, an artefact NAME.onnx, or a name of weights",
    )
    to = verb.add_argument("--to", metavar="TARGET", help="%(targets)s (default: by --out's suffix, else onnx)")
    verb.add_argument("--target", help="another word for --to")
    out = verb.add_argument(
        "--out", type=path, metavar="PLACE", help="%(files)s (default: beside the weights, or in the current folder)"
    )
    fill_in(to, targets=targets_in_words)
    fill_in(out, files=files_of_targets)
    verb.add_argument(
        "--accuracy", type=path, action="append", default=[], metavar="FILE",
        help="output of evaluate --json, for the card; can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--training-time", default="", metavar="TEXT",
        help="duration and machine of the training, for the card",
    )  # fmt: skip
    group = verb.add_argument_group("options of some targets")
    group.add_argument(
        "--serve", action="store_true", help="serve the page on this machine until Ctrl+C is pressed (web)"
    )
    group.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port for --serve, 0 for any (default: 8080; web)"
    )
    for name, settings in TARGET_OPTIONS.items():
        action = group.add_argument(f"--{name.replace('_', '-')}", **settings)
        fill_in(action, able=partial(targets_with, name))


def targets_in_words() -> str:
    """Return the names of the export targets."""
    from streetseg.export.targets import TARGETS

    return ", ".join(TARGETS)


def files_of_targets() -> str:
    """Return what each export target writes."""
    from streetseg.export.targets import TARGETS

    return ", ".join(f"{kind.file} for {name}" for name, kind in TARGETS.items())


def targets_with(option: str) -> str:
    """Return the export targets that have an option."""
    from streetseg.export.targets import TARGETS

    return ", ".join(name for name, kind in TARGETS.items() if option in kind.options)


def convert(options: argparse.Namespace) -> int:
    """Convert a checkpoint; print what was taken, left out and left untrained."""
    need_torch("streetseg convert")
    from streetseg.export.convert import convert

    converted = convert(
        options.checkpoint,
        out=options.out,
        network=options.network,
        origin=options.origin,
        part=options.part,
        classes=options.classes,
        operating_scale=options.operating_scale,
    )
    say(converted.table())
    return DONE


def export(options: argparse.Namespace) -> int:
    """Export weights; print the result and how far it differs from its source."""
    from streetseg.export.targets import export

    if options.serve and "web" not in (options.to, options.target):
        raise UsageError("--serve is for --to web, whose result is a page")
    exported = export(
        options.weights,
        to=options.to,
        target=options.target,
        out=options.out,
        accuracy=options.accuracy,
        training_time=options.training_time,
        **{name: given for name in TARGET_OPTIONS if (given := getattr(options, name)) is not None},
    )
    for note in exported.notes:
        complain(f"note: {note}")
    say(exported.table())
    if options.serve:
        from streetseg.export.web_server import serve_web

        serve_web(exported.path, port=options.port, started=lambda address: say(f"open {address}; Ctrl+C ends it"))
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
        mapping=class_mapping(options),
        keep_float=options.keep_float,
        progress=progress,
    )
    say(quantization.to_json() if options.json else quantization.table())
    return DONE
