"""From one form of weights to another: `streetseg convert`, `export`, `quantize`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, need_torch, path
from streetseg.cli.output import DONE, complain, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """convert, export, quantize."""
    verb = verbs.add_parser("convert", help="make weights of ours from another code base's checkpoint")
    verb.add_argument("checkpoint", type=path, metavar="FILE", help=".pth, .pt, .tar, .pkl, .bin, .ckpt, .safetensors")
    verb.add_argument("--out", required=True, type=path, metavar="NAME.safetensors")
    verb.add_argument("--network", help="which network it is (default: told by its tensors)")
    verb.add_argument("--origin", metavar="OWNER/REPOSITORY", help="whose checkpoint it is (default: told likewise)")
    verb.add_argument(
        "--classes",
        help="a dataset's name, names with commas between, a text file with a name a line, or a count; another count "
        "than the checkpoint's leaves the head untrained (default: Cityscapes' for 19, else class_0, class_1, ...)",
    )
    verb.add_argument(
        "--operating-scale", type=float, default=1.0, metavar="SCALE",
        help="reduce frames so far for the network: 0.5 for STDC-Seg50, 0.75 for STDC-Seg75 (default: 1)",
    )  # fmt: skip
    verb.set_defaults(verb=convert)

    verb = verbs.add_parser("export", help="make the artefact that runs from trained weights")
    verb.add_argument("weights", type=path, metavar="FILE.safetensors")
    verb.add_argument("--target", default="onnx", help="onnx (default), or torch: a torch.export program")
    verb.add_argument("--out", type=path, help="NAME.onnx or NAME.pt2 (default: beside the weights)")
    verb.add_argument(
        "--accuracy", type=path, action="append", default=[], metavar="FILE",
        help="put this result of evaluate --json on the card; can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--training-time", default="", metavar="TEXT",
        help="put on the card how long the training took and on which machine",
    )  # fmt: skip
    verb.set_defaults(verb=export)

    verb = verbs.add_parser("quantize", help="make an int8 artefact of an artefact, calibrated on a dataset")
    verb.add_argument("artefact", type=path, help="NAME.onnx, or a name")
    add_data_options(verb)
    verb.add_argument("--split", default="train", help="whose frames show the ranges of the values (train)")
    verb.add_argument("--frames", type=int, default=100, metavar="N", help="so many of them (100)")
    verb.add_argument("--validate", default="val", metavar="SPLIT", help="on which the drop is judged (val)")
    verb.add_argument(
        "--max-drop", type=float, default=0.5, metavar="POINTS",
        help="mIoU points it may lose (0.5); operations go back to float until it loses no more",
    )  # fmt: skip
    verb.add_argument("--out", required=True, type=path, metavar="NAME.onnx")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=quantize)


def convert(options: argparse.Namespace) -> int:
    """Bring a checkpoint under our names, and say what was taken, left out and left untrained."""
    from streetseg.data.labels import label_space, likely_labels
    from streetseg.runtime.card import MAX_OPERATING_SCALE
    from streetseg.runtime.files import same_file

    if options.out.suffix != ".safetensors":
        raise UsageError(f"--out {options.out} must be named NAME.safetensors")
    if not 0 < options.operating_scale <= MAX_OPERATING_SCALE:
        raise UsageError(
            f"--operating-scale {options.operating_scale} must be above 0 and at most {MAX_OPERATING_SCALE}"
        )
    labels = None if options.classes is None else label_space(options.classes)
    if same_file(options.out, options.checkpoint):
        raise UsageError(f"--out {options.out} is what is to be converted; choose another name")
    need_torch("streetseg convert")
    from streetseg.models.checkpoint_files import read_tensors
    from streetseg.models.conversion import build_converted, recognise_checkpoint
    from streetseg.models.weights import save_weights

    source = options.checkpoint.name
    found = recognise_checkpoint(read_tensors(options.checkpoint), source, options.network, options.origin)
    if found.num_classes == 1 and (labels is None or len(labels.names) == 1):
        raise UsageError(
            f"{source} puts out one logit a pixel, which takes a threshold; a class map takes the highest of several: "
            "name two classes or more by --classes, whose last layer is then to be trained"
        )
    if labels is None:
        if found.num_classes is None:
            raise UsageError(
                f"{source} is a backbone, which has no classes: name those of the new network by --classes"
            )
        labels = likely_labels(found.num_classes)
    network, card, untrained = build_converted(found, labels.names, labels.colours, options.operating_scale)
    save_weights(options.out, network.state_dict(), card, precision="float32")

    taken = len(network.state_dict()) - sum(untrained.values())
    say(f"{source}: {found.network} as {found.origin.name} has it; {taken} tensors taken")
    if found.left_out:
        say(f"left out, for only training needs it or nothing: {counted(found.left_out)}")
    say(f"{len(labels.names)} classes: {', '.join(labels.names)}")
    if untrained:
        say(f"{options.out}: to be trained before use, for these are at their initialisation: {counted(untrained)}")
    else:
        say(f"{options.out}: next, streetseg export {options.out}")
    return DONE


def counted(tensors: dict[str, int]) -> str:
    """Tensors by the beginning of their names."""
    return ", ".join(f"{name} ({count})" for name, count in tensors.items())


def export(options: argparse.Namespace) -> int:
    """Make an artefact and check it against its network."""
    need_torch("streetseg export")
    from streetseg.export.targets import TARGETS
    from streetseg.measure.evaluation_json import read_accuracy

    if options.target not in TARGETS:
        raise UsageError(f"no target {options.target!r}; there are {', '.join(TARGETS)}")
    target = TARGETS[options.target]
    out = options.out or options.weights.with_suffix(target.suffix)
    if out.suffix != target.suffix:
        raise UsageError(f"--out {out} must be named NAME{target.suffix}")
    accuracy = [read_accuracy(path) for path in options.accuracy]
    card, difference = target.export(options.weights, out, accuracy, options.training_time)
    for file, entry in zip(options.accuracy, accuracy, strict=True):
        if entry.weights != card.content_hash:  # as of a left-out drive, which others must have been trained for
            complain(f"note: {file} is of other weights than {out}: {entry.measured_on}")
    say(f"{out}: {card.network}, {len(card.classes)} classes; logits differ by {difference:.1e} of their deviation")
    return DONE


def quantize(options: argparse.Namespace) -> int:
    """Make an int8 artefact; print what it lost and what stayed in float."""
    from streetseg.data.datasets import open_dataset
    from streetseg.export.quantize import quantize

    result = quantize(
        options.artefact,
        open_dataset(options.data, options.dataset),
        options.out,
        split=options.split,
        frames=options.frames,
        validate=options.validate,
        max_drop=options.max_drop,
        progress=progress,
    )
    say(json.dumps(result.facts(), indent=2) if options.json else f"{options.out}: {result.table()}")
    return DONE
