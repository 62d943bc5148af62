"""Paint signs, traffic lights and totems. All are CamVid's signs; their posts are poles."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas
from streetseg.streets.textures import BLACK, WHITE, rounded
from streetseg.streets.world import Array, Place, disc, flat, taper, upright

RED, BLUE, GREEN, YELLOW, ORANGE = (178, 34, 40), (36, 72, 148), (28, 84, 62), (214, 176, 50), (206, 110, 36)


def paint_signs(canvas: Canvas, place: Place, rng: Generator, *, top: float, metal: Array) -> None:
    """Paint one to three signs below each other on a post; their fronts or their backs."""
    back = rng.random() < 0.25
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        size = rng.uniform(0.18, 0.46)
        if back:
            shape = (
                disc((0, top), size),
                disc((0, top), size * 1.15, 3),
                upright(-size, size, top - size, top + size),
            )[rng.integers(3)]
            grey = np.array([1, 1.01, 1.03]) * rng.uniform(60, 150)
            canvas.paint(place, shape, "SignSymbol", grey, grain=(0.04, 9))
            canvas.paint(place, upright(-size * 0.6, size * 0.6, top - 0.04, top + 0.04), "SignSymbol", grey * 0.7)
        else:
            sign(canvas, place, rng, top, size)
        top -= size * 2 + 0.06


def sign(canvas: Canvas, place: Place, rng: Generator, y: float, size: float) -> None:
    """Paint the front of a round, triangular or rectangular sign."""
    faded = rng.uniform(0.65, 1.15)

    def add(polygon: ArrayLike, colour: ArrayLike) -> None:
        canvas.paint(place, polygon, "SignSymbol", np.asarray(colour) * faded)

    kind = rng.integers(9)
    if kind == 0:  # a ban
        add(disc((0, y), size), RED)
        add(disc((0, y), size * 0.76), WHITE)
        strokes = rng.uniform(-0.45, 0.45, (3, 2)) * size
        add(
            [upright(x - 0.15 * size, x + 0.15 * size, y + dy - 0.2 * size, y + dy + 0.2 * size) for x, dy in strokes],
            BLACK,
        )
    elif kind == 1:  # no entry, or no stopping
        add(disc((0, y), size), RED)
        if rng.random() < 0.5:
            add(upright(-size * 0.7, size * 0.7, y - size * 0.18, y + size * 0.18), WHITE)
        else:
            add(disc((0, y), size * 0.75), BLUE)
            add(taper((-size * 0.6, y - size * 0.6), (size * 0.6, y + size * 0.6), size * 0.25, size * 0.25), RED)
    elif kind == 2:  # an order
        add(disc((0, y), size), WHITE)
        add(disc((0, y), size * 0.92), BLUE)
        add(taper((-size * 0.3, y - size * 0.5), (size * 0.2, y + size * 0.5), size * 0.3, size * 0.3), WHITE)
    elif kind == 3:  # a warning
        for share, colour in ((1.25, RED), (0.85, (WHITE, YELLOW)[rng.random() < 0.2]), (0.25, BLACK)):
            add(disc((0, y - 0.05), size * share, corners=3), colour)
    elif kind == 4:  # give way
        for share, colour in ((1.2, RED), (0.75, WHITE)):
            add(disc((0, y), size * share, corners=3) * (1, -1, 1) + (0, 2 * y, 0), colour)
    elif kind == 5:  # parking, one way and so on
        ground = (BLUE, BLUE, WHITE, YELLOW, GREEN, ORANGE)[rng.integers(6)]
        add(upright(-size, size, y - size, y + size), WHITE)
        add(upright(-size * 0.93, size * 0.93, y - size * 0.93, y + size * 0.93), ground)
        add(
            taper((0, y - size * 0.6), (size * rng.uniform(-0.4, 0.4), y + size * 0.6), size * 0.3, size * 0.3),
            BLACK if ground == WHITE else WHITE,
        )
    elif kind == 6:  # a small plate
        add(upright(-size, size, y - size * 0.5, y + size * 0.5), (WHITE, YELLOW, BLUE)[rng.integers(3)])
        add(
            [upright(-size * 0.8, size * rng.uniform(0.1, 0.8), y + dy - 0.02, y + dy + 0.02) for dy in (-0.08, 0.03)],
            BLACK,
        )
    else:  # directions
        board, text = ((GREEN, WHITE), (BLUE, WHITE), (WHITE, BLACK), (YELLOW, BLACK), ((120, 80, 50), WHITE))[
            rng.integers(5)
        ]
        half, tall = rng.uniform(0.4, 1.6), size * rng.uniform(0.6, 2.0)
        shift = rng.uniform(-half, half) * (rng.random() < 0.5)
        shape = upright(shift - half, shift + half, y - tall, y + tall)
        if rng.random() < 0.3:
            shape = flat(
                [
                    (-half, y - tall / 2),
                    (half, y - tall / 2),
                    (half + tall / 2, y),
                    (half, y + tall / 2),
                    (-half, y + tall / 2),
                ]
            )
            shift = 0
        add(shape, text)
        add((shape - (shift, y, 0)) * (0.96, 0.92, 1) + (shift, y, 0), board)
        for line in y + tall * np.array([-0.45, 0.0, 0.45]):
            add(upright(shift - half * 0.8, shift + half * rng.uniform(0.1, 0.75), line - 0.05, line + 0.05), text)


def totem(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a tall board of a shop or a firm that stands on the ground or on two legs, or a flag."""
    place = place.facing(canvas.camera.place)
    ground, ink, other = rng.uniform(20, 235, (3, 3)) * rng.uniform(0.5, 1, (3, 1))
    half, top = rng.uniform(0.25, 1.0), rng.uniform(1.8, 5)
    foot = rng.choice([0.0, 0.0, top * 0.5])
    if foot:
        for x in (-half * 0.8, half * 0.8):
            canvas.paint(place, upright(x - 0.05, x + 0.05, 0, foot), "Column_Pole", (96, 98, 100))
    canvas.paint(place, upright(-half, half, foot, top), "SignSymbol", ground)
    canvas.paint(place, upright(-half, half, top - (top - foot) * rng.uniform(0.1, 0.5), top), "SignSymbol", other)
    lines = [
        upright(-half * 0.8, half * rng.uniform(-0.4, 0.8), y, y + 0.1)
        for y in np.arange(foot + 0.3, top - 0.2, rng.uniform(0.2, 0.5))
    ]
    if lines:
        canvas.paint(place, lines, "SignSymbol", ink)


