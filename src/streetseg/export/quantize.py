"""Post-training quantisation: an artefact -> an int8 artefact, calibrated on frames and judged on labelled ones.

NNCF chooses what is rounded to 8 bits, and how: symmetric ranges, one a channel for weights and one a tensor for
activations (docs/performance.md says why), biases corrected. The result is the same kind of file: float32 logits, any
frame size, any ONNX engine; its graph holds 8-bit weights, and a pair of QuantizeLinear and DequantizeLinear wherever
activations are rounded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import Dataset, Pair
from streetseg.errors import ArtefactError, MissingExtraError, UsageError, VerificationError
from streetseg.measure.evaluation import Evaluation, Setup, describe_data
from streetseg.measure.frames import evaluate_frames
from streetseg.progress import Progress, silent
from streetseg.results import text_table
from streetseg.runtime.card import Accuracy, ModelCard
from streetseg.runtime.files import make_folder, same_file, whole_file, write_file
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.shelf.shelf import find_weights

# nncf reports its use to a server unless this package is missing; None makes its import fail.
TELEMETRY = "openvino_telemetry"
kept = {TELEMETRY: sys.modules.pop(TELEMETRY)} if TELEMETRY in sys.modules else {}
sys.modules[TELEMETRY] = None  # type: ignore[assignment]
try:
    import nncf
    import onnx
    from nncf.quantization.advanced_parameters import QuantizationParameters

    from streetseg.export.graph import halve_weights, strip, widen_weights, with_card
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "nncf", "streetseg quantize", "quantize") from None
finally:
    del sys.modules[TELEMETRY]
    sys.modules.update(kept)

RANKING_FRAMES = 20  # on which accuracy control tells what each operation's rounding costs

# They compute nothing that rounding could harm or speed up: what they are given they hand on, rounded or not.
HANDING_ON = {"Cast", "Concat", "MaxPool", "Relu", "Transpose"}
ROUNDING = {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True)
class FloatOperation:
    """An operation that is not computed from rounded values. place: the weights it has, or those before it."""

    operation: str
    place: str
    reason: str


@dataclass(frozen=True)
class Quantization:
    """What became of an artefact. calibration: the frames. before, after: mIoU, 0 to 1, by the float and the int8
    artefact. int8: how many operations are computed from rounded values; the others are in `stayed`."""

    card: ModelCard
    calibration: str
    before: float
    after: float
    int8: int
    stayed: tuple[FloatOperation, ...]

    def facts(self) -> dict[str, Any]:
        """Ready for JSON; mIoU 0 to 1, the drop in points."""
        (accuracy,) = self.card.accuracy
        return {
            "network": self.card.network,
            "calibrated_on": self.calibration,
            "measured_on": accuracy.measured_on,
            "miou_before": round(self.before, 6),
            "miou": round(self.after, 6),
            "drop_points": round(100 * (self.before - self.after), 4),
            "int8_operations": self.int8,
            "float_operations": [dataclasses.asdict(operation) for operation in self.stayed],
        }

    def table(self) -> str:
        """The same, to be read."""
        found = self.facts()
        rows = [[one.operation, one.place, one.reason] for one in self.stayed]
        return "\n".join(
            [
                f"calibrated on {found['calibrated_on']}; measured on {found['measured_on']}",
                f"mIoU {100 * self.before:.2f} before, {100 * self.after:.2f} after: "
                f"a drop of {found['drop_points']:.2f} points",
                f"{self.int8} operations from 8-bit values, {len(rows)} from float:",
                "",
                text_table([["operation", "place", "why it is from float"], *rows]),
            ]
        )


def quantize(
    artefact: Path,
    dataset: Dataset,
    out: Path,
    *,
    split: str = "train",
    frames: int = 100,
    validate: str = "val",
    max_drop: float = 0.5,
    progress: Progress = silent,
) -> Quantization:
    """Write the int8 form of an artefact (NAME.onnx, or a name) to `out`; returns its card and what became of it.

    split, frames: so many frames, evenly from all over that split, show which ranges the values have. validate: the
    split on which the drop is judged, by `evaluate` in float32. max_drop: mIoU points that it may lose; where it loses
    more, the operations that cost most are given back to float until it does not. Raises ArtefactError, DatasetError,
    MissingExtraError, OutputError or UsageError, and VerificationError, with nothing written, where the drop stays too
    large.
    """
    if frames < 1:
        raise UsageError(f"quantize takes at least 1 calibration frame, got {frames}")
    if not max_drop >= 0:
        raise UsageError(f"the largest drop is in mIoU points, 0 or more, got {max_drop}")
    path = find_weights(artefact)
    if path.suffix != ".onnx" or out.suffix != ".onnx":
        raise UsageError(f"quantize makes one NAME.onnx of another, not {out} of {path}")
    if same_file(out, path):
        raise UsageError(f"{out} is what is to be quantized; choose another name for the int8 artefact")
    make_folder(out.parent)
    segmenter = Segmenter.open(path, precision="float32")
    card = segmenter.card
    if card.precision == "int8":
        raise ArtefactError(f"{path} is int8 already; give the artefact that it was made from")
    calibration = evenly(dataset.pairs(split), frames)
    model = onnx.load(path)
    widen_weights(model.graph)
    judge = Judge(model, card, dataset, validate, progress)
    with quiet():
        rounded = nncf.quantize_with_accuracy_control(
            model,
            calibration_dataset=nncf.Dataset(calibration, partial(network_input, segmenter)),
            validation_dataset=nncf.Dataset(judge.pairs),
            validation_fn=judge,
            max_drop=max_drop / 100,
            subset_size=len(calibration),
            # NNCF would give depthwise convolutions' activations a range a channel, which ONNX Runtime cannot run.
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
                activations_quantization_params=QuantizationParameters(per_channel=False)
            ),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=RANKING_FRAMES, num_ranking_workers=1
            ),
        )
    finish(rounded)
    int8 = int8_operations(rounded.graph)
    if not int8:
        raise VerificationError(
            f"{path} loses more than {max_drop} mIoU points by whatever of it is in int8; nothing was written; allow "
            "more by --max-drop, or calibrate on more frames"
        )

    with whole_file(out) as temporary:
        # Judged once more, as the file that it becomes, so that the card's figure is this file's.
        content, card = with_card(rounded, card, "int8")
        temporary.write_bytes(content)
        evaluation = judge.file(temporary, judge.pairs)
        before, after = judge.before.scores.miou, evaluation.scores.miou
        if before - after > max_drop / 100:
            raise VerificationError(
                f"{path} loses {100 * (before - after):.2f} mIoU points in int8, allowed are {max_drop}; nothing was "
                "written; allow more by --max-drop, or calibrate on more frames"
            )
        card = dataclasses.replace(card, accuracy=(measured(evaluation, card, dataset, validate, out),))
        content, card = with_card(rounded, card, "int8")
        temporary.write_bytes(content)
    stayed = float_operations(rounded.graph, judge.once_int8, places(model.graph))
    return Quantization(
        card, f"{dataset.name}, split {split}, {len(calibration)} frames", before, after, len(int8), stayed
    )


def evenly(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """So many of them, or all where there are fewer, from all over."""
    count = min(count, len(pairs))
    return [pairs[index * len(pairs) // count] for index in range(count)]


def network_input(segmenter: Segmenter, pair: Pair) -> dict[str, NDArray[np.uint8]]:
    """A frame as the segmenter gives it to the network."""
    return {"frame": segmenter.prepare(read_frame(pair.image)).input[None]}


class Judge:
    """What accuracy control asks: a model and pairs of the split -> mIoU over all of them, mIoU of each frame."""

    def __init__(
        self, model: onnx.ModelProto, card: ModelCard, dataset: Dataset, split: str, progress: Progress
    ) -> None:
        self.card, self.dataset, self.split, self.progress = card, dataset, split, progress
        self.pairs = dataset.pairs(split)
        self.before = self.evaluation(model, self.pairs)
        self.once_int8: set[str] = set()

    def __call__(self, model: onnx.ModelProto, pairs: Iterable[Pair]) -> tuple[float, list[float]]:
        int8, some = int8_operations(model.graph), tuple(pairs)
        self.once_int8 |= int8
        labelled = {frame.name for frame in self.before.frame_scores if len(frame.cells)}
        if not any(pair.name in labelled for pair in some):  # NNCF also asks about a single frame, which may be void
            return 0.0, [0.0] * len(some)
        evaluation = self.evaluation(model, some) if int8 or some != self.pairs else self.before
        return evaluation.scores.miou, [float(np.nan_to_num(frame.miou)) for frame in evaluation.frame_scores]

    def evaluation(self, model: onnx.ModelProto, pairs: Iterable[Pair]) -> Evaluation:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "judged.onnx"
            write_file(path, with_card(copy, self.card, "int8")[0])
            return self.file(path, pairs)

    def file(self, path: Path, pairs: Iterable[Pair]) -> Evaluation:
        segmenter = Segmenter.open(path, precision="float32")
        some = dataclasses.replace(self.dataset, splits={self.split: tuple(pairs)})
        return evaluate_frames(
            lambda frame: segmenter(frame).classmap, self.card.classes, some, self.split, progress=self.progress
        )


def measured(evaluation: Evaluation, card: ModelCard, dataset: Dataset, split: str, out: Path) -> Accuracy:
    """The card's entry."""
    setup = Setup(
        measured_on=describe_data(dataset.name, split, evaluation.frames, card.training_data),
        weights=card.content_hash,
        engine="openvino, float32",
        command=f"streetseg evaluate {shlex.quote(out.name)} --data {shlex.quote(dataset.name.upper())} "
        f"--split {shlex.quote(split)} --precision float32",
    )
    return dataclasses.replace(evaluation, setup=setup).card_entry()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Standard output is for results: nncf's progress bars go to a terminal's stderr, and its log nowhere."""
    nncf.set_log_level(logging.ERROR)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else nowhere),
    ):
        yield


def finish(model: onnx.ModelProto) -> None:
    """Make of what NNCF leaves an artefact's graph."""
    strip(model.graph)
    whole_sizes(model.graph)
    halve_weights(model.graph)
    onnx.checker.check_model(model)


