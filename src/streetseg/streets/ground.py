"""Paint the sky, the ground, the road and what is painted on it.

Labels follow CamVid's: markings are road, islands and kerbs are sidewalk, grass is tree. A shadow has the class of the
ground below it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas
from streetseg.streets.textures import WHITE, Texture, rgb
from streetseg.streets.world import FAR, KERB, WORLD, Array, Street

YELLOW = (196, 168, 84)
PAINT = 0.004  # metres; markings lie above the road


def sky_of(canvas: Canvas) -> Callable[[Array], Array]:
    """Return the colours of directions, K x 3: blue or white, paler at the horizon, with clouds."""
    light, noise = canvas.light, canvas.noise

    def sky(rays: Array) -> Array:
        up = np.maximum(rays[:, 1] / np.sqrt((rays**2).sum(1)), 0)
        horizon, zenith = rgb(light.horizon), rgb(light.zenith)
        colour = horizon + (zenith - horizon) * (1 - np.exp(-5 * up))[:, None]
        # Clouds lie on a plane overhead, so they crowd towards the horizon.
        density = noise.smooth(60 * rays[:, 0] / (up + 0.12), 60 * rays[:, 2] / (up + 0.12))
        cover = np.clip(0.9 * density + (2 * light.clouds - 1), 0, 1)[:, None]
        shade = np.clip(1.04 - light.relief * density, 0.4, 1.25)[:, None]
        covered: Array = colour + (horizon * shade - colour) * cover
        return covered

    return sky


def paint_ground(canvas: Canvas, street: Street, rng: Generator) -> None:
    """Paint grass to the horizon, and on it the roads, their markings, kerbs and sidewalks."""
    asphalt = road_texture(canvas, street, rng, np.array([1.0, 1.01, 1.03]) * rng.uniform(66, 132))
    pavement = np.array([1.02, 1.0, 0.96]) * rng.uniform(84, 150)
    if rng.random() < 0.2:
        pavement = pavement * (1.12, 0.95, 0.85)
    slabs = sidewalk_texture(canvas, street, rng, pavement)
    stone = pavement * rng.uniform(0.9, 1.3)
    green = np.array([(78, 92, 50), (92, 98, 56), (104, 98, 70), (70, 96, 48)][rng.integers(4)])

    def grass(points: Array) -> Array:
        value = 1 + 0.3 * grain(canvas, points, 25) + 0.15 * canvas.noise.smooth(points[:, 0] * 8, points[:, 2] * 4)
        return value[:, None] * rgb(green)

    s = np.concatenate([np.linspace(-8, 40, 13), np.linspace(48, FAR, 14)])

    def strip(inner: float, outer: float, height: float) -> Array:
        return np.concatenate([street.point(s, inner, height), street.point(s[::-1], outer, height)])

    canvas.paint(WORLD, [(-900, 0, -8), (900, 0, -8), (900, 0, 900), (-900, 0, 900)], "VegetationMisc", grass)
    for side in (-1, 1):
        if street.sides[side > 0] == "lot":
            inner, outer = street.kerb(side, street.sidewalk + 0.6), street.kerb(side, 60)
            canvas.paint(WORLD, strip(inner, outer, 0), "Road", asphalt)
        elif street.built(side):
            canvas.paint(WORLD, strip(street.kerb(side), street.kerb(side, 40), 0), "Sidewalk", slabs)
            if depth := street.garden[side > 0]:
                inner = street.kerb(side, street.sidewalk)
                kind = ("VegetationMisc", grass) if rng.random() < 0.6 else ("Sidewalk", slabs)
                canvas.paint(WORLD, strip(inner, street.kerb(side, street.sidewalk + depth), 0), *kind)
    canvas.paint(WORLD, strip(street.kerb(-1), street.kerb(1), 0), "Road", asphalt)
    paint_markings(canvas, street, rng)
    for side in (-1, 1):
        verge = rng.uniform(0.8, 2.0) if rng.random() < 0.12 else 0.0
        kerb, edge = street.kerb(side), street.kerb(side, 0.15)
        canvas.paint(WORLD, strip(edge, street.kerb(side, street.sidewalk + verge), KERB), "Sidewalk", slabs)
        if verge:
            canvas.paint(WORLD, strip(edge, street.kerb(side, verge), KERB), "VegetationMisc", grass)
        canvas.paint(WORLD, strip(kerb, edge, KERB), "Sidewalk", stone * 1.12)
        for near, far in pairwise(s):
            face = street.point([near, far, far, near], kerb, [0, 0, KERB, KERB])
            canvas.paint(WORLD, face, "Sidewalk", stone * 0.7, casts=False)
    if street.mouth:
        paint_side_road(canvas, street, asphalt, slabs)
    if rng.random() < 0.2:
        paint_island(canvas, street, rng, stone)


def paint_side_road(canvas: Canvas, street: Street, asphalt: Texture, slabs: Texture) -> None:
    """Paint the road that leads away between the houses."""
    assert street.mouth
    begin, end, side = street.mouth
    for margin, surface, texture, inner in ((2.2, "Sidewalk", slabs, 0.15), (0.0, "Road", asphalt, -0.1)):
        near, far = street.kerb(side, inner), street.kerb(side, 90)
        corners = street.point(
            [begin - margin, end + margin, end + margin, begin - margin], [near, near, far, far], KERB
        )
        canvas.paint(WORLD, corners, surface, texture, casts=False)


def paint_island(canvas: Canvas, street: Street, rng: Generator, stone: Array) -> None:
    """Paint a traffic island in the middle of the road."""
    begin, half = rng.uniform(9, 40), rng.uniform(0.5, 1.0)
    s = begin + np.array([0, 0.4, 1, 4, 4.6, 5, 4.6, 4, 1, 0.4]) * rng.uniform(0.7, 2.5)
    d = half * np.array([0, 0.7, 1, 1, 0.7, 0, -0.7, -1, -1, -0.7])
    canvas.paint(WORLD, street.point(s, d, 0.0), "Sidewalk", stone * 0.75, casts=False)
    canvas.paint(WORLD, street.point(s, d, KERB), "Sidewalk", stone * 1.1, grain=(0.08, 12), casts=False)


def grain(canvas: Canvas, points: Array, cells: float) -> Array:
    """Return white noise on the ground, `cells` a metre, that fades in the distance."""
    flecks = canvas.noise.fine(points[:, 0] * cells, points[:, 2] * (cells / 2))
    return flecks * np.minimum(12 / (np.abs(canvas.ahead(points)) + 12), 1)


def road_texture(canvas: Canvas, street: Street, rng: Generator, colour: Array) -> Texture:
    """Return the texture of asphalt, concrete or cobbles: tracks, patches, cracks, puddles, the sun's reflection."""
    noise, light = canvas.noise, canvas.light
    rough, stains, tracks = rng.uniform(0.05, 0.16), rng.uniform(0.03, 0.12), rng.uniform(-0.05, 0.05)
    cobbles = rng.random() < 0.08
    patch = rng.uniform(0, 400, 6)
    sun_at, mirror = np.arctan2(light.sun[0], light.sun[2]), rgb(light.horizon * 0.85 / light.level)
    lane_colour = np.array([(1.25, 0.8, 0.75), (0.8, 1.05, 0.85)][rng.integers(2)]) if rng.random() < 0.15 else None
    shine = light.glare * rng.uniform(0.3, 1.0)

    def texture(points: Array) -> Array:
        d, z = street.offset(points), points[:, 2]
        value = 1 + rough * grain(canvas, points, 45) + stains * noise.smooth(d * 9, z * 2.5)
        value += tracks * np.cos((2 * np.pi / 1.6) * (np.abs(d) - street.lane / 2))
        for at, length in zip(patch[:3], patch[3:], strict=True):  # mended places
            value += np.float32(0.14) * ((np.abs(d - at % 8 + 4) < 0.9) & (np.abs(z - at % 45) < length % 7))
        value -= 0.12 * (np.abs(noise.smooth(d * 6 + 40, z * 3)) < 0.012)
        if cobbles:
            row = np.floor(z / 0.14)
            along = (d / 0.2 + row % 2 * 0.5) % 1
            fade = np.minimum(8 / (canvas.ahead(points) + 4), 1)
            value += fade * (
                0.12 * noise.fine(d / 0.2 + row % 2 * 0.5, row) - 0.3 * ((along < 0.1) | (z / 0.14 % 1 < 0.12))
            )
        result = np.maximum(value, 0.2)[:, None] * rgb(colour)
        if lane_colour is not None:
            result[(d < street.kerb(-1, -0.2)) & (d > street.kerb(-1, -1.9))] *= rgb(lane_colour)
        distance = np.maximum(canvas.ahead(points), 1)
        if light.wet:
            film = (
                np.clip(0.6 + 0.7 * noise.smooth(d * 5 + 90, z * 1.5), 0, 1) * (distance / (distance + 14)) * light.wet
            )
            result += (mirror - result) * film[:, None]
        if shine:
            aside = np.arctan2(points[:, 0] - canvas.camera.place.origin[0], distance) - sun_at
            result *= 1 + (shine * distance / (distance + 10) * np.exp(-((aside / 0.35) ** 2)))[:, None]
        return result

    return texture


