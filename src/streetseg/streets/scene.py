"""Render road scenes with exact labels, for tests, examples and pre-training.

A scene is a street in world coordinates, seen by a pinhole camera in a car. All randomness comes from the seed: a seed
gives the same street at every frame size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from streetseg.errors import UsageError
from streetseg.runtime.frames import MAX_PIXELS
from streetseg.streets.camera import Camera
from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.develop import develop
from streetseg.streets.drawing import draw
from streetseg.streets.furniture import plan_fences, plan_poles
from streetseg.streets.ground import paint_ground, sky_of
from streetseg.streets.houses import plan_houses
from streetseg.streets.own_car import paint_own_car
from streetseg.streets.people import plan_people
from streetseg.streets.plants import plan_trees
from streetseg.streets.sequence import STILL, Drive, Moment
from streetseg.streets.textures import Noise
from streetseg.streets.traffic import plan_cars
from streetseg.streets.world import SURFACE_CLASSES, WORLD, Bytes, Light, Place, Street

SMALL = 8.0  # metres; how far a thing, and its shadow, may reach from its place
SMALLEST = 16  # pixels a side; smaller frames show nothing

# The order matters: all plans draw from the same random numbers.
PLANS = (plan_houses, plan_trees, plan_fences, plan_poles, plan_cars, plan_people)


@dataclass(frozen=True)
class Scene:
    """A rendered frame and its label map.

    Attributes:
        frame: H x W x 3 uint8, RGB.
        label: H x W uint8, indices into `camvid.LABELS`; IGNORE (255) on the bonnet of our own car.
    """

    frame: Bytes
    label: Bytes


def render(seed: int, size: tuple[int, int] = (360, 480)) -> Scene:
    """Render the scene of a seed.

    Args:
        seed: 0 or more.
        size: Height and width in pixels: at least 16 each, and at most 100 million pixels in all.

    Returns:
        The frame and its label map, the same ones each time.

    Raises:
        UsageError: The seed or the size is out of range.
    """
    frame, surfaces = render_surfaces(seed, size)
    return Scene(frame, SURFACE_CLASSES[surfaces])


def render_surfaces(seed: int, size: tuple[int, int], moment: Moment | None = None) -> tuple[Bytes, Bytes]:
    """Return the frame, H x W x 3, and the surface of each pixel, H x W, as an index into SURFACES.

    Args:
        seed: The street's seed.
        size: Height and width in pixels.
        moment: The frame of a drive along the street; None: a single frame.
    """
    check_scene(seed, size)
    # Grain draws a number for each pixel. It has its own random stream, so that the street does not depend on the size.
    rng, grain_rng = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    if moment and moment.frame:
        grain_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, moment.frame)))
    street = Street.sample(rng)
    camera = Camera.sample(rng, street, size)
    drive = Drive(seed, street, camera, moment) if moment else None
    canvas = Canvas(drive.camera if drive else camera, Light.sample(rng), Noise(rng), drive)

    paint_ground(canvas, street, rng)
    things = [thing for plan in PLANS for thing in plan(street, rng)]
    things.sort(key=lambda thing: thing.place.origin[2] + thing.behind, reverse=True)
    seeds = rng.integers(1 << 62, size=len(things)).tolist()
    seeded = list(zip(things, seeds, strict=True))
    for thing, own_seed in seeded if drive is None else moved(seeded, canvas, drive):
        if thing.behind or canvas.camera.may_see(thing.place.origin, SMALL):
            own_rng = np.random.default_rng(own_seed)
            # In low sun many things stand in the shadow of others.
            shaded = own_rng.random() < 0.35 * (1 - canvas.light.ambient)
            canvas.shade = own_rng.uniform(0.5, 0.8) if shaded else 1.0
            thing.paint(canvas, thing.place, own_rng)
    canvas.shade = 1.0
    if rng.random() < 0.4:
        paint_own_car(canvas, rng)

    frame, surfaces = develop(draw(canvas, sky_of(canvas)), canvas.light, rng, grain_rng)
    if rng.random() < 0.5:  # people drive on the left; in the mirror image, on the right
        frame, surfaces = frame[:, ::-1], surfaces[:, ::-1]
    return np.ascontiguousarray(frame), np.ascontiguousarray(surfaces)


def moved(seeded: list[tuple[Thing, int]], canvas: Canvas, drive: Drive) -> Iterator[tuple[Thing, int]]:
    """Yield things with their seeds where they are in a drive, from far to near; set each one's pose."""
    found = []
    for thing, own_seed in seeded:
        state = drive.moved(thing.place, thing.speed, own_seed)
        if state is not None:  # not in the camera's way
            place, pose = state
            ahead = (place.origin - canvas.camera.place.origin) @ Place.of(WORLD.origin, drive.heading).axes[2]
            found.append((ahead + thing.behind, replace(thing, place=place), own_seed, pose))
    found.sort(key=lambda each: each[0], reverse=True)
    for _, thing, own_seed, canvas.pose in found:
        yield thing, own_seed
    canvas.pose = STILL


def check_scene(seed: int, size: tuple[int, int]) -> None:
    """Raise UsageError if the seed or the size is out of range."""
    if seed < 0:
        raise UsageError(f"seed {seed} is negative; give 0 or more")
    if min(size) < SMALLEST:
        raise UsageError(f"size {size[0]} x {size[1]} is too small for a scene; give at least {SMALLEST} x {SMALLEST}")
    if size[0] * size[1] > MAX_PIXELS:
        raise UsageError(f"size {size[0]} x {size[1]} is too large for a frame; give at most {MAX_PIXELS:,} pixels")
