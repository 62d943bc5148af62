"""The camera: where it stands, and the rays of its pixels through its lens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from streetseg.streets.world import Array, Place, Street


@dataclass(frozen=True)
class Camera:
    """A camera with a lens that bends straight lines outwards.

    Polygons are drawn on a canvas as a pinhole sees them. The frame looks at the canvas through the lens. A pixel of
    the frame has four samples.

    Attributes:
        place: Position and axes (right, down, forward).
        size: Height and width of the canvas in pixels, twice the frame's.
        focal: Focal length in pixels of the canvas.
        bulge: How much nearer to the middle the lens shows the corners: 0 for a pinhole.
    """

    place: Place
    size: tuple[int, int]
    focal: float
    bulge: float = 0.0

    @staticmethod
    def sample(rng: Generator, street: Street, size: tuple[int, int]) -> Camera:
        """Draw a camera in our lane; size: height and width of the frame."""
        yaw, pitch, roll = np.radians(rng.normal(0, [3.0, 1.8, 0.7]))
        if rng.random() < 0.12:  # the car turns
            yaw += np.radians(rng.uniform(-22, 22))
        heading = Place.of(np.zeros(3), yaw).axes * [[1], [-1], [1]]
        tilt = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        rock = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        high = rng.uniform(1.7, 2.6) if rng.random() < 0.12 else rng.uniform(1.1, 1.6)
        position = street.point(0, -street.lane * rng.uniform(0.3, street.lanes[0] - 0.3), high)
        height, width = 2 * size[0], 2 * size[1]
        focal = height * rng.uniform(*((0.7, 1.0) if rng.random() < 0.15 else (1.0, 1.55)))
        bulge = rng.uniform(0.02, 0.25) if rng.random() < 0.4 else 0.0
        return Camera(Place(position, rock @ tilt @ heading), (height, width), focal, bulge)

    @cached_property
    def rays(self) -> Array:
        """The samples' directions (x, y, 1) in camera coordinates: x and y, 2 x 4 x H x W."""
        height, width = self.size
        x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / self.focal
        y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / self.focal
        grid = np.stack([np.broadcast_to(side, self.size) for side in (x, y[:, None])]).astype(np.float32)
        rays = np.stack([quarters(side) for side in grid])
        if self.bulge:
            square = rays[0] ** 2 + rays[1] ** 2
            rays *= (1 + self.bulge * square) / (1 + self.bulge * (x[0] ** 2 + y[0] ** 2))
        return rays

    def sampled(self, canvas: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the canvas's value at each sample, 4 x H x W."""
        if not self.bulge:
            return quarters(canvas).astype(np.intp)
        columns = (self.rays[0] * self.focal + self.size[1] / 2).astype(np.int32)
        rows = (self.rays[1] * self.focal + self.size[0] / 2).astype(np.int32)
        seen: NDArray[np.intp] = canvas[rows, columns].astype(np.intp)
        return seen

    def may_see(self, point: Array, margin: float) -> bool:
        """Return True if the camera may see something within `margin` metres of a point of the world."""
        x, _, z = (point - self.place.origin) @ self.place.axes.T
        return bool(z > -margin and abs(x) - margin < max(z, 0) * self.size[1] / 2 / self.focal * 1.2)

    def project(self, points: Array) -> Array:
        """Return the canvas's pixels (x, y), N x 2, of points in camera coordinates, N x 3, in front of the camera."""
        pixels: Array = points[:, :2] / points[:, 2:] * self.focal + np.array([self.size[1] / 2, self.size[0] / 2])
        return pixels


def quarters(canvas: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the samples of each pixel of the frame, 4 x H x W."""
    return np.stack([canvas[row::2, column::2] for row in (0, 1) for column in (0, 1)])
