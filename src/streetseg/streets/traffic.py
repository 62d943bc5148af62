"""Plan and paint the users of a street: cars, pedestrians, cyclists; and the bonnet of our own car.

Wheels are filled areas, as in CamVid's labels, although one can see through them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.textures import BLACK, WHITE, Texture, rgb, rounded
from streetseg.streets.world import Array, Place, Street, disc, flat, shrunk, taper, upright


@dataclass(frozen=True)
class CarModel:
    """A car, given by its side view: points (z, y) in metres, from rear to front.

    Attributes:
        surface: A name in SURFACES.
        half_width: Half the body's width in metres.
        roof: The roof's width as a share of the body's.
        wheels: z of the axles.
        body: The outline without its underside.
        cabin: Foot and top of the rear window, then top and foot of the windscreen.
    """

    surface: str
    half_width: float
    roof: float
    wheels: tuple[float, float]
    body: tuple[tuple[float, float], ...]
    cabin: tuple[tuple[float, float], ...]


HATCHBACK = CarModel(
    "Car", 0.84, 0.78, (-1.22, 1.22),
    ((-1.9, 0.28), (-1.95, 0.55), (-1.88, 0.95), (0.85, 0.95), (1.65, 0.8), (1.93, 0.62), (1.95, 0.28)),
    ((-1.86, 0.95), (-1.45, 1.44), (0.05, 1.47), (0.9, 0.95)),
)  # fmt: skip
SALOON = CarModel(
    "Car", 0.88, 0.78, (-1.35, 1.38),
    ((-2.15, 0.28), (-2.2, 0.6), (-2.15, 0.95), (-1.4, 0.98), (0.85, 0.95), (1.8, 0.82), (2.2, 0.62), (2.22, 0.28)),
    ((-1.6, 0.97), (-0.95, 1.4), (0.15, 1.42), (0.95, 0.95)),
)  # fmt: skip
VAN = CarModel(
    "SUVPickupTruck", 0.97, 0.9, (-1.5, 1.55),
    ((-2.4, 0.35), (-2.45, 0.7), (-2.45, 1.2), (1.6, 1.2), (2.3, 0.98), (2.45, 0.6), (2.45, 0.35)),
    ((-2.45, 1.2), (-2.4, 2.2), (0.9, 2.2), (1.65, 1.2)),
)  # fmt: skip
BUS = CarModel(
    "Truck_Bus", 1.25, 0.97, (-3.0, 3.4),
    ((-5.3, 0.35), (-5.35, 0.8), (-5.35, 1.25), (5.3, 1.25), (5.3, 0.35)),
    ((-5.35, 1.25), (-5.3, 3.05), (5.1, 3.05), (5.3, 1.25)),
)  # fmt: skip
LACQUERS = [(32, 33, 36), (62, 64, 68), (132, 136, 140), (176, 179, 182), (216, 217, 216), (34, 46, 82), (60, 84, 128),
            (134, 28, 30), (34, 62, 48), (150, 138, 110)]  # fmt: skip


def plan_cars(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield rows of parked cars, traffic in both lanes, and sometimes a car that crosses."""

    def a_car(s: float, d: float, turn: float, buses: float = 0.0) -> Thing:
        model = (HATCHBACK, SALOON, VAN)[rng.choice(3, p=(0.5, 0.34, 0.16))] if rng.random() >= buses else BUS
        return Thing(street.place(s, d, turn + rng.normal(0, 0.02)), partial(car, model=model))

    for side in (-1, 1):
        for s in np.arange(rng.uniform(2, 12), 90 if street.parking[side > 0] else 0, 6.2):
            if rng.random() < 0.75:
                yield a_car(s + rng.uniform(-0.5, 0.5), street.kerb(side, -1.05), np.pi * (rng.random() < 0.3))
    for side, first in ((-1, rng.uniform(10, 45)), (1, rng.uniform(8, 50))):
        for s in np.arange(first, 120, rng.uniform(14, 50)):
            yield a_car(s, side * street.lane / 2 + rng.normal(0, 0.2), np.pi * (side > 0), buses=0.1)
    if rng.random() < 0.2:
        yield a_car(rng.uniform(45, 70), rng.uniform(-3, 3), np.pi / 2)