def whole_sizes(graph: onnx.GraphProto) -> None:
    """Give each Resize all four sizes instead of height and width with their axes.

    ONNX Runtime turns quantised convolutions to channels last, and in doing so mistakes the two sizes for four.
    """
    nodes = []
    for node in graph.node:
        axes = [attribute for attribute in node.attribute if attribute.name == "axes"]
        if node.op_type == "Resize" and axes:
            assert list(axes[0].ints) == [2, 3]
            x, size, name = node.input[0], node.input[3], node.output[0]
            nodes += [
                onnx.helper.make_node("Shape", [x], [f"{name}.batch_and_channels"], start=0, end=2),
                onnx.helper.make_node("Concat", [f"{name}.batch_and_channels", size], [f"{name}.sizes"], axis=0),
            ]
            node.input[3] = f"{name}.sizes"
            node.attribute.remove(axes[0])
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


# What is computed from rounded values, and why the rest is not


def int8_operations(graph: onnx.GraphProto) -> set[str]:
    """The names of the operations all of whose inputs are rounded to 8 bits."""
    rounded: set[str] = set()
    found = set()
    for node, inputs in operations(graph):
        if node.op_type in ROUNDING or (inputs <= rounded and node.op_type in HANDING_ON):
            rounded.update(node.output)
        elif inputs <= rounded and node.op_type not in HANDING_ON:
            found.add(node.name)
    return found


