"""Plan and paint trees, bushes and hedges.

Labels follow CamVid's: grass and hedges are tree; a bare crown is a filled area, although one can see through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.textures import rounded
from streetseg.streets.world import FAR, Array, Place, Street, box, disc, flat, taper

LEAVES = [(62, 78, 42), (74, 86, 46), (54, 68, 44), (92, 88, 48), (58, 62, 46), (84, 90, 70), (100, 84, 50),
          (44, 54, 36), (66, 66, 56)]  # fmt: skip
SKELETONS = 12
LEVELS = 6  # of branches


class Skeleton(NamedTuple):
    """The limbs of a tree of height 1, level after level.

    Attributes:
        foot: N x 2.
        tip: N x 2.
        width: N; the first limbs have 1.
        level: N, from 0.
    """

    foot: Array
    tip: Array
    width: Array
    level: Array


@lru_cache(maxsize=SKELETONS)
def skeleton(number: int) -> Skeleton:
    """Return one of the skeletons; each level has three times the limbs of the one before."""
    rng = np.random.default_rng(number)
    fork, count = rng.uniform(0.22, 0.36), int(rng.integers(2, 5))
    spread = rng.uniform(0.35, 0.6)
    foot = np.tile([0.0, fork], (count, 1))
    angle = rng.normal(np.linspace(-0.5, 0.5, count), 0.12)
    length, width = rng.uniform(0.2, 0.3, count), np.ones(count)
    parts = []
    for level in range(LEVELS):
        tip = foot + length[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
        parts.append((foot, tip, width, np.full(len(foot), level)))
        foot = np.repeat(tip - (tip - foot) * rng.uniform(0, 0.25, (len(tip), 1)), 3, 0)
        angle = np.repeat(angle, 3) + rng.normal(np.tile([-spread, 0.0, spread], len(tip)), 0.25)
        length = np.repeat(length, 3) * rng.uniform(0.5, 0.82, len(foot))
        width = np.repeat(width, 3) * 0.56
    tallest = max(part[1][:, 1].max() for part in parts)
    feet, tips, widths, levels = (np.concatenate(field) for field in zip(*parts, strict=True))
    return Skeleton(feet / tallest, tips / tallest, widths, levels)


def limbs(tree: Skeleton, most: int, height: float, thick: float, mirrored: bool) -> Array:
    """Return the outlines of the limbs up to a level, N x 4 x 3."""
    kept = tree.level <= most
    scale = np.array([-height if mirrored else height, height])
    foot, tip = tree.foot[kept] * scale, tree.tip[kept] * scale
    wide = np.maximum(tree.width[kept] * thick, 0.012)[:, None]
    along = tip - foot
    across = along[:, ::-1] * (1, -1) / (np.linalg.norm(along, axis=1, keepdims=True) * 2)
    corners = np.stack(
        [foot - across * wide, foot + across * wide, tip + across * wide * 0.6, tip - across * wide * 0.6], 1
    )
    return np.concatenate([corners, np.zeros((*corners.shape[:2], 1))], 2)


def ragged(rng: Generator, centres: Array, radii: Array, corners: int = 10) -> Array:
    """Return blots around centres, N x 2: N x corners x 3."""
    angle = np.arange(corners) * (2 * np.pi / corners) + rng.uniform(0, 6, (len(centres), 1))
    radius = radii[:, None] * rng.uniform(0.55, 1.3, (len(centres), corners))
    xy = np.stack([np.cos(angle) * radius, np.sin(angle) * radius], 2) + centres[:, None]
    return np.concatenate([xy, np.zeros((*xy.shape[:2], 1))], 2)


def plan_trees(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield the line of trees at the end of the street, street trees, and more trees and bushes in a park."""
    yield Thing(Place.of(street.point(FAR, 0), 0.0), partial(tree_line, tall=rng.uniform(3, 16)))
    bare_share = rng.choice([0.02, 0.5, 0.95], p=[0.4, 0.2, 0.4])
    # At least one tree is near enough to be visible.
    spots = [(rng.uniform(14, 34), street.kerb(int(rng.choice([-1, 1])), 0.8))]
    for side in (-1, 1):
        built = street.built(side)
        if built and rng.random() < 0.4:
            continue
        for s in np.arange(rng.uniform(6, 30), 130, rng.uniform(9, 40) if built else rng.uniform(5, 14)):
            if rng.random() < 0.8 and street.free(s, side):
                spots.append((s, street.kerb(side, 0.8 if built else rng.uniform(0.8, 22))))
        if street.sides[side > 0] == "park" and rng.random() < 0.8:
            begin, back = rng.uniform(-5, 20), street.sidewalk + rng.uniform(0.5, 14)
            tall = rng.uniform(1.0, 4.5)
            for s in np.arange(begin, begin + rng.uniform(30, 120), 4.5):
                if street.free(s, side):
                    yield Thing(
                        street.place(s, street.kerb(side, back + rng.uniform(0, 1))), partial(bush, wide=3.0, tall=tall)
                    )
    for _ in range(rng.integers(0, 5)):  # in gardens
        side = int(rng.choice([-1, 1]))
        if street.garden[side > 0] > 1 and street.built(side):
            d = street.kerb(side, street.sidewalk + 0.7)
            yield Thing(
                street.place(rng.uniform(6, 60), d),
                partial(bush, wide=rng.uniform(0.5, 1.6), tall=rng.uniform(0.6, 2.4)),
            )
    for s, d in spots:
        bare = bool(rng.random() < bare_share)
        yield Thing(street.place(s, d), partial(tree, height=rng.uniform(4, 13), bare=bare))