def car(canvas: Canvas, place: Place, rng: Generator, *, model: CarModel) -> None:
    """Paint a car that faces along z: body, cabin with windows, wheels, lights, number plates."""
    half, rear, front = model.half_width, model.body[0][0], model.body[-1][0]
    colour: Array = np.array(rng.choice(LACQUERS)) * rng.uniform(0.85, 1.15)

    def lacquer(points: Array) -> Array:
        return rgb(colour) * (
            0.62 + 0.32 * np.minimum(points[:, 1:2], 1.5)
        )  # darker at the bottom: it mirrors the road

    def glass(points: Array) -> Array:
        return (30 + 55 * (points[:, 1:2] - model.cabin[0][1])) * rgb((0.92, 1.0, 1.06))

    def add(polygon: ArrayLike, paint: ArrayLike | Texture) -> None:
        canvas.paint(place, polygon, model.surface, paint)

    underneath = [(-half, 0.01, rear), (half, 0.01, rear), (half, 0.01, front), (-half, 0.01, front)]
    canvas.paint(place, underneath, "Road", (24, 24, 26))
    bodies = [np.array([(x, y, z) for z, y in model.body]) for x in (-half, half)]
    widths = half * np.array([0.97, model.roof, model.roof, 0.97])
    cabins = [np.array([(side * w, y, z) for w, (z, y) in zip(widths, model.cabin, strict=True)]) for side in (-1, 1)]
    inside = [(0, 0.6, 0), (0, model.cabin[0][1] + 0.1, float(np.mean([z for z, _ in model.cabin])))]
    to_viewer = place.axes[0] @ (canvas.camera.place.origin - place.origin)

    def loft(left: Array, right: Array, inside: ArrayLike) -> Iterator[tuple[int, Array]]:
        for i in range(len(left) - 1):
            face = np.array([left[i], left[i + 1], right[i + 1], right[i]])
            if canvas.sees(place, face, inside):
                yield i, face

    for z in np.add.outer(model.wheels, (-0.3, 0.3)).flat:
        add([upright(x * 0.99, x * 0.78, 0.0, 0.45, z) for x in (-half, half)], (22, 22, 24))
    for _, face in loft(bodies[0], bodies[1], inside[0]):
        add(face, lacquer)
    visible = [
        (x, body, cabin)
        for x, body, cabin in zip((-half, half), bodies, cabins, strict=True)
        if to_viewer * x > half**2
    ]
    for x, body, _ in visible:
        add(body, lacquer)
        discs = [disc((z, 0.32), radius, z=x * 1.01) for z in model.wheels for radius in (0.4, 0.32, 0.2)]
        add(np.array(discs)[..., [2, 1, 0]], [(20, 20, 22), (36, 36, 38), (128, 130, 132)] * 2)
    for i, face in loft(cabins[0], cabins[1], inside[1]):
        add(face, lacquer)
        if i != 1:
            add(shrunk(face, (0.86, 0.8, 0.8)), glass)
    for _, _, cabin in visible:
        add(cabin, lacquer)
        add(shrunk(cabin, (0.72, 0.72, 0.9)), glass)
        panes = 1 + round((model.cabin[3][0] - model.cabin[0][0]) / 1.3)
        share = np.linspace(0, 1, panes)[1:-1, None]
        foot, top = cabin[0] + share * (cabin[3] - cabin[0]), cabin[1] + share * (cabin[2] - cabin[1])
        add(np.stack([foot, top, top, foot], 1) + flat([(0, 0)] * 4, np.array([-0.05, -0.05, 0.05, 0.05])), lacquer)
    for z, lamp_colour, grille, plate, y in (
        (rear - 0.06, (172, 26, 28), colour * 0.7, (206, 180, 60), 0.62),
        (front + 0.02, (206, 208, 206), BLACK, WHITE, 0.5),
    ):
        lamps = [upright(x * 0.66, x * 0.97, 0.62, 0.8, z) for x in (-half, half)]
        others = [upright(-half, half, 0.3, 0.45, z), upright(-half * 0.5, half * 0.5, 0.52, 0.64, z)]
        number_plate = upright(-0.26, 0.26, y - 0.06, y + 0.06, z)
        shades = np.array([lamp_colour, lamp_colour, colour * 0.45, grille, plate])
        if canvas.sees(place, lamps[0], (0, 0.5, 0)):
            add([*lamps, *others, number_plate], shades)


CLOTHES = [(30, 30, 34), (40, 44, 60), (64, 58, 54), (88, 84, 80), (110, 40, 42), (52, 70, 96), (150, 146, 140)]
SKINS = [(196, 150, 126), (172, 124, 98), (118, 82, 64)]
TORSO = ((-0.17, 0.82), (-0.16, 1.0), (-0.22, 1.4), (-0.1, 1.48), (0.1, 1.48), (0.22, 1.4), (0.16, 1.0), (0.17, 0.82))


