"""Drives: where the camera and the moving things of a street are at each frame.

The street is that of a single frame of the same seed. What moves draws its speed from random numbers of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from streetseg.streets.camera import Camera
from streetseg.streets.world import Array, Place, Street

RATE = 25  # frames a second
REACH = 60.0  # metres: no drive is longer, because a street shows little beyond its first hundred

TRAFFIC, CROSS, RIDE, WALK = 9.0, 5.0, 4.5, 1.3  # m/s: usual speeds
STEP = 1.5  # metres: a person's two steps
APART = (6.0, 1.8), (1.5, 1.0)  # metres ahead and aside that a vehicle, and a person, keep from the camera


@dataclass(frozen=True)
class Moment:
    """A frame of a drive.

    Attributes:
        frame: Its number, from 0.
        frames: Number of frames of the drive.
    """

    frame: int
    frames: int


@dataclass(frozen=True)
class Pose:
    """The pose of a thing that moves.

    Attributes:
        heading: Radians clockwise from straight ahead; None if the thing draws its pose itself.
        swing: Share of its stride, from -1 to 1.
    """

    heading: float | None = None
    swing: float = 1.0


STILL = Pose()


class Drive:
    """A drive along a street, at one of its frames.

    Args:
        seed: The street's seed.
        street: The street.
        camera: The camera at the first frame.
        moment: The frame.

    Attributes:
        camera: The camera at this frame.
        heading: Direction of our car, radians clockwise.
    """

    def __init__(self, seed: int, street: Street, camera: Camera, moment: Moment) -> None:
        rng = default_rng(SeedSequence(seed, spawn_key=(2,)))
        self.street, self.frame = street, moment.frame
        self.times = np.arange(moment.frames) / RATE
        self.speed = min(rng.uniform(5, 13), REACH * RATE / moment.frames)
        self.aside, height, _ = camera.place.origin
        self.lanes = rng.uniform(6, 13, 4)  # speed in each lane, from left to right
        self.lanes[self.lane(self.aside)] = self.speed
        way = self.speed * self.times
        self.path = street.point(way, self.aside, height)
        self.heading = street.bend * way[self.frame]
        axes = camera.place.axes @ Place.of(np.zeros(3), self.heading).axes
        self.camera = Camera(Place(self.path[self.frame], axes), camera.size, camera.focal, camera.bulge)

    def lane(self, aside: float) -> int:
        """Return the number of the lane, 0 to 3, at an offset from the middle of the street."""
        return int(np.clip(aside // self.street.lane + 2, 0, 3))

    def nearest(self, point: Array) -> float:
        """Return the least distance in metres between a point and the camera during the drive."""
        return float(np.linalg.norm(self.path - point, axis=1).min())

    def moved(self, place: Place, speed: float, seed: int) -> tuple[Place, Pose] | None:
        """Return a thing's place and pose at this frame; None if the camera would drive through it.

        Args:
            place: Its place at the first frame.
            speed: Its usual speed in m/s, forward; 0 for what stands still.
            seed: Its own seed.
        """
        if not speed:
            return place, STILL
        rng, street = default_rng([seed, 1]), self.street
        s, d = street.locate(place.origin)
        turn = float(np.arctan2(place.axes[2, 0], place.axes[2, 2])) - street.bend * s
        way = self.pace(speed, d, rng) * self.times
        across = np.sin(turn) if abs(np.sin(turn)) > 0.1 else 0.0
        edges = min(d, street.kerb(-1, 1.5)), max(d, street.kerb(1, 1.5))
        along, aside = s + way * np.cos(turn), np.clip(d + way * across, *edges)
        ahead, wide = APART[speed <= RIDE]
        near = (np.abs(along - self.speed * self.times) < ahead) & (np.abs(aside - self.aside) < wide)
        if near.any():
            return None
        here = street.place(float(along[self.frame]), float(aside[self.frame]), turn)
        swing = float(np.cos(rng.uniform(0, 2 * np.pi) + way[self.frame] * 2 * np.pi / STEP))
        back = np.pi if way[-1] < 0 else 0.0
        return here, Pose(street.bend * float(along[self.frame]) + turn + back, swing)

    def pace(self, speed: float, aside: float, rng: Generator) -> float:
        """Return a thing's own speed: that of its lane in traffic; people go, stand, or go the other way."""
        if speed >= TRAFFIC:
            return float(self.lanes[self.lane(aside)])
        own = speed * rng.uniform(0.6, 1.3)
        return float(own if speed > WALK else own * rng.choice([-1, 0, 1], p=[0.42, 0.16, 0.42]))
