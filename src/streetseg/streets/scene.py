"""Render road scenes with exact labels, for tests, examples and pre-training.

A scene is a street in world coordinates, seen by a pinhole camera in a car. All randomness comes from the seed: a seed
gives the same street at every frame size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetseg.errors import UsageError
from streetseg.runtime.frames import MAX_PIXELS
from streetseg.streets.camera import Camera
from streetseg.streets.canvas import Canvas
from streetseg.streets.develop import develop
from streetseg.streets.surroundings import paint_ground, plan_fences, plan_houses, plan_poles, plan_trees, sky_of
from streetseg.streets.textures import Noise
from streetseg.streets.traffic import paint_bonnet, plan_cars, plan_people
from streetseg.streets.world import SURFACE_CLASSES, Bytes, Light, Street

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


def render_surfaces(seed: int, size: tuple[int, int]) -> tuple[Bytes, Bytes]:
    """Return the frame, H x W x 3, and the surface of each pixel, H x W, as an index into SURFACES."""
    check_scene(seed, size)
    # Grain draws a number for each pixel. It has its own random stream, so that the street does not depend on the size.
    rng, grain_rng = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    street = Street.sample(rng)
    canvas = Canvas(Camera.sample(rng, street, size), Light.sample(rng), Noise(rng))

    paint_ground(canvas, street, rng)
    things = [thing for plan in PLANS for thing in plan(street, rng)]
    for thing in sorted(things, key=lambda thing: thing.place.origin[2] + thing.behind, reverse=True):
        thing.paint(canvas, thing.place, rng)
    if rng.random() < 0.25:
        paint_bonnet(canvas, rng)

    frame, surfaces = develop(canvas.draw(sky_of(canvas)), canvas.light, rng, grain_rng)
    if rng.random() < 0.5:  # people drive on the left; in the mirror image, on the right
        frame, surfaces = frame[:, ::-1], surfaces[:, ::-1]
    return np.ascontiguousarray(frame), np.ascontiguousarray(surfaces)


def check_scene(seed: int, size: tuple[int, int]) -> None:
    """Raise UsageError if the seed or the size is out of range."""
    if seed < 0:
        raise UsageError(f"seed {seed} is negative; give 0 or more")
    if min(size) < SMALLEST:
        raise UsageError(f"size {size[0]} x {size[1]} is too small for a scene; give at least {SMALLEST} x {SMALLEST}")
    if size[0] * size[1] > MAX_PIXELS:
        raise UsageError(f"size {size[0]} x {size[1]} is too large for a frame; give at most {MAX_PIXELS:,} pixels")
