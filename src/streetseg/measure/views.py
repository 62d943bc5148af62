"""Evaluate as papers do: several scales, the mirrored frame, windows.

The softmax of all views is averaged at full size. This takes many times as long as one view, so the accuracy is not
that of a real-time network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.runtime.classmap import Cells, cells_along
from streetseg.runtime.segmenter import Segmenter

STRIP_VALUES = 8_000_000  # float32 values at full size that are held at a time: 32 MB


@dataclass(frozen=True)
class Views:
    """The views of a frame that are averaged.

    Attributes:
        scales: Scales of the network's input, above 0 and at most 4; None: the card's operating scale.
        flip: Also the frame mirrored left to right.
        window: H, W in pixels of the frame; None: the whole frame at once.
        overlap: Least share of its size by which a window overlaps the next one, from 0 to below 1.

    Raises:
        UsageError: A value is out of range.
    """

    scales: tuple[float, ...] | None = None
    flip: bool = False
    window: tuple[int, int] | None = None
    overlap: float = 0.5

    def __post_init__(self) -> None:
        if self.scales is not None and not all(0 < scale <= 4 for scale in self.scales):
            raise UsageError(f"a scale must be above 0 and at most 4, got {', '.join(map(str, self.scales))}")
        if self.window is not None and min(self.window) < 1:
            raise UsageError(f"a window's height and width must be at least 1 pixel, got {self.window}")
        if not 0 <= self.overlap < 1:
            raise UsageError(f"windows overlap by 0 to below 1 of their size, got {self.overlap}")

    @classmethod
    def of(cls, scales: Sequence[float] | None, flip: bool, window: tuple[int, int] | None, overlap: float) -> Views:
        """Return the views of a caller's arguments: no scales, or an empty sequence, means the card's scale."""
        return cls(tuple(map(float, scales)) if scales else None, flip, window, float(overlap))

    def describe(self) -> str:
        """Return the views in words, as in `Setup.views`."""
        scales = "the card's scale" if self.scales is None else f"scale {', '.join(f'{s:g}' for s in self.scales)}"
        flip = ", mirrored too" if self.flip else ""
        window = "" if self.window is None else f", windows of {self.window[0]} x {self.window[1]}"
        return scales + flip + (window and f"{window} overlapping by {self.overlap:g}")


class ViewSegmenter:
    """A segmenter that averages several views of each frame."""

    def __init__(self, segmenter: Segmenter, views: Views) -> None:
        self.views = views
        card = segmenter.card
        self.segmenters = [
            Segmenter(dataclasses.replace(card, operating_scale=scale), segmenter.engine, segmenter.short_side)
            for scale in views.scales or (card.operating_scale,)
        ]

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the class map of a frame.

        Args:
            frame: H x W x 3 uint8 RGB.

        Returns:
            H x W uint8 class indices; equal means take the lowest index.
        """
        if len(self.segmenters) == 1 and not self.views.flip and self.views.window is None:
            return self.segmenters[0](frame).classmap
        views = list(self.run(frame))
        height, width = frame.shape[:2]
        classes = np.empty((height, width), np.uint8)
        channels = len(self.segmenters[0].card.classes)
        step = max(1, STRIP_VALUES // (width * channels))
        for top in range(0, height, step):
            bottom = min(height, top + step)
            total = np.zeros((bottom - top, width, channels), np.float32)
            views_at = np.zeros((bottom - top, width, 1), np.float32)
            for view in views:
                first, last = max(top, view.top), min(bottom, view.top + view.rows.frame)
                if first < last:
                    place = slice(first - top, last - top), slice(view.left, view.left + view.columns.frame)
                    total[place] += view.softmax(first - view.top, last - view.top)
                    views_at[place] += 1
            classes[top:bottom] = (total / views_at).argmax(2)
        return classes

    def run(self, frame: NDArray[np.uint8]) -> Iterator[ViewLogits]:
        """Yield the network's logits of every view of a frame."""
        height, width = frame.shape[:2]
        window = self.views.window or (height, width)
        tops, lefts = (starts(*sizes, self.views.overlap) for sizes in zip((height, width), window, strict=True))
        mirrors = (False, True) if self.views.flip else (False,)
        for top, left, mirrored, segmenter in product(tops, lefts, mirrors, self.segmenters):
            part = frame[top : top + window[0], left : left + window[1]]
            prepared = segmenter.prepare(np.ascontiguousarray(part[:, ::-1] if mirrored else part))
            content, padded = prepared.content_size, prepared.padded_size
            logits = segmenter.run(prepared)
            rows, columns = (
                Axis.of(logits.shape[i], part.shape[i], content[i], padded[i], segmenter.card.align_corners)
                for i in (0, 1)
            )
            yield ViewLogits(top, left, logits, rows, columns.mirrored() if mirrored else columns)


def starts(frame: int, window: int, overlap: float) -> list[int]:
    """Return the start of each window along one axis: as few as cover it, evenly spread, the last one at the end."""
    if window >= frame:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = ceil((frame - window) / step) + 1
    return [int(start) for start in np.linspace(0, frame - window, count).round()]


@dataclass(frozen=True)
class Axis:
    """The interpolation along one axis: for each pixel, the logits on either side, and the weight of the second."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, logits: int, frame: int, content: int, padded: int, align_corners: bool) -> Axis:
        cells: Cells = cells_along(logits, frame, content, padded, align_corners)
        cell = np.repeat(np.arange(logits + 1), cells.count)
        first, second = cells.ends(cell)
        return cls(first, second, cells.weight[:frame])  # the rest is padding

    def mirrored(self) -> Axis:
        """Return the axis of a frame that was mirrored along it."""
        return Axis(self.first[::-1], self.second[::-1], self.weight[::-1])

    @property
    def frame(self) -> int:
        """Number of pixels of the frame along the axis."""
        return len(self.weight)


@dataclass(frozen=True)
class ViewLogits:
    """The logits of one view.

    Attributes:
        top, left: The view's first pixel in the frame.
        logits: h x w x C float32.
        rows, columns: Where the view's pixels lie between the logits.
    """

    top: int
    left: int
    logits: NDArray[np.float32]
    rows: Axis
    columns: Axis

    def softmax(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the class probabilities of the rows from `first` to below `last` at full size.

        It interpolates the logits bilinearly, as for a class map, before the softmax.
        """
        part = slice(first, last)
        left = self.logits[self.rows.first[part]]
        left += (self.logits[self.rows.second[part]] - left) * self.rows.weight[part, None, None]
        values = left[:, self.columns.first]
        values += (left[:, self.columns.second] - values) * self.columns.weight[:, None]
        values -= values.max(2, keepdims=True)
        np.exp(values, out=values)
        values /= values.sum(2, keepdims=True)
        return values
