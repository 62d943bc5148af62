"""Quantise an artefact to int8 after training: calibrated on frames, evaluated on labelled ones.

The result is the same kind of file: float32 logits, any frame size, any ONNX engine.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streetseg.data.class_names import described
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset, Pair
from streetseg.errors import ArtefactError, MissingExtraError, UsageError, VerificationError
from streetseg.export.operations import FloatOperation, float_operations, int8_operations, operation_places
from streetseg.measure.coverage import EVERYTHING, Coverage
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.setup import Setup, describe_data, folder_name
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.card import Accuracy, ModelCard
from streetseg.runtime.files import make_folder, same_file, whole_file
from streetseg.runtime.provenance import package_version, today
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.shelf.shelf import find_weights

# Modules that int8 costs too much, found with one drive left out: of BiSeNetV2's 1.00 points, all but 0.25.
# Both read sums of few large and many small values.
STAYS_FLOAT = {"bisenetv2": ("aggregation.fuse.0", "head.4")}

try:
    import onnx

    from streetseg.export.accuracy_control import AccuracyControl
    from streetseg.export.graph import widen_weights, with_card
    from streetseg.export.rounding import round_graph
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "nncf", "streetseg quantize", "quantize") from None


@dataclass(frozen=True, repr=False)
class Quantization(Printable):
    """An int8 artefact and its loss of accuracy.

    Attributes:
        path: The int8 artefact.
        card: Its card.
        calibration: Dataset, split and number of the frames that gave the ranges of the values.
        before: mIoU of the float artefact, 0 to 1.
        after: mIoU of the int8 artefact, 0 to 1.
        int8: Number of operations that are computed from rounded values.
        stayed: The operations that stay in float, with the reason.
        coverage: The part of the labels that both mIoUs count.
        matched: Classes of the labels and of the weights that were matched by more than their names; "" if none.
    """

    path: Path
    card: ModelCard
    calibration: str
    before: float
    after: float
    int8: int
    stayed: tuple[FloatOperation, ...]
    coverage: Coverage = EVERYTHING
    matched: str = ""

    @property
    def drop(self) -> float:
        """The mIoU points lost."""
        return round(100 * (self.before - self.after), 4)

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            mIoU from 0 to 1, the drop in points, and the operations that stay in float.
        """
        (accuracy,) = self.card.accuracy
        return {
            "network": self.card.network,
            "calibrated_on": self.calibration,
            "measured_on": accuracy.measured_on,
            "miou_before": round(self.before, 6),
            "miou": round(self.after, 6),
            "drop_points": self.drop,
            "left_out_share": round(self.coverage.left_out_share, 6),
            "int8_operations": self.int8,
            "float_operations": [dataclasses.asdict(operation) for operation in self.stayed],
        }

    def table(self) -> str:
        """Return the figures as text.

        Returns:
            mIoU in per cent, the drop in points, and a table of the operations that stay in float.
        """
        (accuracy,) = self.card.accuracy
        rows = [[one.operation, one.place, one.reason] for one in self.stayed]
        return "\n".join(
            [
                f"{self.path}: calibrated on {self.calibration}; measured on {accuracy.measured_on}",
                f"mIoU {100 * self.before:.2f} before, {100 * self.after:.2f} after: a drop of {self.drop:.2f} points"
                f"{self.coverage.beside}",
                *([f"classes of the labels = of the weights: {self.matched}"] if self.matched else []),
                f"{self.int8} operations from 8-bit values, {len(rows)} from float:",
                "",
                text_table([["operation", "place", "why it is from float"], *rows]),
            ]
        )


