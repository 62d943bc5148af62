"""The form of an artefact's input and output, where it is not the usual one, and the way from a frame and to logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYOUTS = ("nhwc", "nchw")
INPUTS = ("uint8", "float32")
OUTPUTS = ("logits", "probabilities", "classmap")


@dataclass(frozen=True)
class Interface:
    """What an artefact takes and gives. The default is the usual form.

    Attributes:
        input: Type of the input, "uint8" or "float32"; its values are 0 to 255 in both.
        layout: Axes of input and output: "nhwc", or "nchw" for channels first. A class map has no channels.
        size: H, W in pixels of the only frames that it takes, one at a time; None: any multiple of size_multiple.
        output: "logits"; "probabilities", their softmax; or "classmap", N x H x W uint8 class indices of the input's
            size. It is the output's name.
    """

    input: str = "uint8"
    layout: str = "nhwc"
    size: tuple[int, int] | None = None
    output: str = "logits"

    def faults(self, multiple: int) -> list[str]:
        """Return what is wrong with it, for a network that takes multiples of a size in pixels."""
        faults = [
            f"an interface of {name} {value!r}"
            for name, value, allowed in (
                ("input", self.input, INPUTS),
                ("layout", self.layout, LAYOUTS),
                ("output", self.output, OUTPUTS),
            )
            if value not in allowed
        ]
        if self.size is not None and any(side < 1 or side % multiple for side in self.size):
            faults.append(f"an interface of size {self.size} beside a size multiple of {multiple}")
        return faults

    def taken(self, frame: NDArray[np.uint8]) -> NDArray[Any]:
        """Return a frame, H x W x 3 uint8, as the graph takes it, with a batch of 1."""
        given: NDArray[Any] = frame if self.layout == "nhwc" else frame.transpose(2, 0, 1)
        return np.ascontiguousarray(given[None], np.uint8 if self.input == "uint8" else np.float32)

    def logits(self, output: NDArray[Any], classes: int) -> NDArray[np.float32]:
        """Return an output of one frame as logits, h x w x C float32, of which the class map is the output's.

        Probabilities become their logarithms. A class map becomes 1 for its class and 0 for the others.

        Args:
            output: The output without its batch.
            classes: Number of classes.
        """
        if self.output == "classmap":
            logits: NDArray[np.float32] = (output[..., None] == np.arange(classes)).astype(np.float32)
            return logits
        values = output.transpose(1, 2, 0) if self.layout == "nchw" else output
        if self.output == "probabilities":
            values = np.log(np.maximum(values, np.finfo(np.float32).tiny))
        return np.ascontiguousarray(values, np.float32)

    def shape_of_logits(self, shape: tuple[int | None, ...], classes: int) -> tuple[int | None, ...]:
        """Return the shape of an output with its batch as N x h x w x C; None stands for a dynamic size."""
        if self.output == "classmap":
            return (*shape, classes) if len(shape) == 3 else shape
        if self.layout == "nchw" and len(shape) == 4:
            return (shape[0], *shape[2:], shape[1])
        return shape


USUAL = Interface()
