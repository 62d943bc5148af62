"""Open an ONNX graph that anybody exported, and run it on frames: ONNX Runtime, one graph of any common form.

Input: one tensor, batch first, of uint8, float16 or float32, channels first or last, of a fixed or a dynamic size.
Outputs: logits or probabilities, channels first or last, on any grid; or class indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, MissingExtraError, UsageError
from streetseg.runtime.card import ModelCard

Layout = Literal["nchw", "nhwc"]
Range = Literal["normalised", "0-255", "0-1"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
RANGES: tuple[Range, ...] = get_args(Range)
TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True, eq=False)
class Answer:
    """One output of a graph for one frame.

    Attributes:
        name: The output's name.
        values: h x w x C float32, C-contiguous; None for class indices.
        classes: H x W uint8 class indices; None for values.
        channels_first: True if the graph puts out C x h x w.
    """

    name: str
    values: NDArray[np.float32] | None = None
    classes: NDArray[np.uint8] | None = None
    channels_first: bool = False


class ForeignGraph:
    """An ONNX graph in ONNX Runtime.

    Attributes:
        card: The card by which frames are normalised.
        size: H, W of its input in pixels; None for each that is dynamic.
        dtype: numpy's type of its input.
    """

    def __init__(
        self,
        content: bytes,
        name: str,
        card: ModelCard,
        *,
        layout: Layout | None = None,
        values: Range | None = None,
        threads: int | None = None,
    ) -> None:
        try:
            import onnxruntime as ort
        except ModuleNotFoundError:
            raise MissingExtraError("onnxruntime", "streetseg verify", "onnxruntime") from None
        settings = ort.SessionOptions()
        settings.log_severity_level = 4  # its own errors come as exceptions, too
        settings.intra_op_num_threads = threads or 0
        try:
            self.session = ort.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise ArtefactError(f"{name} cannot be read by ONNX Runtime: {first_line(error)}") from None
        self.name, self.card, self.values = name, card, values or "normalised"
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
            given = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            raise ArtefactError(
                f"{name} takes {given}; verify runs graphs of one input of four dimensions, uint8, float16 or float32"
            )
        shape = inputs[0].shape
        self.dtype: Any = TYPES[inputs[0].type]
        if values is not None and self.dtype == np.uint8:
            raise UsageError(f"{name} takes uint8, which are frames as they are; leave out the range of the input")
        self.layout = layout or self.layout_of(shape)
        rows, columns = shape[2:] if self.layout == "nchw" else shape[1:3]
        self.size = (rows if isinstance(rows, int) else None, columns if isinstance(columns, int) else None)

    def layout_of(self, shape: list[int | str | None]) -> Layout:
        """Return the layout by the place of the three channels; UsageError if it is not clear."""
        first, last = shape[1] == 3, shape[3] == 3
        if first == last:
            raise UsageError(
                f"{self.name} takes an input of shape {shape}, which does not say where its channels are; give the "
                f"layout: {' or '.join(LAYOUTS)}"
            )
        return "nchw" if first else "nhwc"

    def values_of(self, frame: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values of the first output; ArtefactError if they are class indices."""
        values = self(frame)[0].values
        if values is None:
            raise ArtefactError(f"{self.name} puts out class indices where logits are needed")
        return values

    def __call__(self, frame: NDArray[np.uint8] | NDArray[np.float32]) -> tuple[Answer, ...]:
        """Return all outputs for a frame, H x W x 3 RGB, from 0 to 255."""
        given: NDArray[Any] = frame.astype(np.float32)
        if self.dtype != np.uint8:
            if self.values == "normalised":
                given = (given - np.array(self.card.mean, np.float32)) / np.array(self.card.std, np.float32)
            elif self.values == "0-1":
                given /= 255
        if self.layout == "nchw":
            given = given.transpose(2, 0, 1)
        given = np.ascontiguousarray(given[None].astype(self.dtype))
        try:
            outputs = self.session.run(None, {self.session.get_inputs()[0].name: given})
        except Exception as error:  # onnxruntime's own exceptions have no common base
            size = f"{frame.shape[0]} x {frame.shape[1]}"
            raise ArtefactError(f"{self.name} does not run on a frame of {size}: {first_line(error)}") from None
        names = (one.name for one in self.session.get_outputs())
        answers = tuple(self.answer(name, np.asarray(values)) for name, values in zip(names, outputs, strict=True))
        if answers[0] is None:
            raise ArtefactError(
                f"{self.name} puts out {outputs[0].dtype} of shape {outputs[0].shape}; a graph of this card puts out "
                f"logits of {len(self.card.classes)} classes, or class indices"
            )
        return tuple(answer for answer in answers if answer is not None)

    def answer(self, name: str, values: NDArray[Any]) -> Answer | None:
        """Return an output in one form; None if it is neither values of the card's classes nor class indices."""
        number = len(self.card.classes)
        if values.ndim == 4 and values.dtype.kind == "f" and number in (values.shape[1], values.shape[3]):
            first = values.shape[1] == number and (values.shape[3] != number or self.layout == "nchw")
            ordered = values[0].transpose(1, 2, 0) if first else values[0]
            return Answer(name, np.ascontiguousarray(ordered, np.float32), channels_first=first)
        if values.ndim == 4 and 1 in (values.shape[1], values.shape[3]):
            values = values[:, 0] if values.shape[1] == 1 else values[..., 0]
        values = values[0] if values.ndim == 3 else values
        if values.ndim != 2 or not 0 <= values.min() <= values.max() < number or (values % 1).any():
            return None
        return Answer(name, classes=values.astype(np.uint8))


def first_line(error: Exception) -> str:
    """Return the first line of an error of ONNX Runtime."""
    return (str(error).splitlines() or [type(error).__name__])[0]
