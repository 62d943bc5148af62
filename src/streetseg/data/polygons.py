"""Draw polygons, boxes, circles and bitmaps into a label map, by one stated rule.

- A pixel belongs to a polygon if its centre lies inside. The pixel of row r and column c covers x from c to c + 1 and y
  from r to r + 1, so its centre is (c + 0.5, r + 0.5). A centre on the left or upper edge is inside, on the right or
  lower edge outside: polygons that share an edge neither overlap nor leave a gap.
- Inside is even-odd: holes are rings within rings, and the middle of a pentagram is outside.
- Shapes are drawn in their order: a later shape covers an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streetseg.data.pairs import IGNORE

CIRCLE_CORNERS = 128
FAR = 1e9  # pixels: corners beyond it are moved there
MAX_SIDE = 65535  # pixels: longer sides are nonsense
MAX_PIXELS = 2**28  # of a label map; more is nonsense, or an attack


class Area(Protocol):
    """A part of a frame."""

    def paint(self, label: np.ndarray, value: int) -> None:
        """Give the area's pixels a value; ValueError for an area that cannot be drawn."""


@dataclass(frozen=True)
class Polygon:
    """The inside of rings by the even-odd rule; each ring is N x 2, x and y in pixels."""

    rings: tuple[np.ndarray, ...]

    def paint(self, label: np.ndarray, value: int) -> None:
        """Give the pixels whose centres are inside a value."""
        fill(label, self.rings, value)


@dataclass(frozen=True)
class Parts:
    """Areas that belong together, one by one: where they overlap they do not cancel out."""

    areas: tuple[Area, ...]

    def paint(self, label: np.ndarray, value: int) -> None:
        """Paint every part."""
        for area in self.areas:
            area.paint(label, value)


@dataclass(frozen=True)
class Bitmap:
    """Pixels that are True in H x W `mask`, whose upper left corner is at column `left`, row `top`."""

    mask: np.ndarray
    left: int = 0
    top: int = 0

    def paint(self, label: np.ndarray, value: int) -> None:
        """Give the mask's pixels that lie in the frame a value."""
        top, left = max(0, self.top), max(0, self.left)
        bottom = min(label.shape[0], self.top + self.mask.shape[0])
        right = min(label.shape[1], self.left + self.mask.shape[1])
        if top < bottom and left < right:
            part = self.mask[top - self.top : bottom - self.top, left - self.left : right - self.left]
            np.copyto(label[top:bottom, left:right], np.uint8(value), where=part)


@dataclass(frozen=True)
class Faulty:
    """An area that cannot be drawn, and why. Its frame's label is an error; other frames are not concerned."""

    reason: str

    def paint(self, label: np.ndarray, value: int) -> None:
        """Raise ValueError with the reason."""
        raise ValueError(self.reason)