def tree_line(canvas: Canvas, place: Place, rng: Generator, *, tall: float) -> None:
    """Paint the line of trees at the end of the street."""
    x = np.linspace(-420, 420, 240)
    rough = rng.uniform(0.2, 0.4) * tall
    top = np.maximum(tall + rough * canvas.noise.smooth(x * 0.7, x * 0) + rng.normal(0, 0.08 * tall, x.size), 2)
    outline = np.concatenate([[(-420, -1)], np.stack([x, top], 1), [(420, -1)]])
    colour = np.array(LEAVES[rng.integers(len(LEAVES))]) * rng.uniform(0.6, 1.2)
    canvas.paint(place, flat(outline), "Tree", colour, grain=(0.3, 0.9), casts=False)


def tree(canvas: Canvas, place: Place, rng: Generator, *, height: float, bare: bool) -> None:
    """Paint a tree: trunk, branches, and a crown of many clumps of leaves, or of twigs if it is bare."""
    place = place.facing(canvas.camera.place)
    near = canvas.pixels_a_metre(place)
    bark = np.array([84, 76, 66]) * rng.uniform(0.3, 1.1)
    thick, shape, mirrored = (
        rng.uniform(0.018, 0.036) * height,
        skeleton(int(rng.integers(SKELETONS))),
        rng.random() < 0.5,
    )
    fork = shape.foot[0, 1] * height
    canvas.paint(place, taper((0, 0), (0, fork), thick, thick * 0.7), "Tree", rounded(bark, thick))
    most = int(np.clip(np.log2(near * height / 12), 1, LEVELS - 1))
    if bare:
        tips = shape.tip[shape.level == min(most, 3)] * height * (-1 if mirrored else 1, 1)
        radii = height * rng.uniform(0.04, 0.1) * rng.uniform(0.6, 1.4, len(tips))
        opacity = rng.uniform(0.12, 0.3) + 0.35 * (most < 4)
        canvas.veil(place, ragged(rng, tips, radii, 8), "Tree", bark * 1.1, min(opacity, 0.6))
        canvas.paint(place, limbs(shape, most, height, thick * 0.6, mirrored), "Tree", bark, casts=most > 2)
        return
    canvas.paint(place, limbs(shape, min(most, 2), height, thick * 0.6, mirrored), "Tree", bark)

    # Clumps sit on the tips of the branches, and are painted from back to front, brighter towards the sky and the sun.
    leaf = np.array(LEAVES[rng.integers(len(LEAVES))]) * rng.uniform(0.6, 1.3)
    level = 3 if near > 14 else 2
    tips = shape.tip[shape.level == level] * height * (-1 if mirrored else 1, 1)
    inner = shape.tip[shape.level == level - 1] * height * (-1 if mirrored else 1, 1)
    at = np.concatenate([np.repeat(tips, 3 if near > 40 else 2, 0), np.repeat(inner, 3, 0)])
    at = at + rng.normal(0, 0.05 * height, at.shape)
    column = rng.random()
    if column < 0.15:  # a poplar or a conifer
        at[:, 0] *= 0.35
        at[:, 0] *= 1.4 - at[:, 1] / height
    depth = rng.normal(0, 1, len(at))
    at, depth = at[np.argsort(-depth)], np.sort(depth)[::-1]
    to_sun = place.axes @ canvas.light.sun
    rise = (at[:, 1] - at[:, 1].mean()) / height
    light = (
        0.8 + 0.9 * rise + (1 - canvas.light.ambient) * (at[:, 0] * to_sun[0] / height * 2 - 0.25 * depth * to_sun[2])
    )
    light = np.clip(light, 0.3, 1.7) * rng.uniform(0.7, 1.3, len(at))
    radii = height * rng.uniform(0.04, 0.075) * (1.15 if level == 2 else 0.9) * rng.uniform(0.5, 1.4, len(at))
    flecks = (rng.uniform(0.2, 0.5), rng.uniform(7, 16))
    canvas.paint(place, ragged(rng, at, radii, 9), "Tree", leaf * light[:, None], grain=flecks)


