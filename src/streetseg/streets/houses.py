"""Plan and paint houses: rows of them, what stands behind, and what hangs on their fronts.

Labels follow CamVid's: awnings, shop fronts and garden walls are building; boards and signs that stick out are signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.random import Generator

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.facades import Facade, wall_colour
from streetseg.streets.textures import Texture, rgb
from streetseg.streets.world import FAR, Array, Place, Street, box, flat, upright

VIVID = [(40, 66, 92), (120, 34, 36), (36, 82, 62), (44, 44, 48), (150, 110, 50), (190, 188, 182), (30, 60, 150),
         (200, 90, 30), (170, 30, 90), (210, 180, 40), (90, 90, 96), (236, 234, 228)]  # fmt: skip


def plan_houses(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield a row of houses on each side, with gaps. Behind a park or a lot the row begins later."""
    heights = {side: int(rng.integers(1, 6)) for side in (-1, 1)}
    for side in (-1, 1):
        built = street.built(side)
        s = rng.uniform(-14, -6) if built else rng.uniform(35, 110)
        opposite = heights[-side] * 3.0 if street.built(-side) else 0.0
        narrow, look = rng.uniform(5, 9), rng.random()
        while s < FAR - 20:
            width = rng.uniform(narrow, narrow * rng.uniform(1.1, 2.6))
            if not (street.free(s, side, 0.5) and street.free(s + width, side, 0.5)):
                s += 1.0
                continue
            floors = max(1, heights[side] + int(rng.choice([-1, 0, 0, 1])))
            d = street.kerb(side, street.sidewalk + street.garden[side > 0] + rng.choice([0, 0, 0, 0.8]))
            place = street.place(s + width / 2, d, side * np.pi / 2)
            shadow = (opposite, abs(d) - street.kerb(-1))
            style = look if rng.random() < 0.6 else rng.random()
            paint = partial(house, width=width, floors=floors, style=style, opposite=shadow)
            yield Thing(place, paint, behind=width / 2)
            s += width + (rng.uniform(1.5, 12) if rng.random() < 0.2 else 0)
        for _ in range(rng.integers(0, 4)):
            at, back = rng.uniform(20, 150), street.kerb(side, street.sidewalk + rng.uniform(28, 70))
            paint = partial(block, width=rng.uniform(10, 40), height=rng.uniform(5, 30))
            yield Thing(street.place(at, back, rng.choice([0, side * np.pi / 2])), paint, behind=90)
    if street.mouth:
        begin, end, side = street.mouth
        place = street.place((begin + end) / 2 + rng.uniform(-6, 6), side * rng.uniform(45, 90), side * np.pi / 2)
        yield Thing(place, partial(house, width=28, floors=int(rng.integers(1, 4)), style=rng.random()), behind=30)
    if rng.random() < 0.3:  # the street ends at a house, or turns
        place = street.place(rng.uniform(70, 150), rng.uniform(-8, 8), 0)
        paint = partial(house, width=rng.uniform(14, 60), floors=int(rng.integers(1, 6)), style=rng.random())
        yield Thing(place, paint, behind=10)