def quantize(
    artefact: str | Path,
    *,
    data: Dataset | str | Path,
    out: str | Path,
    dataset: str | None = None,
    split: str = "train",
    frames: int = 100,
    validate: str = "val",
    max_drop: float = 0.5,
    mapping: Mapping[str, str] | None = None,
    keep_float: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Quantization:
    """Quantise an artefact to int8.

    Args:
        artefact: NAME.onnx, or a name of the shelf.
        data: The dataset, or its folder.
        out: NAME.onnx, the int8 artefact.
        dataset: Which dataset the folder is; None: recognised by its layout.
        split: The split whose frames give the ranges of the values.
        frames: Number of these frames, 1 or more, taken evenly from the whole split.
        validate: The split on which the drop is measured, in float32.
        max_drop: mIoU points that the artefact may lose, 0 or more. If it loses more, the operations that cost most
            return to float.
        mapping: Class of the labels -> class of the artefact that it counts as; "" leaves it out. Others are matched by
            name, spelling and synonym.
        keep_float: Modules whose convolutions stay in float, as the result's table names them, "head.4" for example;
            a prefix stands for all modules below it. None: those that are known to cost too much in this network.
        progress: Shows the progress of the evaluations.

    Returns:
        The artefact's path and card, its mIoU before and after, and the operations that stay in float.

    Raises:
        ArtefactError: The artefact is damaged or in int8 already.
        DatasetError: The dataset cannot be used, or over a tenth of its labelled pixels belongs to classes that the
            artefact does not know: then it cannot judge the drop.
        MissingExtraError: The extra "quantize" is not installed.
        OutputError: The int8 artefact cannot be written.
        UsageError: An argument does not fit.
        VerificationError: The drop stays too large; nothing is written.
    """
    if frames < 1:
        raise UsageError(f"quantize takes at least 1 calibration frame, got {frames}")
    if not max_drop >= 0:
        raise UsageError(f"the largest drop is in mIoU points, 0 or more, got {max_drop}")
    path, out = find_weights(artefact), Path(out)
    if path.suffix != ".onnx" or out.suffix != ".onnx":
        raise UsageError(f"quantize makes one NAME.onnx of another, not {out} of {path}")
    if same_file(out, path):
        raise UsageError(f"{out} is the float artefact itself; choose another name for the int8 artefact")
    labelled = data if isinstance(data, Dataset) else open_dataset(Path(data), dataset)
    make_folder(out.parent)
    segmenter = Segmenter.open(path, precision="float32")
    card = segmenter.card
    if card.precision == "int8":
        raise ArtefactError(f"{path} is int8 already; give the artefact that it was made from")
    calibration = evenly(labelled.pairs(split), frames)
    model = onnx.load(path)
    widen_weights(model.graph)
    kept = nodes_to_keep(model.graph, card, keep_float)
    control = AccuracyControl(model, card, labelled, validate, mapping, progress)
    control.once_int8 |= kept  # so that the table says why they are in float
    rounded = round_graph(model, segmenter, calibration, control, max_drop, sorted(kept))
    int8 = int8_operations(rounded.graph)
    if not int8:
        raise VerificationError(
            f"{path} loses more than {max_drop} mIoU points with any operation in int8; nothing was written; allow "
            "more by --max-drop, or calibrate on more frames"
        )

    card, after = write_evaluated(rounded, control, max_drop, path, out)
    return Quantization(
        path=out,
        card=card,
        calibration=f"{labelled.name}, split {split}, {len(calibration)} frames",
        before=control.before.scores.miou,
        after=after,
        int8=len(int8),
        stayed=float_operations(rounded.graph, control.once_int8, operation_places(model.graph)),
        coverage=control.before.coverage,
        matched=described(control.before.matches),
    )


def write_evaluated(
    rounded: onnx.ModelProto, control: AccuracyControl, max_drop: float, source: Path, out: Path
) -> tuple[ModelCard, float]:
    """Write the int8 artefact `out`; return its card and its mIoU. VerificationError if it loses too much.

    The graph is evaluated once more, as a file, so that the card's figure is this file's.
    """
    with whole_file(out) as temporary:
        content, card = with_card(rounded, control.card, "int8", out.stem)
        temporary.write_bytes(content)
        evaluation = control.evaluate_file(temporary, control.pairs)
        before, after = control.before.scores.miou, evaluation.scores.miou
        if before - after > max_drop / 100:
            raise VerificationError(
                f"{source} loses {100 * (before - after):.2f} mIoU points in int8, allowed are {max_drop}; nothing was "
                "written; allow more by --max-drop, or calibrate on more frames"
            )
        entry = accuracy_entry(evaluation, card, control, out)
        content, card = with_card(rounded, dataclasses.replace(card, accuracy=(entry,)), "int8", out.stem)
        temporary.write_bytes(content)
    return card, after


def nodes_to_keep(graph: onnx.GraphProto, card: ModelCard, modules: Sequence[str] | None) -> set[str]:
    """Return the names of the convolutions of these modules; UsageError for a module that has none.

    modules: None for those of `STAYS_FLOAT`, of which the graph need not have all.
    """
    places = operation_places(graph)
    convolutions = {node.name: places[node.name] for node in graph.node if node.op_type == "Conv"}
    kept = set()
    for module in STAYS_FLOAT.get(card.network, ()) if modules is None else modules:
        name = module.removeprefix("network.")
        found = {
            node
            for node, place in convolutions.items()
            if f"{place.removeprefix('network.')}.".startswith(f"{name}.") and not place.startswith("after ")
        }
        if not found and modules is not None:
            there = ", ".join(sorted({place.removeprefix("network.") for place in convolutions.values()}))
            raise UsageError(f"no convolution of {card.network} is called {module!r}; there are {there}")
        kept |= found
    return kept


def evenly(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return this many pairs, evenly from the whole sequence, or all if there are fewer."""
    count = min(count, len(pairs))
    return [pairs[index * len(pairs) // count] for index in range(count)]


def accuracy_entry(evaluation: Evaluation, card: ModelCard, control: AccuracyControl, out: Path) -> Accuracy:
    """Return the card's entry for the int8 artefact."""
    dataset, split = control.dataset, control.split
    words = ["streetseg", "evaluate", out.name, "--data", folder_name(dataset.root), "--split", split]
    if control.mapping:
        words += ["--map", ",".join(f"{label}={name}" for label, name in control.mapping.items())]
    setup = Setup(
        measured_on=describe_data(dataset.name, split, evaluation.frames, card.training_data),
        weights=card.content_hash,
        engine="openvino, float32",
        command=shlex.join([*words, "--precision", "float32"]),
        title=card.title,
        date=today(),
        package_version=package_version(),
    )
    return dataclasses.replace(evaluation, setup=setup).card_entry()
