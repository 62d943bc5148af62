"""The world of a rendered street: its surfaces, its geometry and its light.

World coordinates are metres: x to the right, y up, z forward. A `Place` is a local coordinate system in the world.
The functions at the end return polygons in local coordinates, N x 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from streetseg.data.camvid import COLOURS_OF_CLASS

Array = NDArray[np.floating[Any]]  # float64 in the world, float32 on the canvas
Bytes = NDArray[np.uint8]

# A surface is one of CamVid's 32 classes, given by its place in this list.
SURFACES = [name for group in COLOURS_OF_CLASS.values() for name in group]
SURFACE_COLOURS = np.array([colour for group in COLOURS_OF_CLASS.values() for colour in group.values()], np.uint8)
SURFACE_CLASSES = np.array([index for index, group in COLOURS_OF_CLASS.items() for _ in group], np.uint8)

FAR = 180.0  # metres; the street ends here, in front of a line of trees
KERB = 0.12  # metres; height of the sidewalk


@dataclass(frozen=True)
class Street:
    """A slightly bent street. A point on it is s metres ahead along the centre line and d metres to the right.

    A pair holds a value for the left and one for the right side. Methods take the side as -1 (left) or 1 (right).
    """

    bend: float  # curvature, 1 / m, positive to the right
    lane: float  # width of a lane
    lanes: tuple[int, int]  # ours is the innermost one on the left
    parking: tuple[bool, bool]  # on one side at most, so that the other sidewalk stays visible
    sidewalk: float
    garden: tuple[float, float]  # depth of the gardens between the sidewalk and the houses
    sides: tuple[str, str]  # what stands there: houses, a park, a lot of parked cars
    mouth: tuple[float, float, int] | None  # a side road: its begin and end s, and its side

    @staticmethod
    def sample(rng: Generator) -> Street:
        """Draw a street."""
        parked = rng.choice([-1, 0, 1])
        kinds = rng.choice(["houses", "park", "lot"], 2, p=[0.7, 0.2, 0.1])
        if (kinds != "houses").all() and rng.random() < 0.6:  # most streets have houses
            kinds[rng.integers(2)] = "houses"
        begin, wide = rng.uniform(8, 45), rng.uniform(5.5, 11)
        mouth = (begin, begin + wide, int(rng.choice([-1, 1]))) if rng.random() < 0.4 else None
        wider = rng.choice(3, p=[0.6, 0.25, 0.15])
        return Street(
            bend=rng.uniform(-1, 1) / rng.choice([130, 300, 700]),
            lane=rng.uniform(2.8, 4.2),
            lanes=((1, 1), (1, 2), (2, 2))[wider],
            parking=(bool(parked == -1), bool(parked == 1)),
            sidewalk=rng.uniform(1.4, 4.5),
            garden=(rng.choice([0.0, 0.0, 1.5, 4.0, 8.0]), rng.choice([0.0, 0.0, 1.5, 4.0, 8.0])),
            sides=(str(kinds[0]), str(kinds[1])),
            mouth=mouth,
        )

    def built(self, side: int) -> bool:
        """Return True if houses stand along that side."""
        return self.sides[side > 0] == "houses"

    def kerb(self, side: int, behind: float = 0.0) -> float:
        """Return the offset d of the kerb, or of a line `behind` metres behind it."""
        return side * (self.lane * self.lanes[side > 0] + 2.2 * self.parking[side > 0] + behind)

    def free(self, s: float, side: int, margin: float = 1.5) -> bool:
        """Return True if no side road begins at s on that side."""
        return self.mouth is None or self.mouth[2] != side or not -margin < s - self.mouth[0] < self.width + margin

    @property
    def width(self) -> float:
        """Width of the side road; 0 if there is none."""
        return self.mouth[1] - self.mouth[0] if self.mouth else 0.0

    def point(self, s: ArrayLike, d: ArrayLike, height: ArrayLike = 0.0) -> Array:
        """Return world points, ... x 3."""
        s, d, height = np.broadcast_arrays(s, d, height)
        turn = self.bend * s
        return np.stack([self.bend * s**2 / 2 + d * np.cos(turn), height, s - d * np.sin(turn)], -1)

    def offset(self, points: Array) -> Array:
        """Return the approximate d of world points, N x 3."""
        return points[:, 0] - self.bend * points[:, 2] ** 2 / 2

    def locate(self, point: Array) -> tuple[float, float]:
        """Return s and d of a world point."""
        x, _, z = point
        s = z
        for _ in range(20):  # Newton's method: seen from the centre line at s, the point lies exactly to the side
            sin, cos = np.sin(self.bend * s), np.cos(self.bend * s)
            right, ahead = x - self.bend * s**2 / 2, z - s
            s += (right * sin + ahead * cos) / (cos + self.bend * (s * sin - right * cos + ahead * sin))
        turn = self.bend * s
        return float(s), float((x - self.bend * s**2 / 2) * np.cos(turn) - (z - s) * np.sin(turn))

    def place(self, s: float, d: float, turn: float = 0.0) -> Place:
        """Return a place that faces along the street, turned clockwise by `turn` radians."""
        return Place.of(self.point(s, d), self.bend * s + turn)


@dataclass(frozen=True)
class Place:
    """A local coordinate system: its origin in the world and its axes (right, up, forward) as rows."""

    origin: Array
    axes: Array

    @staticmethod
    def of(origin: Array, heading: float) -> Place:
        """Return a level place that is turned clockwise by `heading` radians."""
        sin, cos = np.sin(heading), np.cos(heading)
        return Place(origin, np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]))

    def facing(self, viewer: Place) -> Place:
        """Return the same spot, turned so that its x-y plane faces the viewer, like a cardboard figure."""
        away = self.origin - viewer.origin
        return Place.of(self.origin, np.arctan2(away[0], away[2]))


WORLD = Place.of(np.zeros(3), 0.0)


@dataclass(frozen=True)
class Light:
    """Sun, sky and air. Level ground in the sun has the brightness level * (ambient + direct * sun[1]) = level."""

    sun: Array  # unit vector towards the sun
    direct: float
    ambient: float
    level: float  # brightness of the ground's light against the sky's
    zenith: Array
    horizon: Array
    clouds: float  # share of the sky, 0 to 1
    relief: float  # contrast of the clouds
    visibility: float  # metres after which 63 % of a colour is haze
    wet: float  # share of the light that the road mirrors, 0 to 1
    glare: float  # brightness of the sun's reflection on the road

    @staticmethod
    def sample(rng: Generator) -> Light:
        """Draw a day's, a dusk's or a night's light."""
        kind = rng.choice(["sun", "pale sun", "overcast", "dusk", "night"], p=[0.2, 0.36, 0.24, 0.16, 0.04])
        low = rng.random() < 0.5
        elevation, azimuth = np.radians(rng.uniform(9, 24) if low else rng.uniform(24, 58)), rng.uniform(0, 2 * np.pi)
        if low and rng.random() < 0.35:  # ahead, so that it dazzles
            azimuth = rng.normal(0, 0.5)
        sun = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
        shining = kind in ("sun", "pale sun")
        ambient = rng.uniform(0.22, 0.6) if shining else rng.uniform(0.82, 0.96)
        white = np.array([1.0, 1.005, 1.01]) ** rng.uniform(-1, 5) * rng.uniform(260, 430)
        blue = np.array([112.0, 158.0, 216.0]) * rng.uniform(0.9, 1.6)
        zenith, clouds, relief, level = white * rng.uniform(0.82, 1.05), 0.9, 0.1, 1.0
        if kind == "sun":
            zenith, clouds = blue, rng.uniform(0.05, 0.6)
        elif kind == "pale sun":
            white = white * 1.2
            zenith, clouds = (
                white * rng.uniform(0.85, 1.1, 1) + (blue - white) * rng.uniform(0, 0.35),
                rng.uniform(0, 0.7),
            )
        elif kind == "overcast":
            white = white * rng.uniform(0.65, 1.1)
            relief, level = rng.uniform(0.05, 0.25), rng.uniform(0.7, 1.0)
        elif kind == "dusk":
            white = np.array([0.9, 1.0, 1.06]) * rng.uniform(110, 215) + rng.uniform(-14, 14, 3)
            zenith, relief, level = white * rng.uniform(0.6, 1.0), rng.uniform(0.1, 0.35), rng.uniform(0.28, 0.6)
        elif kind == "night":
            white = np.array([1.1, 1.0, 0.95]) * rng.uniform(14, 60)
            zenith, relief, level = white * rng.uniform(0.2, 0.8), 0.2, rng.uniform(0.2, 0.4)
        return Light(
            sun=sun,
            direct=(1 - ambient) / max(sun[1], 0.3),
            ambient=ambient,
            level=level,
            zenith=zenith,
            horizon=white,
            clouds=clouds,
            relief=relief,
            visibility=rng.uniform(40, 200) if rng.random() < 0.08 else rng.uniform(250, 2500),
            wet=rng.uniform(0.2, 0.8) if rng.random() < 0.22 else 0.0,
            glare=rng.uniform(0.2, 1.6) if shining and low else 0.0,
        )


