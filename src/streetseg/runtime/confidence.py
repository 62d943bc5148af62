"""Confidence of a class map: the largest softmax value, taken at the network's output stride and then upsampled.

The exact way upsamples all C classes and takes the softmax at every pixel. This one upsamples a single map. Within a
class both agree; between two classes this one is a little higher, since each end is sure of its own class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Scores(Protocol):
    """What a result keeps so that its confidence can be computed later."""

    def confidence(self) -> NDArray[np.float32]:
        """Return H x W float32, 0 to 1."""


@dataclass(frozen=True)
class FrameScores:
    """The scores of a frame that was segmented whole.

    Attributes:
        logits: h x w x C float32 at the network's output stride, padding included.
        frame_size: H, W of the frame in pixels.
        content_size: H, W of the frame once resized for the network.
        padded_size: H, W of the network's input.
        align_corners: The convention by which logits are upsampled.
        temperature: What the logits are divided by.
    """

    logits: NDArray[np.float32]
    frame_size: tuple[int, int]
    content_size: tuple[int, int]
    padded_size: tuple[int, int]
    align_corners: bool
    temperature: float = 1.0

    def confidence(self) -> NDArray[np.float32]:
        """Return H x W float32, 0 to 1."""
        low = largest_softmax(self.logits, self.temperature)
        (top, bottom), (left, right) = (
            extent(low.shape[axis], self.content_size[axis], self.padded_size[axis], self.align_corners)
            for axis in (0, 1)
        )
        height, width = self.frame_size
        picture = Image.fromarray(low).resize((width, height), Image.Resampling.BILINEAR, (left, top, right, bottom))
        return np.asarray(picture, np.float32)


@dataclass(frozen=True)
class WindowScores:
    """The scores of a frame that was segmented in windows.

    Attributes:
        frame_size: H, W of the frame in pixels.
        parts: For each window its scores, the rows and columns of the frame that it gives, and where they begin in it.
    """

    frame_size: tuple[int, int]
    parts: tuple[tuple[Scores, tuple[slice, slice], tuple[int, int]], ...]

    def confidence(self) -> NDArray[np.float32]:
        """Return H x W float32, 0 to 1."""
        whole = np.empty(self.frame_size, np.float32)
        for scores, (rows, columns), (top, left) in self.parts:
            part = scores.confidence()
            height, width = rows.stop - rows.start, columns.stop - columns.start
            whole[rows, columns] = part[top : top + height, left : left + width]
        return whole


def largest_softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the largest softmax value of each position.

    Args:
        logits: h x w x C float32.
        temperature: What they are divided by, above 0.

    Returns:
        h x w float32, 1 / C to 1; 0 where a logit is not finite.
    """
    with np.errstate(all="ignore"):  # logits that are not finite
        shifted = logits - logits.max(axis=2, keepdims=True)
        total = np.exp(shifted * np.float32(1 / temperature)).sum(axis=2, dtype=np.float32)
        largest: NDArray[np.float32] = np.nan_to_num(np.float32(1) / total, nan=0.0)
    return largest


def extent(logits: int, content: int, padded: int, align_corners: bool) -> tuple[float, float]:
    """Return where the frame begins and ends among the logits of one axis, whose first has its centre at 0.5."""
    if not align_corners:
        return 0.0, min(float(logits), content * logits / padded)
    step = (logits - 1) / (padded - 1) if padded > 1 else 0.0  # among the logits, per pixel of the network's input
    begin, end = 0.5 - 0.5 * step, 0.5 + (content - 0.5) * step
    return max(0.0, begin), max(begin + 1e-3, min(float(logits), end))


def grey(confidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a confidence map as grey values: 0 for 0, 255 for 1.

    Args:
        confidence: H x W float32, 0 to 1.

    Returns:
        H x W uint8.
    """
    return np.rint(confidence * 255).clip(0, 255).astype(np.uint8)
