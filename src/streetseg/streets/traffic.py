"""Plan and paint vehicles: cars, vans, lorries, buses; parked, driving and crossing.

Wheels are filled areas, as in CamVid's labels, although one can see through them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.sequence import CROSS, TRAFFIC
from streetseg.streets.textures import BLACK, WHITE, Texture, rgb
from streetseg.streets.world import Array, Place, Street, disc, flat, shrunk, upright


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
ESTATE = CarModel(
    "Car", 0.87, 0.8, (-1.35, 1.4),
    ((-2.15, 0.28), (-2.2, 0.6), (-2.2, 0.95), (0.95, 0.96), (1.85, 0.82), (2.2, 0.62), (2.2, 0.28)),
    ((-2.18, 0.95), (-1.85, 1.45), (0.1, 1.46), (1.0, 0.95)),
)  # fmt: skip
OFFROADER = CarModel(
    "SUVPickupTruck", 0.92, 0.86, (-1.35, 1.4),
    ((-2.15, 0.4), (-2.2, 0.7), (-2.2, 1.1), (0.95, 1.12), (1.95, 1.02), (2.2, 0.75), (2.2, 0.4)),
    ((-2.18, 1.1), (-2.0, 1.78), (0.2, 1.78), (0.95, 1.1)),
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
DOUBLE_DECKER = CarModel(
    "Truck_Bus", 1.25, 0.98, (-3.0, 3.4),
    ((-5.0, 0.35), (-5.05, 0.8), (-5.05, 1.25), (5.0, 1.25), (5.0, 0.35)),
    ((-5.05, 1.25), (-5.0, 4.35), (4.9, 4.35), (5.0, 1.25)),
)  # fmt: skip
TRUCK = CarModel(
    "Truck_Bus", 1.2, 0.99, (-2.2, 2.6),
    ((-3.7, 0.5), (-3.75, 0.8), (-3.75, 1.2), (3.3, 1.2), (3.7, 1.1), (3.75, 0.5)),
    ((-3.75, 1.2), (-3.7, 3.3), (1.9, 3.3), (2.0, 1.2)),
)  # fmt: skip
MODELS = (HATCHBACK, SALOON, ESTATE, OFFROADER, VAN, BUS, DOUBLE_DECKER, TRUCK)
SHARES = np.array([0.34, 0.2, 0.1, 0.1, 0.14, 0.05, 0.02, 0.05])
LACQUERS = [
    (22, 23, 26), (32, 33, 36), (62, 64, 68), (132, 136, 140), (176, 179, 182), (186, 188, 190), (216, 217, 216),
    (228, 228, 226), (34, 46, 82), (60, 84, 128), (134, 28, 30), (34, 62, 48), (150, 138, 110), (96, 20, 30),
    (24, 30, 56), (190, 160, 40),
]  # fmt: skip


def plan_cars(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield rows of parked cars, traffic in all lanes, a lot of parked cars, and sometimes a car that crosses."""

    def a_car(s: float, d: float, turn: float, shares: Array = SHARES, speed: float = 0.0) -> Thing:
        model = MODELS[rng.choice(len(MODELS), p=shares / shares.sum())]
        return Thing(street.place(s, d, turn + rng.normal(0, 0.02)), partial(car, model=model), speed=speed)

    small = SHARES * (SHARES > 0.06)
    for side in (-1, 1):
        for s in np.arange(rng.uniform(2, 12), 90 if street.parking[side > 0] else 0, rng.uniform(5.4, 7)):
            if rng.random() < 0.8 and street.free(s, side, 3):
                yield a_car(s + rng.uniform(-0.5, 0.5), street.kerb(side, -1.05), np.pi * (rng.random() < 0.4), small)
        if street.sides[side > 0] == "lot":
            for row in np.arange(street.sidewalk + 4, street.sidewalk + rng.uniform(8, 40), rng.choice([5.5, 11])):
                for s in np.arange(rng.uniform(2, 12), 100, 2.7):
                    if rng.random() < 0.7 and street.free(s, side, 3):
                        yield a_car(s, street.kerb(side, row), side * np.pi / 2 + np.pi * (rng.random() < 0.5), small)
    busy = rng.uniform(10, 60)
    for side in (-1, 1):
        for lane in range(street.lanes[side > 0]):
            start = rng.uniform(6, 45)
            for s in np.arange(start, 130, rng.uniform(busy, 2 * busy)):
                place = s + rng.uniform(-3, 3), side * street.lane * (lane + 0.5) + rng.normal(0, 0.25)
                yield a_car(*place, np.pi * (side > 0), speed=TRAFFIC)
    if rng.random() < 0.2:
        yield a_car(rng.uniform(14, 70), rng.uniform(-4, 4), rng.choice([-1, 1]) * rng.uniform(0.8, 2.2), speed=CROSS)
    if street.mouth and rng.random() < 0.5:  # a car waits in the side road
        begin, end, side = street.mouth
        yield a_car((begin + end) / 2, street.kerb(side, rng.uniform(3, 12)), -side * np.pi / 2, small)