def house(
    canvas: Canvas,
    place: Place,
    rng: Generator,
    *,
    width: float,
    floors: int,
    style: float,
    opposite: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Paint a house: its front stands in the x-y plane, its depth is along z.

    Args:
        canvas: Where to paint.
        place: The middle of the front's foot.
        rng: Draws everything else.
        width: Width of the front in metres.
        floors: Number of storeys.
        style: 0 to 1; houses of a row have similar ones.
        opposite: Height of the houses across the street and their distance: they hide the low sun.
    """
    storey, depth, half = rng.uniform(2.6, 3.5), rng.uniform(7, 12), width / 2
    facade = Facade.sample(canvas, rng, width, storey, floors, style)
    eaves = floors * storey + rng.uniform(0.2, 0.8)
    pitched = rng.random() < (0.75 if style < 0.7 else 0.25)
    ridge = eaves + depth * (rng.uniform(0.25, 0.45) if pitched else 0.0)
    walls, inside = facade.masonry, (0, eaves / 2, depth / 2)
    front = shaded(canvas, place, facade.texture, *opposite)

    roof_colour = np.array([92, 86, 84]) * rng.uniform(0.5, 1.2) * (rng.uniform(0.95, 1.3), 1, 1)
    for x in rng.uniform(-half + 0.5, half - 0.5, rng.integers(0, 3)) if pitched else ():
        wide = rng.uniform(0.3, 0.6)
        top = ridge + rng.uniform(0.6, 1.6)
        canvas.solid(
            place, box(x - wide, x + wide, ridge - 1, top, depth / 2 - 0.3, depth / 2 + 0.3), "Building", walls
        )
    for x in (-half, half):
        gable = [(x, 0, 0), (x, eaves, 0), (x, ridge, depth / 2), (x, eaves, depth), (x, 0, depth)]
        if canvas.sees(place, gable, inside):
            canvas.paint(place, gable, "Building", walls)
    canvas.paint(place, upright(-half, half, 0, eaves), "Building", front)
    if not pitched:
        canvas.paint(place, upright(-half, half, eaves - 0.3, eaves + 0.25, -0.12), "Building", facade.trim)
    else:
        over = rng.uniform(0.1, 0.5)
        roof = [
            (-half, eaves - 0.1, -over),
            (half, eaves - 0.1, -over),
            (half, ridge, depth / 2),
            (-half, ridge, depth / 2),
        ]
        gutter = upright(-half, half, eaves - 0.15, eaves + 0.02, -over)
        if canvas.sees(place, roof, inside):
            canvas.paint(place, roof, "Building", roof_colour, grain=(0.12, 4))
        canvas.paint(place, gutter, "Building", roof_colour * 0.5)
        if rng.random() < 0.3:  # a gable to the street
            x, wide = rng.uniform(-half * 0.4, half * 0.4), min(half * 0.6, 2.6)
            canvas.paint(
                place, flat([(x - wide, eaves), (x + wide, eaves), (x, eaves + wide * 1.2)], -0.02), "Building", front
            )
    if rng.random() < 0.04:
        tower = box(-2.6, 2.6, eaves * 0.5, eaves + rng.uniform(8, 20), 1, 6)
        canvas.solid(place, tower, "Building", walls)
    paint_attachments(canvas, place, rng, facade, half)


def shaded(canvas: Canvas, place: Place, texture: Texture, height: float, distance: float) -> Texture:
    """Return the texture of a front whose foot lies in the shadow of the houses across the street."""
    light = canvas.light
    along, up, away = place.axes @ light.sun
    if away >= 0 or not height or light.ambient > 0.7:
        return texture
    line = height - distance * up / -away
    if line <= 0:
        return texture
    factor, slope = light.ambient / (light.ambient + light.direct * -away), along / -away * 0.3
    skyline = canvas.noise.fine

    def texture_in_shade(points: Array) -> Array:
        colour = texture(points)
        step = 1.5 * skyline((points[:, 0] + slope * distance) / 7, np.zeros(1, np.float32))
        colour[points[:, 1] < line + step] *= factor
        return colour

    return texture_in_shade


def paint_attachments(canvas: Canvas, place: Place, rng: Generator, facade: Facade, half: float) -> None:
    """Paint awnings, signs that stick out, boards and drainpipes."""
    if facade.shop:
        if rng.random() < 0.3:
            x0, x1 = np.sort(rng.uniform(-half, half, 2))
            low, out = rng.uniform(2.1, 2.5), rng.uniform(-1.6, -0.7)
            colour = np.array(VIVID[rng.integers(len(VIVID))]) * rng.uniform(0.7, 1.1)
            awning = [(x0, 2.9, 0), (x1, 2.9, 0), (x1, low, out), (x0, low, out)]
            canvas.paint(place, awning, "Building", colour, grain=(0.06, 3))
            canvas.paint(place, upright(x0, x1, low - 0.2, low, out), "Building", colour * 0.85)
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            x, y = rng.uniform(-half, half), rng.uniform(2.5, 4.6)
            wide, tall = rng.uniform(0.4, 1.0), rng.uniform(0.3, 1.3)
            paint_board(
                canvas,
                place,
                rng,
                [(x, y, -0.12), (x, y + tall, -0.12), (x, y + tall, -0.12 - wide), (x, y, -0.12 - wide)],
            )
    if rng.random() < 0.15:
        x, y, wide, tall = rng.uniform(-half, half), rng.uniform(1.2, 5), rng.uniform(0.2, 1.6), rng.uniform(0.2, 1.2)
        paint_board(canvas, place, rng, upright(x - wide, x + wide, y, y + tall, -0.05))
    for x in rng.uniform(-half, half, rng.integers(0, 3)):
        canvas.paint(
            place, upright(x, x + 0.11, 0, facade.storey * 2, -0.1), "Building", facade.trim * 0.4, casts=False
        )


def paint_board(canvas: Canvas, place: Place, rng: Generator, corners: object) -> None:
    """Paint a board with a frame and a few strokes on it."""
    board = np.asarray(corners, np.float64)
    ground, ink = (np.array(VIVID[i], float) for i in rng.choice(len(VIVID), 2, replace=False))
    middle = board.mean(0)
    canvas.paint(place, board, "SignSymbol", ground, casts=False)
    strokes = []
    for _ in range(rng.integers(1, 5)):
        size, shift = rng.uniform(0.08, 0.45, 2), rng.uniform(-0.3, 0.3, 2)
        edge_a, edge_b = (board[1] - board[0]) / 2, (board[-1] - board[0]) / 2
        at = middle + edge_a * shift[0] + edge_b * shift[1]
        strokes.append(
            [at + edge_a * a * size[0] + edge_b * b * size[1] for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        )
    canvas.paint(place, np.array(strokes), "SignSymbol", ink, casts=False)


def block(canvas: Canvas, place: Place, rng: Generator, *, width: float, height: float) -> None:
    """Paint a building that stands behind the others."""
    half, depth = width / 2, rng.uniform(8, 16)
    facade = Facade.sample(canvas, rng, width, rng.uniform(2.8, 3.6), 9, rng.random())
    canvas.solid(place, box(-half, half, 0, height, 0, depth), "Building", facade.masonry)
    front = upright(-half, half, 0, height, -0.01)
    if canvas.sees(place, front, (0, height / 2, 1)):
        canvas.paint(place, front, "Building", facade.texture, casts=False)


def paint_wall(canvas: Canvas, place: Place, height: float, colour: Array) -> None:
    """Paint a panel of a garden wall, 2 m wide."""
    canvas.paint(place, upright(-1, 1, 0, height), "Wall", rgb(colour), grain=(0.14, 6))
    canvas.paint(place, upright(-1, 1, height - 0.08, height, -0.03), "Wall", np.asarray(colour) * 1.15)


__all__ = ["paint_wall", "plan_houses", "wall_colour"]