def sidewalk_texture(canvas: Canvas, street: Street, rng: Generator, colour: Array) -> Texture:
    """Return the texture of slabs, bricks or asphalt."""
    kind, (wide, long) = rng.integers(3), ((0.7, 0.9), (0.2, 0.1), (0.4, 0.4))[rng.integers(3)]
    joint_depth = rng.uniform(0.05, 0.25)

    def texture(points: Array) -> Array:
        d, z = street.offset(points), points[:, 2]
        value = 1 + 0.09 * canvas.noise.smooth(d * 8, z * 8) + 0.06 * grain(canvas, points, 30)
        if kind:
            column, row = d / wide, z / long
            fade = np.minimum(9 * wide / (canvas.ahead(points) + 4), 1)
            value += fade * (
                0.07 * canvas.noise.fine(column, row) - joint_depth * ((column % 1 < 0.07) | (row % 1 < 0.07))
            )
        return value[:, None] * rgb(colour)

    return texture


def paint_markings(canvas: Canvas, street: Street, rng: Generator) -> None:
    """Paint lines, arrows, hatchings, crossings and letters, all of them worn."""
    wear, white = rng.uniform(-3.0, -0.8), np.array(WHITE) * rng.uniform(0.7, 1.1)
    if rng.random() < 0.06:
        return

    def worn(colour: ArrayLike) -> Texture:
        def texture(points: Array) -> Array:
            gone = canvas.noise.fine(points[:, 0] * 60, points[:, 2] * 30) < wear
            return np.where(gone[:, None], rgb((110, 111, 114)), rgb(colour))

        return texture

    def area(s: ArrayLike, d: ArrayLike, colour: ArrayLike = white, surface: str = "LaneMkgsNonDriv") -> None:
        canvas.paint(WORLD, street.point(s, d, PAINT), surface, worn(colour), casts=False)

    def line(
        begin: float, end: float, d: float, width: float, colour: ArrayLike = white, *, far_d: float | None = None
    ) -> None:
        s = np.linspace(begin, end, 2 + int((end - begin) / 4))
        middle = np.linspace(d, d if far_d is None else far_d, len(s))
        area(
            np.concatenate([s, s[::-1]]),
            np.concatenate([middle - width / 2, middle[::-1] + width / 2]),
            colour,
            "LaneMkgsDriv",
        )

    dash, gap = rng.choice([(2.0, 4.0), (4.0, 2.0), (3.0, 6.0), (1.0, 1.0)])
    for d in [0.0, *(side * street.lane for side in (-1, 1) if street.lanes[side > 0] == 2)]:
        style = rng.random()
        if style < 0.15:
            line(-4, 120, d - 0.12, 0.1)
            line(-4, 120, d + 0.12, 0.1)
        elif style < 0.9:
            for begin in np.arange(rng.uniform(-gap, gap), 70, dash + gap):
                line(begin, begin + dash, d, 0.13)
    insets, colour = (((), white), ((0.4,), white), ((0.25, 0.45), YELLOW), ((0.3,), YELLOW))[rng.integers(4)]
    for side in (-1, 1):
        for inset in insets if not street.parking[side > 0] else ():
            line(-4, FAR * 0.7, street.kerb(side, -inset), 0.1, colour)
    extra = rng.random()
    at = rng.uniform(6, 30)
    if extra < 0.2:  # a zebra crossing
        for d in np.arange(street.kerb(-1, -0.5), street.kerb(1, -0.4), 1.1):
            area([at, at, at + 3, at + 3], [d, d + 0.5, d + 0.5, d])
    elif extra < 0.35:  # arrows
        for d in (-street.lane / 2, *((-1.5 * street.lane,) if street.lanes[0] == 2 else ())):
            s, turn = np.array([0, 2.2, 2.2, 3.8, 2.2, 2.2, 0]), rng.choice([0, 0.5, -0.5])
            area(at + s, d + np.array([-0.1, -0.1, -0.4, turn, 0.4, 0.1, 0.1]))
    elif extra < 0.45:  # a hatched area in the middle
        for begin in np.arange(at, at + 18, 1.8):
            area([begin, begin + 0.4, begin + 1.8, begin + 1.4], [-0.6, -0.6, 0.6, 0.6])
        line(at, at + 18, -0.7, 0.12)
        line(at, at + 18, 0.7, 0.12)
    elif extra < 0.53:  # a box that must stay clear
        left, right = street.kerb(-1, -0.2), street.kerb(1, -0.2)
        for share in np.linspace(0, 1, 5)[:-1]:
            d0, d1 = left + (right - left) * share, left + (right - left) * (share + 0.25)
            line(at, at + 10, left, 0.14, YELLOW, far_d=d1 + (right - d1) * 0.5)
            line(at, at + 10, right, 0.14, YELLOW, far_d=d0)
        for across in (at, at + 10):
            area([across, across, across + 0.2, across + 0.2], [left, right, right, left], YELLOW)
    elif extra < 0.63:  # letters
        for row in (at, at + 2.4):
            for d in np.arange(-street.lane + 0.4, -0.4, 0.55):
                for _ in range(3):
                    ds, dd = rng.uniform(0, 1.2, 2), rng.uniform(0, 0.35, 2)
                    area(
                        row + np.array([ds[0], ds[0] + 0.3, ds[1] + 0.3, ds[1]]),
                        d + np.array([dd[0], dd[0] + 0.1, dd[1] + 0.1, dd[1]]),
                    )
    elif extra < 0.75:  # a line to stop at
        area(
            [at, at, at + 0.35, at + 0.35],
            [-street.lane * street.lanes[0] + 0.3, -0.2, -0.2, -street.lane * street.lanes[0] + 0.3],
        )
    elif extra < 0.82:  # zigzags
        for side in (-1, 1):
            for begin in np.arange(at, at + 16, 2.0):
                odd = 0.35 * (begin // 2 % 2)
                line(begin, begin + 2, street.kerb(side, -0.5 - odd), 0.1, far_d=street.kerb(side, -0.85 + odd))
