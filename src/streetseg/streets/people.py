"""Plan and paint people: pedestrians near and far, with bags and prams, cyclists, motorcyclists.

Wheels are filled areas, as in CamVid's labels, although one can see through them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.sequence import RIDE, WALK
from streetseg.streets.textures import BLACK, Texture
from streetseg.streets.world import Array, Place, Street, disc, flat, taper, upright

CLOTHES = [(22, 22, 26), (30, 30, 34), (40, 44, 60), (64, 58, 54), (88, 84, 80), (110, 40, 42), (52, 70, 96),
           (150, 146, 140), (30, 40, 36), (70, 60, 40), (200, 198, 194), (160, 60, 90), (60, 100, 60)]  # fmt: skip
DARK = 5  # the first clothes are dark ones
SKINS = [(196, 150, 126), (172, 124, 98), (118, 82, 64), (90, 62, 50)]


def plan_people(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield pedestrians on the sidewalks, alone and in groups, sometimes on the road, and cyclists."""
    for _ in range(rng.integers(0, 9)):
        side, s = int(rng.choice([-1, 1])), rng.uniform(4, 12) if rng.random() < 0.15 else rng.uniform(7, 70)
        d = street.kerb(side, rng.uniform(0.4, max(street.sidewalk - 0.2, 0.6)))
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
            yield Thing(street.place(s + rng.uniform(-0.5, 0.5), d), pedestrian, speed=WALK)
            d += rng.uniform(0.5, 0.8) * rng.choice([-1, 1])
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 4)):
            yield Thing(street.place(rng.uniform(8, 30), rng.uniform(-4, 4), np.pi / 2), pedestrian, speed=WALK)
    for side in (-1, 1):
        if street.sides[side > 0] != "houses" and rng.random() < 0.5:
            s, d = rng.uniform(6, 40), street.kerb(side, street.sidewalk + rng.uniform(0, 8))
            yield Thing(street.place(s, d), pedestrian, speed=WALK)
    for _ in range(rng.choice(4, p=[0.4, 0.35, 0.18, 0.07])):
        d = rng.choice([-1, 1]) * (street.lane - rng.uniform(0.4, 1.2))
        across = float(rng.uniform(0.7, 1) if rng.random() < 0.35 else rng.uniform(0, 0.35))
        s, motor = rng.uniform(5, 40), rng.random() < 0.1
        paint = motorcyclist if motor else partial(cyclist, across=across)
        crosses = across > 0.5 and not motor
        yield Thing(street.place(s, d, np.pi / 2 if crosses else np.pi * (d > 0)), paint, speed=RIDE)


def cloth(rng: Generator, most: int = len(CLOTHES)) -> Array:
    """Return the colour of a garment."""
    colour: Array = np.array(CLOTHES[rng.integers(most)]) * rng.uniform(0.6, 1.2)
    return colour


