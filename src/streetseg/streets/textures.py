"""Noise and textures: functions from points on a surface to their colours."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from streetseg.streets.world import Array

# Local points, K x 3 -> their colours, K x 3, from 0 to 255.
Texture = Callable[[Array], Array]

WHITE, BLACK = (214, 214, 210), (26, 26, 28)


class Noise:
    """Two periodic fields of noise, mean 0 and standard deviation 1. Coordinates are in cells.

    The fields are the same in every scene; each scene starts at another place of them.
    """

    SIZE = 256  # a power of two

    def __init__(self, rng: Generator) -> None:
        row, column = rng.integers(self.SIZE, size=2)
        self.white, self.pink = (np.roll(field, (row, column), (0, 1)) for field in noise_fields(self.SIZE))

    def fine(self, u: Array, v: Array) -> Array:
        """Return white noise, constant within a cell."""
        return self.white[wrapped(v), wrapped(u)]

    def smooth(self, u: Array, v: Array) -> Array:
        """Return cloudy noise, interpolated between cells."""
        x, y = np.floor(u), np.floor(v)
        fu, fv = (u - x).astype(np.float32), (v - y).astype(np.float32)
        x0, y0 = wrapped(x), wrapped(y)
        x1, y1 = (x0 + 1) & (self.SIZE - 1), (y0 + 1) & (self.SIZE - 1)
        upper, lower = self.pink[y0, x0], self.pink[y1, x0]
        upper = upper + (self.pink[y0, x1] - upper) * fu
        lower = lower + (self.pink[y1, x1] - lower) * fu
        value: Array = upper + (lower - upper) * fv
        return value


def wrapped(at: Array) -> NDArray[np.int32]:
    """Return cell numbers within the period of the noise."""
    cells: NDArray[np.int32] = np.floor(at).astype(np.int32) & (Noise.SIZE - 1)
    return cells


@lru_cache(maxsize=1)
def noise_fields(size: int) -> tuple[Array, Array]:
    """Return a field of white noise and one of pink noise, each size x size."""
    white = np.clip(np.random.default_rng(0).normal(size=(size, size)), -2.5, 2.5)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * size
    pink = np.fft.irfft2(np.fft.rfft2(white) / np.maximum(frequency, 2.5) ** 1.7)
    return white.astype(np.float32), ((pink - pink.mean()) / pink.std()).astype(np.float32)


def rgb(colour: ArrayLike) -> Array:
    """Return one or several colours as float32."""
    return np.asarray(colour, np.float32)


def rounded(colour: ArrayLike, width: float) -> Texture:
    """Return the texture of a round thing, `width` metres across: darker towards its edges."""
    base = rgb(colour)
    return lambda points: base * (1.08 - 0.4 * np.minimum(np.abs(points[:, :1]) * (2 / width), 1) ** 2)


def speckled(noise: Noise, colour: ArrayLike, amount: float, cells: float) -> Texture:
    """Return the texture of leaves, gravel or cloth: `cells` flecks a metre, which differ by a share `amount`."""
    base = rgb(colour)

    def texture(points: Array) -> Array:
        along = points[:, 0] + points[:, 2]
        return (1 + amount * noise.fine(along * cells, points[:, 1] * cells))[:, None] * base

    return texture