def bush(canvas: Canvas, place: Place, rng: Generator, *, wide: float, tall: float) -> None:
    """Paint a bush or a piece of a thicket."""
    place = place.facing(canvas.camera.place)
    leaf = np.array(LEAVES[rng.integers(len(LEAVES))]) * rng.uniform(0.5, 1.2)
    count = int(np.clip(wide * tall * 10, 10, 60))
    at = rng.uniform((-wide, 0.05), (wide, tall * 0.9), (count, 2))
    at[:, 1] *= 1 - 0.35 * np.abs(at[:, 0] / wide)
    light = 0.65 + 0.5 * at[:, 1] / tall
    order = np.argsort(-at[:, 1])
    blots = ragged(rng, at[order], rng.uniform(0.14, 0.3, count) * min(tall, 2))
    hull = flat([(-wide, 0), (wide, 0), (wide * 0.8, tall * 0.6), (0, tall * 0.8), (-wide * 0.8, tall * 0.6)])
    canvas.paint(place, hull, "Tree", leaf * 0.6, grain=(0.4, 10))
    canvas.paint(place, blots, "Tree", leaf * (light[order] * rng.uniform(0.7, 1.25, count))[:, None], grain=(0.45, 14))


def hedge(canvas: Canvas, place: Place, rng: Generator, *, height: float = 1.4) -> None:
    """Paint a panel of a hedge, 2 m wide."""
    colour, flecks = np.array(LEAVES[int(height * 1000) % len(LEAVES)]) * rng.uniform(0.65, 0.95), (0.35, 13.0)
    canvas.solid(place, box(-1, 1, 0, height, 0, 0.9), "Tree", colour, grain=flecks)
    at = np.stack([np.linspace(-1, 1, 7), np.full(7, height)], 1) + rng.normal(0, 0.05, (7, 2))
    canvas.paint(place, ragged(rng, at, np.full(7, 0.16)), "Tree", colour * 1.1, grain=flecks)


def flower_bed(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a pot with a plant."""
    canvas.solid(place, box(-0.4, 0.4, 0, 0.5, -0.4, 0.4), "Void", np.array([110, 90, 80]) * rng.uniform(0.5, 1.4))
    facing = place.facing(canvas.camera.place)
    canvas.paint(facing, disc((0, 0.75), 0.42), "Tree", (70, 84, 50), grain=(0.5, 14))