def pedestrian(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a pedestrian. The feet are at y = 0; an adult is 1.75 m tall."""
    place, child = place.facing(canvas.camera.place), rng.random() < 0.12
    scale = rng.uniform(0.6, 0.78) if child else rng.uniform(0.92, 1.07)
    coat, trousers = cloth(rng), cloth(rng, DARK)
    skin, hair = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.7, 1), cloth(rng, DARK)
    turned = rng.choice([0.0, 0.5, 1.0])  # 0: seen from the front or behind, 1: from the side
    if canvas.pose.heading is not None:  # as it walks
        sideways = float(place.axes[0] @ (np.sin(canvas.pose.heading), 0, np.cos(canvas.pose.heading)))
        turned = abs(sideways)
    stride = (rng.uniform(0.03, 0.1) + turned * rng.uniform(0.0, 0.3)) * canvas.pose.swing
    stout, lean, hip = rng.uniform(0.85, 1.25), turned * rng.uniform(-0.02, 0.1), 0.86
    way = rng.choice([-1, 1])
    if canvas.pose.heading is not None:
        way = 1 if sideways > 0 else -1

    def add(polygon: Array, colour: ArrayLike) -> None:
        points = polygon * (scale * way, scale, scale)
        canvas.paint(place, points, "Child" if child else "Pedestrian", colour, grain=(0.12, 18))

    def arm(side: int, shade: float) -> None:
        swing = -side * stride * 0.8
        shoulder, elbow = (
            (side * 0.19 * stout * (1 - turned) + lean, 1.4),
            (side * 0.24 * (1 - turned) + swing * 0.6, 1.12),
        )
        hand = (side * 0.22 * (1 - turned) + swing * 1.2 + turned * 0.08, 0.88)
        if bent:
            hand = (elbow[0] + turned * 0.2 - side * 0.12 * (1 - turned), 1.2)
        add(taper(shoulder, elbow, 0.13 * stout, 0.1), coat * shade)
        add(taper(elbow, hand, 0.1, 0.08), coat * shade)
        add(disc(hand, 0.045, 8), skin)

    bent = rng.random() < 0.3
    arm(-1, 0.8)
    for side, shade in ((-1, 0.85), (1, 1.0)):
        foot = (side * stride, 0.05 + 0.08 * (side < 0) * turned)
        knee = (foot[0] * 0.45 + turned * 0.06, 0.47)
        start = (side * 0.08 * (1 - turned), hip)
        add(taper(start, knee, 0.18 * stout, 0.13), trousers * shade)
        add(taper(knee, foot, 0.13, 0.1), trousers * shade)
        add(
            taper((foot[0] - 0.05, foot[1]), (foot[0] + 0.06 + 0.1 * turned, foot[1] - 0.02), 0.1, 0.08),
            np.array(BLACK) * rng.uniform(0.6, 1.6),
        )
    half = (0.22 - 0.07 * turned) * stout
    hem = rng.choice([0.84, 0.78, 0.5], p=[0.5, 0.3, 0.2])
    add(
        flat(
            [
                (-half * 0.85, hem),
                (-half * 0.75, 1.05),
                (-half + lean, 1.4),
                (-0.08 + lean, 1.5),
                (0.08 + lean, 1.5),
                (half + lean, 1.4),
                (half * 0.75, 1.05),
                (half * 0.85, hem),
            ]
        ),
        coat,
    )
    if rng.random() < 0.4:  # a bag
        x, y = rng.choice([-1, 1]) * (half + 0.04), rng.choice([1.2, 0.75])
        add(upright(x - 0.13, x + 0.13, y - 0.2, y + 0.15), cloth(rng))
    arm(1, 0.92)
    add(taper((lean, 1.48), (lean, 1.56), 0.1, 0.1), skin * 0.9)
    add(disc((lean, 1.62), 0.115, 12), skin)
    add(disc((lean - 0.02 * turned, 1.66), 0.118, 12), hair)
    if rng.random() < 0.5:  # seen from behind, or a beard
        add(disc((lean - 0.03 * turned, 1.62), 0.1, 10), hair)
    if rng.random() < 0.05:
        pram(canvas, place, rng, scale)
    if rng.random() < 0.04:
        umbrella = [(np.cos(t) * 0.5, 1.85 + 0.3 * np.sin(t)) for t in np.linspace(0, np.pi, 9)]
        add(flat(umbrella), cloth(rng))


def pram(canvas: Canvas, place: Place, rng: Generator, scale: float) -> None:
    """Paint a pram in front of a pedestrian."""
    x, hood = rng.choice([-0.6, 0.6]), cloth(rng)
    canvas.paint(place, [disc((x + dx, 0.15), 0.15, 10) for dx in (-0.25, 0.25)], "CartLuggagePram", (24, 24, 26))
    body = flat([(x - 0.35, 0.95), (x - 0.3, 0.45), (x + 0.3, 0.45), (x + 0.4, 0.8), (x, 0.75), (x - 0.1, 1.05)])
    canvas.paint(place, body * scale, "CartLuggagePram", hood, grain=(0.1, 10))


def cyclist(canvas: Canvas, place: Place, rng: Generator, *, across: float) -> None:
    """Paint a rider on a bicycle; across: 0 from behind or the front, 1 from the side."""
    place = place.facing(canvas.camera.place)
    jacket, trousers = cloth(rng), cloth(rng, DARK)
    if rng.random() < 0.3:
        jacket = np.array([(196, 200, 60), (220, 120, 40), (200, 40, 40)][rng.integers(3)]) * rng.uniform(0.7, 1.1)
    skin, frame = np.array(SKINS[rng.integers(len(SKINS))]), cloth(rng) * 1.2
    squeeze = np.array([across * rng.choice([-1, 1]), 1, 1])

    def add(polygon: Array, colour: ArrayLike | Texture) -> None:
        canvas.paint(place, polygon, "Bicyclist", colour)

    if across > 0.5:
        rear, front, pedals, saddle, bars = (-0.52, 0.34), (0.52, 0.34), (0, 0.28), (-0.2, 0.92), (0.4, 1.02)
        head, upright_share = (0.2, 1.62), rng.uniform(0, 0.15)
        for hub in (rear, front):
            canvas.veil(place, disc(hub, 0.34) * squeeze, "Bicyclist", (90, 90, 92), 0.15)
            rim = np.concatenate([disc(hub, 0.34), disc(hub, 0.34)[:1], disc(hub, 0.29)[:1], disc(hub, 0.29)[::-1]])
            add(rim * squeeze, BLACK)
        for a, b in ((rear, pedals), (rear, saddle), (pedals, saddle), (pedals, bars), (saddle, bars), (bars, front)):
            add(taper(a, b, 0.045, 0.045) * squeeze, frame)
        turn = rng.uniform(0, 0.15) * canvas.pose.swing
        for knee, foot in (((0.16, 0.68 + turn), (0.08, 0.2 + turn)), ((0.24, 0.78 - turn), (-0.04, 0.4 - turn))):
            add(taper(saddle, knee, 0.18, 0.14) * squeeze, trousers)
            add(taper(knee, foot, 0.13, 0.1) * squeeze, trousers * 0.9)
        add(taper(saddle, (0.1 - upright_share, 1.45), 0.27, 0.32) * squeeze, jacket)
        add(taper((0.1 - upright_share, 1.42), bars, 0.11, 0.08) * squeeze, jacket * 0.85)
        head = ((head[0] - upright_share) * squeeze[0], head[1])
    else:
        head, lean = (0.0, 1.63), rng.uniform(-0.06, 0.06)
        add(upright(-0.04 - across * 0.3, 0.04 + across * 0.3, 0, 0.72), BLACK)
        add(upright(-0.3, 0.3, 0.98, 1.03), (60, 60, 62))
        high = rng.uniform(-0.12, 0.12) * canvas.pose.swing
        for side in (-1, 1):
            add(taper((side * 0.11, 0.95), (side * 0.15, 0.55 + side * high), 0.18, 0.14), trousers)
            add(
                taper((side * 0.15, 0.58 + side * high), (side * 0.11, 0.24 + side * high), 0.13, 0.09), trousers * 0.85
            )
            add(taper((side * 0.2, 1.42), (side * 0.3, 1.05), 0.12, 0.09), jacket * 0.85)
        add(
            flat(
                [
                    (-0.17, 0.86),
                    (-0.22 + lean, 1.4),
                    (-0.1 + lean, 1.5),
                    (0.1 + lean, 1.5),
                    (0.22 + lean, 1.4),
                    (0.17, 0.86),
                ]
            ),
            jacket,
        )
        if rng.random() < 0.3:
            add(upright(-0.14, 0.14, 1.05, 1.42), cloth(rng))
    add(disc(head, 0.115, 12), skin)
    add(disc((head[0], head[1] + 0.05), 0.125, 12), cloth(rng) * rng.uniform(1, 1.6))


def motorcyclist(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a motorcyclist from the front or behind."""
    place = place.facing(canvas.camera.place)
    suit, machine = cloth(rng, DARK), cloth(rng) * 1.1
    for polygon, colour in (
        (upright(-0.09, 0.09, 0, 0.65), BLACK),
        (flat([(-0.25, 0.4), (-0.3, 0.85), (0.3, 0.85), (0.25, 0.4)]), machine),
        (flat([(-0.36, 0.7), (-0.26, 1.4), (0.26, 1.4), (0.36, 0.7)]), suit),
        (upright(-0.42, 0.42, 1.0, 1.06), BLACK),
        (disc((0, 1.52), 0.15, 14), cloth(rng) * 1.3),
    ):
        canvas.paint(place, polygon, "MotorcycleScooter", colour)
    canvas.paint(
        place, disc((0, 0.75), 0.09, 10), "MotorcycleScooter", (240, 236, 220), shines=bool(rng.random() < 0.5)
    )
