"""Plan and paint what stands along a street: fences, walls, poles, signs, lights, bollards, bins.

Labels follow CamVid's: traffic lights and boards are signs, bollards are poles, low walls are building. Railings are
filled areas, although one can see through them. Bins, cabinets and parked bicycles are void.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.houses import VIVID, paint_board, paint_wall
from streetseg.streets.plants import hedge
from streetseg.streets.signs import paint_signs, totem, traffic_light
from streetseg.streets.textures import rounded
from streetseg.streets.world import KERB, Array, Place, Street, box, disc, taper, upright

METALS = [(88, 90, 93), (30, 31, 33), (40, 62, 48), (150, 152, 152), (200, 200, 198), (60, 62, 68), (110, 80, 60)]


def plan_fences(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield railings along the kerb; railings, boards, walls or hedges along gardens, parks and lots; panels of 2 m."""
    for side in (-1, 1):
        stretches = []
        if rng.random() < 0.22:
            kind = (railings, railings, guard_rail)[rng.integers(3)]
            stretches.append((kind, 0.35, rng.uniform(2, 30), rng.uniform(6, 26), rng.uniform(0.9, 1.2)))
        if (street.garden[side > 0] or not street.built(side)) and rng.random() < 0.8:
            kind = (railings, boards, hedge, wall, chain_link, wall_with_railings)[rng.integers(6)]
            height = rng.uniform(0.6, 2.1)
            stretches.append((kind, street.sidewalk + 0.1, rng.uniform(-4, 12), rng.uniform(10, 90), height))
        for kind, behind, begin, length, height in stretches:
            look = int(rng.integers(1 << 30))
            for s in np.arange(begin, begin + length, 2.0):
                if street.free(s, side):
                    place = street.place(s, street.kerb(side, behind), side * np.pi / 2)
                    yield Thing(place, partial(panel, kind=kind, height=height, look=look))


def panel(canvas: Canvas, place: Place, rng: Generator, *, kind: object, height: float, look: int) -> None:
    """Paint a panel that looks like its neighbours."""
    assert callable(kind)
    kind(canvas, place, np.random.default_rng(look), height=height)


def railings(canvas: Canvas, place: Place, rng: Generator, *, height: float) -> None:
    """Paint a panel of metal railings."""
    metal, gap, thick = (
        np.array(METALS[rng.integers(len(METALS))]),
        rng.choice([0.1, 0.125, 0.2, 0.33]),
        rng.uniform(0.014, 0.03),
    )
    canvas.veil(place, upright(-1, 1, KERB, height), "Fence", metal, 0.1)
    top = height * rng.uniform(0.92, 1.08)
    pickets = [upright(x, x + thick, KERB, top) for x in np.arange(-1, 1, gap)]
    rails = [upright(-1, 1, height - 0.07, height), upright(-1, 1, 0.24, 0.28), upright(-1, -0.93, 0, height)]
    canvas.paint(place, pickets + rails, "Fence", metal)


def guard_rail(canvas: Canvas, place: Place, rng: Generator, *, height: float) -> None:
    """Paint a panel of posts with two or three bars."""
    metal = np.array(METALS[rng.integers(len(METALS))])
    bars = np.linspace(0.35, height - 0.06, int(rng.integers(2, 4)))
    canvas.veil(place, upright(-1, 1, KERB, height), "Fence", metal, 0.06)
    canvas.paint(place, [*(upright(-1, 1, y, y + 0.06) for y in bars), upright(-1, -0.92, 0, height)], "Fence", metal)


def chain_link(canvas: Canvas, place: Place, rng: Generator, *, height: float) -> None:
    """Paint a panel of wire mesh between posts."""
    metal = np.array(METALS[rng.integers(len(METALS))])
    canvas.veil(place, upright(-1, 1, 0.05, height), "Fence", metal, rng.uniform(0.2, 0.45))
    canvas.paint(place, [upright(-1, -0.94, 0, height), upright(-1, 1, height - 0.04, height)], "Fence", metal)


