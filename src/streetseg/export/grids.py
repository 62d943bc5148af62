"""Upsample logits by each convention that exporters use, and find their ties."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

# half_pixel: align_corners=False. align_corners: the outermost values lie on the outermost pixels. asymmetric: the
# first value lies on the first pixel, as older exporters have it.
Convention = Literal["half_pixel", "align_corners", "asymmetric"]
CONVENTIONS: tuple[Convention, ...] = ("half_pixel", "align_corners", "asymmetric")

# A pixel is a tie if its two largest logits are closer than this share of the largest magnitude among its logits.
TIE = 1e-5


def convention_of(align_corners: bool) -> Convention:
    """Return the convention of a card."""
    return "align_corners" if align_corners else "half_pixel"


def upsample(values: NDArray[np.float32], size: tuple[int, int], convention: Convention) -> NDArray[np.float32]:
    """Return h x w x C values interpolated bilinearly to H x W x C."""
    for axis in (0, 1):
        count = values.shape[axis]
        if count == size[axis]:
            continue
        place = np.clip(positions(count, size[axis], convention), 0, count - 1)
        low = np.floor(place).astype(np.intp)
        weight = (place - low).astype(np.float32).reshape([-1 if at == axis else 1 for at in range(3)])
        first, second = (np.take(values, np.minimum(low + step, count - 1), axis) for step in (0, 1))
        values = first + (second - first) * weight
    return values


def positions(count: int, size: int, convention: Convention) -> NDArray[np.float64]:
    """Return where each of `size` pixels lies among `count` values."""
    pixels = np.arange(size, dtype=np.float64)
    if convention == "align_corners":
        return pixels * ((count - 1) / max(1, size - 1))
    if convention == "asymmetric":
        return pixels * (count / size)
    return (pixels + 0.5) * (count / size) - 0.5


def are_ties(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return True for each of n pixels whose two largest of C logits are a tie; values: n x C."""
    if values.shape[1] < 2:
        return np.zeros(len(values), np.bool_)
    largest = np.partition(values, -2, axis=1)[:, -2:]
    ties: NDArray[np.bool_] = largest[:, 1] - largest[:, 0] < TIE * np.abs(values).max(axis=1)
    return ties


def softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    share: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return share