def changed(model: CarModel, rng: Generator) -> CarModel:
    """Return a model of other proportions."""
    long, tall = rng.uniform(0.9, 1.1), rng.uniform(0.93, 1.08)
    shift = rng.normal(0, 0.05, len(model.cabin))
    return replace(
        model,
        half_width=model.half_width * rng.uniform(0.95, 1.05),
        wheels=(model.wheels[0] * long, model.wheels[1] * long),
        body=tuple((z * long, y * tall) for z, y in model.body),
        cabin=tuple(
            (z * long + dz * (model.surface != "Truck_Bus"), y * tall)
            for (z, y), dz in zip(model.cabin, shift, strict=True)
        ),
    )


def car(canvas: Canvas, place: Place, rng: Generator, *, model: CarModel) -> None:
    """Paint a vehicle that faces along z: body, cabin with windows, wheels, lights, number plates."""
    model, goods = changed(model, rng), model is TRUCK or (model is VAN and rng.random() < 0.6)
    half, rear, front = model.half_width, model.body[0][0], model.body[-1][0]
    colour: Array = np.array(LACQUERS[rng.integers(len(LACQUERS))]) * rng.uniform(0.8, 1.15)
    band = np.array(LACQUERS[rng.integers(len(LACQUERS))]) if model.surface == "Truck_Bus" or goods else None
    sky = float(np.clip(canvas.light.horizon.mean() / canvas.light.level, 30, 260))
    gloss, dirt = rng.uniform(0.05, 0.4), rng.uniform(0.35, 0.7)
    waist, mirrored, tint = model.cabin[0][1], rng.uniform(0.1, 0.9), rng.uniform(8, 40)
    band_at = np.sort(rng.uniform(0.4, model.cabin[1][1], 2))

    def lacquer(points: Array) -> Array:
        y = points[:, 1:2]
        value = rgb(colour) * (dirt + (1.05 - dirt) * np.minimum(y / waist, 1.25))  # darker below: it mirrors the road
        if band is not None:
            value = np.where((y > band_at[0]) & (y < band_at[1]), rgb(band) * 0.9, value)
        crease = np.exp(-(((y - waist * 0.88) / 0.09) ** 2)) * np.float32(gloss * 0.5 * sky)
        shaded: Array = np.where(y < 0.42, value * 0.55, value) + crease
        return shaded

    def glass(points: Array) -> Array:
        up = (points[:, 1:2] - waist) / (model.cabin[1][1] - waist)
        scenery = 0.5 + 0.5 * np.clip(canvas.noise.smooth(points[:, 2:3] * 7 + tint, points[:, 1:2] * 5), -1, 1)
        mirror: Array = (tint + mirrored * 0.45 * sky * np.clip(up, 0, 1) * scenery) * rgb((0.92, 1.0, 1.06))
        return mirror

    def add(polygon: ArrayLike, paint: ArrayLike | Texture, casts: bool = True) -> None:
        canvas.paint(place, polygon, model.surface, paint, casts=casts)

    below = np.array(
        [
            (-half - 0.1, 0.01, rear - 0.15),
            (half + 0.1, 0.01, rear - 0.15),
            (half + 0.1, 0.01, front + 0.15),
            (-half - 0.1, 0.01, front + 0.15),
        ]
    )
    canvas.paint(place, below, "Road", (18, 18, 20))
    bodies = [np.array([(x, y, z) for z, y in model.body]) for x in (-half, half)]
    widths = half * np.array([0.97, model.roof, model.roof, 0.97])
    cabins = [np.array([(side * w, y, z) for w, (z, y) in zip(widths, model.cabin, strict=True)]) for side in (-1, 1)]
    inside = [(0, 0.6, 0), (0, waist + 0.1, float(np.mean([z for z, _ in model.cabin])))]
    to_viewer = place.axes[0] @ (canvas.camera.place.origin - place.origin)

    def loft(left: Array, right: Array, inside: ArrayLike) -> Iterator[tuple[int, Array]]:
        for i in range(len(left) - 1):
            face = np.array([left[i], left[i + 1], right[i + 1], right[i]])
            if canvas.sees(place, face, inside):
                yield i, face

    for z in np.add.outer(model.wheels, (-0.3, 0.3)).flat:
        add([upright(x * 0.99, x * 0.78, 0.0, 0.45, z) for x in (-half, half)], (14, 14, 16))
    for _, face in loft(bodies[0], bodies[1], inside[0]):
        add(face, lacquer)
    sides = zip((-half, half), bodies, cabins, strict=True)
    visible = [(x, body, cabin) for x, body, cabin in sides if to_viewer * x > half**2]
    rim = rng.uniform(50, 160)
    for x, body, _ in visible:
        add(body, lacquer)
        discs = [disc((z, 0.32), radius, z=x * 1.01) for z in model.wheels for radius in (0.41, 0.32, 0.2)]
        add(np.array(discs)[..., [2, 1, 0]], [(10, 10, 12), (30, 30, 32), (rim, rim, rim)] * 2)
    for i, face in loft(cabins[0], cabins[1], inside[1]):
        add(face, lacquer)
        if i == 2 or (i == 0 and not goods):
            add(shrunk(face, (0.88, 0.84, 0.84)), glass)
    for _, _, cabin in visible:
        add(cabin, lacquer)
        window = shrunk(cabin, (0.72, 0.72, 0.9))
        if goods:
            window[:2, 2] = window[2:, 2] - 0.9  # only the driver's
        elif model.surface == "Truck_Bus":
            window = shrunk(cabin, (0.9, 0.55, 0.96)) + np.array([0, 0.25, 0])
        add(window, glass)
        if goods:
            continue
        panes = 1 + round((model.cabin[3][0] - model.cabin[0][0]) / 1.3)
        share = np.linspace(0, 1, panes)[1:-1, None]
        foot, top = cabin[0] + share * (cabin[3] - cabin[0]), cabin[1] + share * (cabin[2] - cabin[1])
        add(
            np.stack([foot, top, top, foot], 1) + flat([(0, 0)] * 4, np.array([-0.05, -0.05, 0.05, 0.05])), colour * 0.6
        )
    if model is DOUBLE_DECKER or (goods and model.cabin[1][1] > 3):
        stripe = shrunk(cabins[0], (1, 0.1, 0.98))
        add(stripe, colour * 0.7, casts=False)
    paint_ends(canvas, place, rng, model.surface, (half, rear, front), colour)


