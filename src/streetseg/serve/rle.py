"""COCO's run-length encoding of a class, in pycocotools' compressed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GROUPS = 7  # of five bits, for the longest run


def encode(mask: NDArray[np.bool_]) -> str:
    """Return a mask's run lengths as `pycocotools.mask.encode` does.

    Args:
        mask: H x W bool.

    Returns:
        The value of "counts"; with "size", [H, W], it is a mask for pycocotools.
    """
    flat = mask.ravel(order="F")
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0] if flat[0] else [], borders, [flat.size]]).astype(np.int64)
    return compress(np.diff(ends, prepend=0))


def compress(counts: NDArray[np.int64]) -> str:
    """Return counts as text: each as the difference to the last but one, in groups of five bits, the lowest first."""
    values = counts.copy()
    values[3:] -= counts[1:-2]
    digits = np.zeros((len(values), GROUPS), np.uint8)
    used = np.zeros(digits.shape, np.bool_)
    more = np.ones(len(values), np.bool_)
    for group in range(GROUPS):
        used[:, group] = more
        five = values & 0x1F
        values >>= 5
        more = more & np.where(five & 0x10, values != -1, values != 0)  # the highest bit of the last group is the sign
        digits[:, group] = five | (more << 5)
    return (digits[used] + 48).tobytes().decode("ascii")