def float_operations(graph: onnx.GraphProto, once_int8: set[str], places: dict[str, str]) -> tuple[FloatOperation, ...]:
    """The others, in the graph's order, with the reason.

    once_int8: the operations that were computed from rounded values before accuracy control gave some back.
    """
    int8 = int8_operations(graph)
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    after_rounding: set[str] = set()
    found = []
    for node, inputs in operations(graph):
        if node.op_type in ROUNDING or inputs & after_rounding:
            after_rounding.update(node.output)
        if node.op_type in HANDING_ON | ROUNDING or node.name in int8:
            continue
        if node.name in once_int8:
            reason = "accuracy"
        elif not inputs & after_rounding:
            reason = "before the first rounding"
        elif node.op_type == "Conv":
            reason = "not quantised by NNCF"
        else:
            makers = sorted({made_by[name] for name in inputs} - ROUNDING)
            reason = f"takes the result of {' and '.join(makers)} before it is rounded"
        found.append(FloatOperation(node.op_type, places[node.name], reason))
    return tuple(found)


def operations(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, set[str]]]:
    """Each operation on frames, with those of its inputs that depend on the frame's pixels."""
    fixed = {tensor.name for tensor in graph.initializer} | {""}
    for node in graph.node:
        inputs = set(node.input) - fixed
        if node.op_type == "Shape" or not inputs:
            fixed.update(node.output)
        else:
            yield node, inputs


def places(graph: onnx.GraphProto) -> dict[str, str]:
    """Node name -> where that is: the module whose weights the node has, else "after" the one before it."""
    weights = {tensor.name for tensor in graph.initializer}
    made_at: dict[str, str] = {}
    found = {}
    for node, _ in operations(graph):
        own = [name.rpartition(".")[0] for name in node.input if name in weights and name.endswith(".weight")]
        before = next((made_at[name] for name in node.input if name in made_at), "input")
        found[node.name] = own[0] if own else f"after {before}"
        made_at.update(dict.fromkeys(node.output, own[0] if own else before))
    return found