def plan_people(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield pedestrians on the sidewalks, sometimes on the road, and cyclists along the kerbs or across."""
    for _ in range(rng.integers(2, 10)):
        d = street.kerb(int(rng.choice([-1, 1])), rng.uniform(0.5, street.sidewalk - 0.3))
        yield Thing(street.place(rng.uniform(7, 40), d), pedestrian)
    if rng.random() < 0.3:
        yield Thing(street.place(rng.uniform(12, 28), rng.uniform(-2, 3)), pedestrian)
    for _ in range(rng.choice(3, p=[0.35, 0.45, 0.2])):
        d = rng.choice([-1, 1]) * (street.lane - 0.8)
        yield Thing(street.place(rng.uniform(8, 30), d), partial(cyclist, across=bool(rng.random() < 0.3)))


def pedestrian(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a pedestrian. The feet are at y = 0; an adult is 1.75 m tall."""
    place, child = place.facing(canvas.camera.place), rng.random() < 0.15
    scale = rng.uniform(0.6, 0.75) if child else rng.uniform(0.92, 1.06)
    coat, trousers = np.array(rng.choice(CLOTHES)), np.array(rng.choice(CLOTHES[:4]))
    skin, hair, stride = rng.choice(SKINS), rng.choice(CLOTHES[:4]), rng.uniform(0.05, 0.28)

    def add(polygon: Array, colour: ArrayLike) -> None:
        canvas.paint(place, polygon * scale, "Child" if child else "Pedestrian", rounded(colour, 0.5 * scale))

    for side in (-1, 1):
        foot = (side * stride, 0.06)
        add(taper((side * 0.07, 0.86), foot, 0.17, 0.11), trousers)
        add(taper(foot, (side * stride + 0.1, 0.03), 0.1, 0.07), BLACK)
    add(flat(TORSO), coat)
    for side in (-1, 1):
        hand = (side * 0.25 + stride * 0.4, 0.84)
        add(taper((side * 0.2, 1.4), hand, 0.12, 0.09), coat * 0.88)
        add(disc(hand, 0.045), skin)
    add(disc((0, 1.61), 0.12), skin)
    add(disc((0, 1.66), 0.115), hair)


def cyclist(canvas: Canvas, place: Place, rng: Generator, *, across: bool) -> None:
    """Paint a rider on a bicycle: from the side if they ride across, from behind otherwise."""
    place = place.facing(canvas.camera.place)
    jacket, trousers = np.array(rng.choice([*CLOTHES, (196, 200, 60)])), np.array(rng.choice(CLOTHES[:4]))

    def add(polygon: Array, colour: ArrayLike | Texture) -> None:
        canvas.paint(place, polygon, "Bicyclist", colour)

    if across:
        rear, front, pedals, saddle, bars = (-0.52, 0.34), (0.52, 0.34), (0, 0.28), (-0.2, 0.92), (0.4, 1.02)
        head = (0.2, 1.62)
        for hub in (rear, front):
            canvas.veil(place, disc(hub, 0.34), "Bicyclist", (90, 90, 92), 0.15)
            rim = np.concatenate([disc(hub, 0.34), disc(hub, 0.34)[:1], disc(hub, 0.29)[:1], disc(hub, 0.29)[::-1]])
            add(rim, BLACK)
        for a, b in ((rear, pedals), (rear, saddle), (pedals, saddle), (pedals, bars), (saddle, bars), (bars, front)):
            add(taper(a, b, 0.045, 0.045), (70, 74, 110))
        for knee, foot in (((0.16, 0.68), (0.08, 0.2)), ((0.24, 0.78), (-0.04, 0.4))):
            add(taper(saddle, knee, 0.18, 0.14), trousers)
            add(taper(knee, foot, 0.13, 0.1), trousers * 0.9)
        add(taper(saddle, (0.1, 1.45), 0.27, 0.32), jacket)
        add(taper((0.1, 1.42), bars, 0.11, 0.08), jacket * 0.85)
    else:
        head = (0, 1.63)
        add(upright(-0.035, 0.035, 0, 0.7), BLACK)
        add(upright(-0.3, 0.3, 0.98, 1.02), (60, 60, 62))
        for side in (-1, 1):
            add(taper((side * 0.11, 0.95), (side * 0.15, 0.55), 0.17, 0.14), trousers)
            add(taper((side * 0.15, 0.58), (side * 0.11, 0.24 + 0.08 * side), 0.13, 0.09), trousers * 0.85)
            add(taper((side * 0.2, 1.42), (side * 0.28, 1.05), 0.12, 0.09), jacket * 0.85)
        add(flat(TORSO), rounded(jacket, 0.5))
    add(disc(head, 0.115), rng.choice(SKINS))
    add(disc((head[0], head[1] + 0.05), 0.12), rng.choice(CLOTHES))


def paint_bonnet(canvas: Canvas, rng: Generator) -> None:
    """Paint our own car's bonnet at the bottom of the picture, labelled void."""
    x, height, _ = canvas.camera.place.origin
    angle, colour = np.linspace(0, np.pi, 24), np.array(rng.choice(LACQUERS))
    edge = np.stack([np.cos(angle), 0 * angle, 0.6 + np.sin(angle) ** 0.6], -1)
    place = Place.of(np.array([x, height - rng.uniform(0.46, 0.56), 0]), 0.0)
    canvas.paint(place, edge, "Void", lambda points: colour * (0.6 + 0.35 * points[:, 2:]))