def traffic_light(canvas: Canvas, place: Place, rng: Generator, *, reach: float) -> None:
    """Paint a traffic light: its front with one lamp on, or its back; perhaps a second one on an arm."""
    place = place.facing(canvas.camera.place)
    metal = np.array([(30, 31, 33), (90, 92, 94), (150, 152, 150), (60, 62, 60)][rng.integers(4)])
    height = rng.uniform(2.3, 3.6)
    canvas.paint(place, taper((0, 0), (0, height), 0.13, 0.11), "Column_Pole", rounded(metal, 0.13))
    heads = [(rng.choice([0.0, -0.22, 0.22]), height - rng.uniform(0.6, 1.0))]
    if rng.random() < 0.15:
        canvas.paint(place, taper((0, height), (0, 5.6), 0.13, 0.1), "Column_Pole", metal)
        canvas.paint(place, taper((0, 5.5), (reach, 5.8), 0.1, 0.08), "Column_Pole", metal)
        heads.append((reach, 5.1))
    if rng.random() < 0.3:
        heads.append((heads[0][0] + 0.1, heads[0][1] - 1.0))
    front, on = rng.random() < 0.75, rng.integers(3)
    for x, y in heads:
        wide = rng.uniform(0.14, 0.2)
        if rng.random() < 0.4:  # a board behind it
            canvas.paint(place, upright(x - wide * 2, x + wide * 2, y - 0.15, y + 1.15), "TrafficLight", BLACK)
            canvas.paint(
                place, upright(x - wide * 1.8, x + wide * 1.8, y - 0.08, y + 1.08), "TrafficLight", (36, 36, 38)
            )
        canvas.paint(place, upright(x - wide, x + wide, y, y + 1.0), "TrafficLight", (22, 22, 24))
        for i, colour in enumerate(((250, 60, 50), (250, 180, 60), (90, 240, 170)) if front else ()):
            spot = disc((x, y + 0.83 - 0.33 * i), wide * 0.66, 10)
            canvas.paint(place, spot, "TrafficLight", colour if i == on else (48, 44, 44), shines=bool(i == on))
    if rng.random() < 0.3:
        sign(canvas, place, rng, height - 1.6, rng.uniform(0.15, 0.25))