def fill(label: np.ndarray, rings: Sequence[np.ndarray], value: int) -> None:
    """Give the pixels inside rings a value (see the file's head for the rule).

    Every crossing of an edge with a row's middle switches between outside and inside at a column. A pixel is inside if
    the number of switches up to it is odd. A bit is a pixel here: that parity is 64 pixels at a time.

    Args:
        label: H x W uint8, changed in place.
        rings: N x 2 each, x and y in pixels, closed or not.
        value: The new value.
    """
    height, width = label.shape
    if not all(np.isfinite(ring).all() for ring in rings):
        raise ValueError("a polygon has a corner that is no number")
    start = np.concatenate(rings).clip(-FAR, FAR)
    end = np.concatenate([np.roll(ring, -1, 0) for ring in rings]).clip(-FAR, FAR)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.ceil(np.clip(low, 0, height) - 0.5).astype(np.int64)  # an edge crosses the middle of `rows` rows
    rows = np.ceil(np.clip(high, 0, height) - 0.5).astype(np.int64) - first
    if not rows.any():
        return
    edge = np.repeat(np.arange(len(rows)), rows)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(rows) - rows, rows)
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + slope * (row + 0.5 - start[edge, 1])
    column = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.int64)
    top, left = int(row.min()), int(column.min())
    row, column = row - top, column - left
    switches = np.zeros((int(row.max()) + 1, int(column.max()) // 64 + 1), np.uint64)
    np.bitwise_xor.at(switches, (row, column // 64), np.uint64(1) << (column % 64).astype(np.uint64))
    inside = parity(switches)[:, : int(column.max())].view(bool)
    np.copyto(label[top : top + len(inside), left : left + inside.shape[1]], np.uint8(value), where=inside)


def parity(bits: np.ndarray) -> np.ndarray:
    """Return for each bit, from the lowest up, the parity of the bits of its row up to it: rows x bits, 0 or 1."""
    for step in (1, 2, 4, 8, 16, 32):
        bits = bits ^ (bits << np.uint64(step))
    words = bits >> np.uint64(63)  # the parity of each whole word
    before = np.bitwise_xor.accumulate(words, axis=1) ^ words
    bits ^= np.uint64(0) - before  # all 64 bits turn over if the words before hold an odd number
    return np.unpackbits(bits.astype("<u8").view(np.uint8), axis=1, bitorder="little")


def draw(size: tuple[int, int], shapes: Iterable[tuple[int, Area]], background: int = IGNORE) -> np.ndarray:
    """Return a label map with shapes in it, the later ones over the earlier ones.

    Args:
        size: Height and width in pixels.
        shapes: Class index or IGNORE, and area.
        background: The value of pixels that no shape covers.

    Returns:
        H x W uint8.

    Raises:
        ValueError: The size is nonsense, or an area cannot be drawn.
    """
    height, width = size
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise ValueError(f"its frame's size is given as {width} x {height}, which no picture has; correct the size")
    label = np.full(size, background, np.uint8)
    for value, area in shapes:
        area.paint(label, value)
    return label


def polygon(points: object, to_border: tuple[int, int] | None = None) -> Area | None:
    """Return the polygon of corners from a JSON.

    Args:
        points: Corners, [[x, y], ...] or [x, y, x, y, ...].
        to_border: Height and width, for tools whose corners are pixels: one on the last column or row is on the border.

    Returns:
        The polygon; a `Faulty` one if they are no corners; None for fewer than three corners, which have no area.
    """
    ring = corners(points, to_border)
    if isinstance(ring, str):
        return Faulty(ring)
    return Polygon((ring,)) if len(ring) > 2 else None


def corners(points: object, to_border: tuple[int, int] | None = None) -> np.ndarray | str:
    """Return corners from a JSON as N x 2 float64 (see `polygon`); or, in words, why they are none."""
    try:
        ring = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        return "a polygon's corners are not numbers x, y"
    if ring.ndim == 1 and len(ring) % 2:
        return f"a polygon has {len(ring)} numbers, an odd count; corners are pairs x, y"
    if ring.ndim == 1:
        ring = ring.reshape(-1, 2)
    if ring.size and (ring.ndim != 2 or ring.shape[1] != 2):
        return f"a polygon's corners have the shape {ring.shape}; expected pairs x, y"
    if not np.isfinite(ring).all():
        return "a polygon has a corner that is no number"
    if to_border is not None and ring.size:
        height, width = to_border
        ring = np.where(ring >= (width - 1, height - 1), np.maximum(ring, (width, height)), ring)
    return ring.reshape(-1, 2).clip(-FAR, FAR)


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Return the rectangle between two corners, in any order."""
    return Polygon((np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64),))


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0) -> Polygon:
    """Return an ellipse, turned clockwise about its middle."""
    if not np.isfinite([x, y, radius_x, radius_y, degrees]).all() or max(map(abs, (x, y, radius_x, radius_y))) > FAR:
        raise ValueError("an ellipse has a number that is none")
    turns = np.linspace(0, 2 * np.pi, CIRCLE_CORNERS, endpoint=False)
    across, down = radius_x * np.cos(turns), radius_y * np.sin(turns)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return Polygon((np.stack([x + across * cos - down * sin, y + across * sin + down * cos], 1),))