def boards(canvas: Canvas, place: Place, rng: Generator, *, height: float) -> None:
    """Paint a panel of wooden planks or of a hoarding."""
    wood = np.array([(116, 94, 70), (90, 76, 62), (130, 120, 104), (60, 90, 130), (180, 180, 176)][rng.integers(5)])
    wide, wood = rng.choice([0.1, 0.15, 0.2, 1.0]), wood * rng.uniform(0.6, 1.1)

    def planks(points: Array) -> Array:
        plank = (points[:, 0] + 1) / wide
        value = (
            1 + 0.1 * canvas.noise.fine(plank, plank * 0 + 3) + 0.06 * canvas.noise.fine(plank * 6, points[:, 1] * 2)
        )
        value -= 0.35 * (plank % 1 < 0.1)
        coloured: Array = value[:, None] * wood.astype(np.float32)
        return coloured

    canvas.paint(place, upright(-1, 1, 0, max(height, 1.0)), "Fence", planks)


def wall(canvas: Canvas, place: Place, rng: Generator, *, height: float) -> None:
    """Paint a panel of a garden wall."""
    paint_wall(canvas, place, height, wall_tint(rng))


def wall_with_railings(canvas: Canvas, place: Place, rng: Generator, *, height: float) -> None:
    """Paint a panel of a low wall with railings on it."""
    railings(canvas, place, rng, height=height + 0.4)
    paint_wall(canvas, place, 0.4 + 0.2 * height, wall_tint(rng))


def wall_tint(rng: Generator) -> Array:
    """Return the colour of a garden wall."""
    tints = np.array([(122, 84, 70), (110, 98, 84), (120, 116, 110), (150, 140, 120), (90, 80, 74)], float)
    tint: Array = tints[rng.integers(len(tints))] * rng.uniform(0.5, 1.2)
    return tint


# ---- Poles and what hangs on them