def paint_ends(
    canvas: Canvas, place: Place, rng: Generator, surface: str, ends: tuple[float, float, float], colour: Array
) -> None:
    """Paint lights, bumpers, grille and number plates of the end that is visible."""
    half, rear, front = ends
    dark = canvas.light.level < 0.7
    on = rng.random() < (0.75 if dark else 0.12)
    braking = rng.random() < 0.2
    high = rng.uniform(0.6, 0.95)
    for z, lamp_colour, grille, plate, y, shines in (
        (
            rear - 0.06,
            (255, 40, 36) if braking or (on and dark) else (132, 26, 28),
            colour * 0.7,
            (206, 180, 60),
            0.62,
            braking or (on and dark),
        ),
        (front + 0.02, (255, 250, 236) if on else (196, 198, 196), BLACK, WHITE, 0.5, on),
    ):
        lamps = np.array([upright(x * 0.68, x * 0.97, high - 0.12, high + 0.08, z) for x in (-half, half)])
        if not canvas.sees(place, lamps[0], (0, 0.5, 0)):
            continue
        bumper, middle = upright(-half, half, 0.3, 0.45, z), upright(-half * 0.5, half * 0.5, 0.52, 0.64, z)
        plates = [bumper, middle, upright(-0.26, 0.26, y - 0.06, y + 0.06, z)]
        canvas.paint(place, plates, surface, np.array([colour * 0.45, grille, plate]))
        canvas.paint(place, lamps, surface, lamp_colour, shines=bool(shines))
