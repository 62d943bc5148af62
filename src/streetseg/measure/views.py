"""How papers test: a frame seen at several scales, mirrored and in windows, the softmax of all views averaged at full
size. Many times the cost of one look, so never a real-time figure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
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
    """What is looked at.

    scales: of the network's input, in place of the card's operating scale (None: that one).
    flip: also mirrored left to right. window: H, W in pixels of the frame, None for the whole frame at once; windows
    lie `overlap` (0 to below 1, of their size) or more over each other. UsageError for other values.
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

    def describe(self) -> str:
        """In words."""
        scales = "the card's scale" if self.scales is None else f"scale {', '.join(f'{s:g}' for s in self.scales)}"
        flip = ", mirrored too" if self.flip else ""
        window = "" if self.window is None else f", windows of {self.window[0]} x {self.window[1]}"
        return scales + flip + (window and f"{window} overlapping by {self.overlap:g}")


class ViewSegmenter:
    """Class maps of frames by a segmenter's views of them."""

    def __init__(self, segmenter: Segmenter, views: Views) -> None:
        self.views = views
        card = segmenter.card
        self.segmenters = [
            Segmenter(dataclasses.replace(card, operating_scale=scale), segmenter.engine, segmenter.short_side)
            for scale in views.scales or (card.operating_scale,)
        ]

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """frame: H x W x 3 uint8 RGB. Returns H x W class indices; equal means take the lowest index."""
        if len(self.segmenters) == 1 and not self.views.flip and self.views.window is None:
            return self.segmenters[0](frame).classmap
        looks = list(self.looks(frame))
        height, width = frame.shape[:2]
        classes = np.empty((height, width), np.uint8)
        channels = len(self.segmenters[0].card.classes)
        step = max(1, STRIP_VALUES // (width * channels))
        for top in range(0, height, step):
            bottom = min(height, top + step)
            total = np.zeros((bottom - top, width, channels), np.float32)
            seen = np.zeros((bottom - top, width, 1), np.float32)
            for look in looks:
                first, last = max(top, look.top), min(bottom, look.top + look.rows.frame)
                if first < last:
                    place = slice(first - top, last - top), slice(look.left, look.left + look.columns.frame)
                    total[place] += look.softmax(first - look.top, last - look.top)
                    seen[place] += 1
            classes[top:bottom] = (total / seen).argmax(2)
        return classes

    def looks(self, frame: NDArray[np.uint8]) -> Iterator[Look]:
        """Every view of a frame, run through the network."""
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
            yield Look(top, left, logits, rows, columns.mirrored() if mirrored else columns)


def starts(frame: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along one axis: as few as cover it, evenly spread, the last flush with the end."""
    if window >= frame:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = ceil((frame - window) / step) + 1
    return [int(start) for start in np.linspace(0, frame - window, count).round()]


@dataclass(frozen=True)
class Axis:
    """Between which two logits each pixel along an axis lies, and how much the second counts: one value a pixel."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, logits: int, frame: int, content: int, padded: int, align_corners: bool) -> Axis:
        cells: Cells = cells_along(logits, frame, content, padded, align_corners)
        cell = np.repeat(np.arange(logits + 1), cells.count)
        first, second = cells.ends(cell)
        return cls(first, second, cells.weight[:frame])  # beyond, there is padding

    def mirrored(self) -> Axis:
        """For a frame that was mirrored along this axis, so that its logits land where they belong."""
        return Axis(self.first[::-1], self.second[::-1], self.weight[::-1])

    @property
    def frame(self) -> int:
        """The number of pixels."""
        return len(self.weight)


@dataclass(frozen=True)
class Look:
    """One view: where in the frame it lies, its logits h x w x C, and how these lie under its pixels."""

    top: int
    left: int
    logits: NDArray[np.float32]
    rows: Axis
    columns: Axis

    def softmax(self, first: int, last: int) -> NDArray[np.float32]:
        """The class probabilities of its rows first to last at full size: bilinearly interpolated logits, as the class
        map has them, through the softmax."""
        part = slice(first, last)
        left = self.logits[self.rows.first[part]]
        left += (self.logits[self.rows.second[part]] - left) * self.rows.weight[part, None, None]
        values = left[:, self.columns.first]
        values += (left[:, self.columns.second] - values) * self.columns.weight[:, None]
        values -= values.max(2, keepdims=True)
        np.exp(values, out=values)
        values /= values.sum(2, keepdims=True)
        return values