def plan_poles(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield street lamps at even distances, sign posts, traffic lights, bollards, bins and other things."""
    both, height, kind = rng.random() < 0.4, rng.uniform(4, 10), int(rng.integers(4))
    first = int(rng.choice([-1, 1]))
    metal = np.array(METALS[rng.integers(len(METALS))]) * rng.uniform(0.8, 1.2)
    banner = rng.random() < 0.12
    for side in (first, -first) if both else (first,):
        for s in np.arange(rng.uniform(5, 20), 150, rng.uniform(16, 36)):
            if street.free(s, side):
                paint = partial(lamp, height=height, reach=-1.4 * side, kind=kind, metal=metal, banner=banner)
                yield Thing(street.place(s, street.kerb(side, 0.5)), paint)
    for _ in range(rng.integers(1, 9)):
        d = street.kerb(int(rng.choice([-1, 1])), rng.uniform(0.35, max(street.sidewalk, 1.5)))
        yield Thing(street.place(rng.uniform(5, 75) ** rng.uniform(0.8, 1), d), sign_post)
    if rng.random() < 0.45:
        for s in rng.uniform(7, 60, rng.integers(1, 4)):
            for side in (-1, 1):
                yield Thing(
                    street.place(s + rng.uniform(-1, 1), street.kerb(side, 0.5)),
                    partial(traffic_light, reach=-side * 4.0),
                )
    for _ in range(rng.integers(0, 3)):
        d = street.kerb(int(rng.choice([-1, 1])), street.sidewalk + rng.uniform(-0.4, 2.5))
        yield Thing(street.place(rng.uniform(7, 50), d), totem)
    if rng.random() < 0.3:  # a row of bollards
        side, paint = int(rng.choice([-1, 1])), partial(bollard, look=int(rng.integers(1 << 30)))
        begin = rng.uniform(4, 30)
        for s in np.arange(begin, begin + rng.uniform(5, 25), rng.uniform(1.2, 2.5)):
            yield Thing(street.place(s, street.kerb(side, 0.4)), paint)
    for _ in range(rng.integers(0, 7)):
        side = int(rng.choice([-1, 1]))
        kind_of_thing = (bin_, cabinet, parked_bicycles, advertising, shelter, a_board)[
            rng.choice(6, p=(0.25, 0.2, 0.3, 0.1, 0.05, 0.1))
        ]
        d = street.kerb(side, rng.uniform(0.6, max(street.sidewalk - 0.3, 0.9)))
        yield Thing(street.place(rng.uniform(6, 50), d, side * np.pi / 2), kind_of_thing)
    if rng.random() < 0.25:  # telegraph poles
        side = int(rng.choice([-1, 1]))
        for s in np.arange(rng.uniform(8, 30), 150, 32):
            yield Thing(
                street.place(s, street.kerb(side, street.sidewalk - 0.2)),
                partial(telegraph, far=street.place(s + 32, street.kerb(side))),
            )


def pole(canvas: Canvas, place: Place, height: float, width: float, metal: ArrayLike, foot: float = 0.0) -> None:
    """Paint a round pole."""
    canvas.paint(place, taper((0, foot), (0, height), width, width * 0.75), "Column_Pole", rounded(metal, width))


def lamp(
    canvas: Canvas, place: Place, rng: Generator, *, height: float, reach: float, kind: int, metal: Array, banner: bool
) -> None:
    """Paint a street lamp whose arm reaches `reach` metres to the right, or a lantern."""
    place = place.facing(canvas.camera.place)
    wide = rng.uniform(0.1, 0.2)
    pole(canvas, place, 1.0, wide * 1.6, metal)
    pole(canvas, place, height, wide, metal)
    shine = canvas.light.level < 0.6 and rng.random() < 0.6
    glow, lamp_colour = (True, (255, 214, 150)) if shine else (False, metal * 1.2)
    if kind < 3:
        for way in (reach, -reach) if kind == 2 else (reach * (1.0, 0.5)[kind == 1],):
            rise = 0.35 if kind else 0.9
            canvas.paint(place, taper((0, height), (way, height + rise), 0.09, 0.07), "Column_Pole", metal)
            head = taper((way * 0.9, height + rise), (way * 1.4, height + rise + 0.05), 0.18, 0.14)
            canvas.paint(place, head, "Column_Pole", lamp_colour, shines=glow)
    else:
        lantern = taper((0, height), (0, height + 0.55), 0.25, 0.45)
        canvas.paint(place, lantern, "Column_Pole", lamp_colour, shines=glow)
        canvas.paint(place, taper((0, height + 0.5), (0, height + 0.75), 0.5, 0.1), "Column_Pole", metal * 0.6)
    if banner:
        colour = VIVID[int(abs(reach) * 1000 + height * 100) % len(VIVID)]
        paint_board(
            canvas,
            place,
            np.random.default_rng(int(height * 100)),
            upright(0.12, 0.75, height * 0.5, height * 0.5 + 1.7),
        )
        canvas.paint(place, upright(0.1, 0.8, height * 0.5 + 1.7, height * 0.5 + 1.76), "Column_Pole", colour)
    if rng.random() < 0.25:
        paint_signs(canvas, place, rng, top=rng.uniform(2.2, 3.2), metal=metal)


def sign_post(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint signs on a post, or a bare post."""
    place = place.facing(canvas.camera.place)
    metal = np.array(METALS[rng.integers(len(METALS))]) * rng.uniform(0.8, 1.3)
    top = rng.uniform(1.9, 3.3)
    pole(canvas, place, top + rng.uniform(0.1, 0.6), rng.uniform(0.06, 0.1), metal)
    if rng.random() < 0.9:
        paint_signs(canvas, place, rng, top=top, metal=metal)


def bollard(canvas: Canvas, place: Place, rng: Generator, *, look: int) -> None:
    """Paint a bollard, perhaps with a bright band."""
    place, same = place.facing(canvas.camera.place), np.random.default_rng(look)
    metal, height, wide = np.array(METALS[same.integers(len(METALS))]), same.uniform(0.7, 1.15), same.uniform(0.1, 0.24)
    pole(canvas, place, height, wide, metal)
    if same.random() < 0.6:
        canvas.paint(place, upright(-wide / 2, wide / 2, height * 0.78, height * 0.88), "Column_Pole", (225, 225, 220))


def telegraph(canvas: Canvas, place: Place, rng: Generator, *, far: Place) -> None:
    """Paint a wooden pole with its wires to the next one."""
    facing, thick = place.facing(canvas.camera.place), np.array([0, 0.03, 0])
    for shift in (-0.5, 0.5):
        a, b = (spot.origin + np.array([shift, 7.6, 0]) for spot in (place, far))
        canvas.paint(Place.of(np.zeros(3), 0.0), [a, b, b + thick, a + thick], "Void", (40, 40, 42), casts=False)
    pole(canvas, facing, 8, 0.24, (84, 70, 58))
    canvas.paint(facing, upright(-0.7, 0.7, 7.5, 7.62), "Column_Pole", (84, 70, 58))


# ---- Other things on the sidewalk


def bin_(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a litter bin or a wheeled bin."""
    half, height = rng.uniform(0.2, 0.45), rng.uniform(0.8, 1.3)
    colour = np.array(VIVID[rng.integers(len(VIVID))]) * rng.uniform(0.4, 0.9)
    canvas.solid(place, box(-half, half, 0, height, -half, half), "Void", colour, grain=(0.08, 5))


def cabinet(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a cabinet, a letter box or a telephone box."""
    half, height = rng.uniform(0.3, 0.8), rng.choice([1.1, 1.4, 2.4])
    colour = np.array([(50, 66, 56), (130, 24, 28), (120, 122, 120), (40, 42, 46)][rng.integers(4)]) * rng.uniform(
        0.6, 1.2
    )
    canvas.solid(place, box(-half, half, 0, height, -0.3, 0.3), "Void", colour)
    canvas.paint(place, upright(-half * 0.8, half * 0.8, height * 0.3, height * 0.85, -0.31), "Void", colour * 0.7)


def parked_bicycles(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a few bicycles without riders."""
    for _ in range(rng.integers(1, 6)):
        shift, frame = rng.uniform(-2, 2), np.array(VIVID[rng.integers(len(VIVID))]) * rng.uniform(0.4, 0.9)
        lines = [
            ((-0.5, 0.34), (0, 0.3)),
            ((-0.5, 0.34), (-0.2, 0.9)),
            ((0, 0.3), (0.35, 0.95)),
            ((-0.2, 0.8), (0.35, 0.9)),
            ((0.35, 1.0), (0.52, 0.34)),
        ]
        strokes = [taper(np.add(a, (shift, 0)), np.add(b, (shift, 0)), 0.05, 0.05) for a, b in lines]
        wheels = [disc((shift + x, 0.34), 0.34, 14) for x in (-0.5, 0.52)]
        canvas.veil(place, wheels, "Void", (40, 40, 42), 0.25)
        for hub in (-0.5, 0.52):
            outer, inner = disc((shift + hub, 0.34), 0.34, 14), disc((shift + hub, 0.34), 0.3, 14)
            canvas.paint(place, np.concatenate([outer, outer[:1], inner[:1], inner[::-1]]), "Void", (30, 30, 32))
        canvas.paint(place, strokes, "Void", frame)


def advertising(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint an advertising panel that faces the traffic."""
    place = place.facing(canvas.camera.place)
    half, top = rng.uniform(0.5, 1.6), rng.uniform(1.9, 2.9)
    canvas.paint(place, upright(-half - 0.08, half + 0.08, 0.15, top + 0.08, 0.02), "SignSymbol", (50, 52, 54))
    paint_board(canvas, place, rng, upright(-half, half, 0.5, top))


def a_board(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a board that stands on the sidewalk."""
    place = place.facing(canvas.camera.place)
    paint_board(canvas, place, rng, [(-0.33, 0, 0), (0.33, 0, 0), (0.28, 1.0, 0), (-0.28, 1.0, 0)])


def shelter(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a bus shelter: glass between posts below a roof."""
    metal = np.array(METALS[rng.integers(len(METALS))])
    canvas.veil(place, upright(-1.8, 1.8, 0.2, 2.3, 0.9), "Building", (120, 130, 134), 0.25)
    canvas.paint(place, [upright(x, x + 0.08, 0, 2.4, 0.9) for x in (-1.8, -0.6, 0.6, 1.74)], "Column_Pole", metal)
    canvas.solid(place, box(-1.9, 1.9, 2.35, 2.55, -0.3, 1.0), "Building", metal * 0.8)
