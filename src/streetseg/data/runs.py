"""COCO's run-length masks: lengths of runs down the columns, first of pixels outside; as numbers or packed as text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetseg.data.polygons import Area, Faulty


@dataclass(frozen=True)
class ColumnRuns:
    """A mask of a size (height, width): `lengths` of runs down its columns, in turn outside and inside."""

    size: tuple[int, int]
    lengths: np.ndarray

    def paint(self, label: np.ndarray, value: int) -> None:
        """Give the pixels inside a value; ValueError if the mask has another size than the label map."""
        height, width = self.size
        if label.shape != self.size:
            raise ValueError(
                f"a run-length mask is {width} x {height}, its frame is {label.shape[1]} x {label.shape[0]}"
            )
        ends = np.cumsum(self.lengths)
        if len(ends) < 2:
            return
        # Only the columns that have a pixel inside: few masks are as wide as their frame.
        left, right = int(ends[0]) // height, -(-int(ends[len(ends) // 2 * 2 - 1]) // height)
        lengths = self.lengths[: len(ends) // 2 * 2].copy()
        lengths[0] -= left * height
        inside = np.zeros((right - left) * height, bool)
        kinds = np.arange(len(lengths)) % 2 == 1
        inside[: int(lengths.sum())] = np.repeat(kinds, lengths)
        part = np.ascontiguousarray(inside.reshape(right - left, height).T)
        np.copyto(label[:, left:right], np.uint8(value), where=part)


def runs(content: object) -> Area:
    """Return the mask of an RLE from a JSON: {"size": [height, width], "counts": ...}; `Faulty` if it is wrong."""
    size = content.get("size") if isinstance(content, dict) else None
    counts = content.get("counts") if isinstance(content, dict) else None
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) and 0 < n < 2**16 for n in size)):
        return Faulty(f"a run-length mask has the size {size!r}; expected [height, width]")
    if isinstance(counts, str):
        try:
            lengths = unpacked(counts.encode("ascii"))
        except (ValueError, OverflowError):
            return Faulty("a run-length mask's text is damaged")
    elif isinstance(counts, list) and all(isinstance(count, int) for count in counts):
        lengths = np.array([count if abs(count) < 2**40 else -1 for count in counts], np.int64)
    else:
        return Faulty("a run-length mask has no counts; expected a list of numbers, or text")
    pixels = size[0] * size[1]
    if (lengths < 0).any():
        return Faulty("a run-length mask has a run that is shorter than 0")
    if lengths.sum() != pixels:
        return Faulty(f"a run-length mask's runs are {lengths.sum()} pixels long, its size {size} has {pixels}")
    return ColumnRuns((size[0], size[1]), lengths)


def unpacked(text: bytes) -> np.ndarray:
    """Return the lengths of runs from COCO's text; ValueError for text that is none.

    A character holds 5 bits of a number, the lowest first, and a bit that says that more follow. The fifth bit of the
    last one is the sign. From the fourth number on, a number is the difference from the one two before.
    """
    values = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(values) or values.min() < 0 or values.max() > 63 or values[-1] & 32:
        raise ValueError("no run lengths")
    last = values & 32 == 0
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    place = np.arange(len(values)) - np.repeat(starts, np.diff([*starts, len(values)]))
    if place.max() > 7:
        raise ValueError("a run of more than 40 bits")
    numbers = np.add.reduceat((values & 31) << (5 * place), starts)
    negative = values[last] & 16 > 0
    numbers -= negative.astype(np.int64) << (5 * (place[last] + 1))
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