def flat(points: ArrayLike, z: float | Array = 0.0) -> Array:
    """Return points (x, y) in the plane at z."""
    xy = np.asarray(points, np.float64)
    xyz = np.empty((len(xy), 3))
    xyz[:, :2], xyz[:, 2] = xy, z
    return xyz


def upright(x0: float, x1: float, y0: float, y1: float, z: float = 0.0) -> Array:
    """Return an upright rectangle."""
    return flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], z)


def disc(centre: ArrayLike, radius: float, corners: int = 18, z: float = 0.0) -> Array:
    """Return a regular polygon with a corner at its top."""
    angle = np.arange(corners) * 2 * np.pi / corners
    return flat(np.stack([np.sin(angle), np.cos(angle)], 1) * radius + np.asarray(centre, float), z)


def taper(a: ArrayLike, b: ArrayLike, width_a: float, width_b: float) -> Array:
    """Return a straight limb from a to b, both (x, y), with its width at each end."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    across = (b - a)[::-1] * (1, -1) / (np.linalg.norm(b - a) * 2)
    return flat([a - across * width_a, a + across * width_a, b + across * width_b, b - across * width_b])


def box(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> list[Array]:
    """Return the four sides and the top of a box."""
    ends = [np.array([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)]) for x in (x0, x1)]
    top = np.array([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)])
    return [upright(x0, x1, y0, y1, z1), *ends, top, upright(x0, x1, y0, y1, z0)]


def shrunk(polygon: Array, factors: ArrayLike) -> Array:
    """Return the polygon, shrunk towards its centre by a factor for each axis."""
    middle: Array = polygon.mean(0)
    return middle + (polygon - middle) * np.asarray(factors, np.float64)
