"""Synthetic road scenes with exact labels: the example picture, the data of the tests, and pre-training.

A scene is a street in world coordinates (metres; x right, y up, z forward), seen by a pinhole camera in a car.
Everything in it is made of flat polygons: `Canvas.paint` rasterises one, and one mask writes its colour, depth and
label. Read top-down: what is public, how a scene comes about, what is in a street (one function a kind of thing),
the canvas. All randomness comes from the seed: a seed is one street, whatever the size it is rendered at.

Labels follow the habits of CamVid's annotators: a shadow belongs to the ground it lies on, grass and hedges are
tree; railings, wheels and bare crowns are filled areas although one sees through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from streetseg.data.camvid import COLOURS_OF_CLASS
from streetseg.errors import UsageError
from streetseg.runtime.frames import MAX_PIXELS

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Texture = Callable[[Array], Array]  # local points, K x 3, -> their colours, K x 3; colours run from 0 to 255

# A surface is one of CamVid's 32 classes, by its place in this list.
SURFACES = [name for group in COLOURS_OF_CLASS.values() for name in group]
SURFACE_COLOURS = np.array([colour for group in COLOURS_OF_CLASS.values() for colour in group.values()], np.uint8)
SURFACE_CLASSES = np.array([index for index, group in COLOURS_OF_CLASS.items() for _ in group], np.uint8)
GROUND = [SURFACES.index(name) for name in ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv", "Sidewalk", "VegetationMisc")]

SMALLEST = 16  # pixels; below, a scene is no picture
NEAR = 0.25  # metres; what is nearer to the camera is cut off
FAR = 180.0  # metres; the street ends there, before a line of trees
KERB = 0.12  # metres; the height of the sidewalk


@dataclass(frozen=True)
class Scene:
    """A rendered frame and its label map.

    frame: H x W x 3 uint8, RGB. label: H x W uint8, indices into `camvid.LABELS`, IGNORE (255) on the bonnet of
    the own car.
    """

    frame: Bytes
    label: Bytes


def render(seed: int, size: tuple[int, int] = (360, 480)) -> Scene:
    """The scene of a seed.

    seed: 0 or more. size: height and width in pixels, at least 16 each, at most 100 million in all. UsageError for any
    other.
    """
    frame, surfaces = render_surfaces(seed, size)
    return Scene(frame, SURFACE_CLASSES[surfaces])


# ---- How a scene comes about


def render_surfaces(seed: int, size: tuple[int, int]) -> tuple[Bytes, Bytes]:
    """The frame, H x W x 3, and what each pixel shows as an index into SURFACES, H x W."""
    if seed < 0:
        raise UsageError(f"seed {seed} is negative; give 0 or more")
    if min(size) < SMALLEST:
        raise UsageError(f"size {size[0]} x {size[1]} is too small for a scene; give at least {SMALLEST} x {SMALLEST}")
    if size[0] * size[1] > MAX_PIXELS:
        raise UsageError(f"size {size[0]} x {size[1]} is too large for a frame; give at most {MAX_PIXELS:,} pixels")
    # Grain has its own stream: it draws a number a pixel, and the street must not depend on the size.
    rng, grain_rng = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    street = Street.sample(rng)
    canvas = Canvas(Camera.sample(rng, street, size), Light.sample(rng), Noise(rng))

    paint_sky(canvas)
    paint_ground(canvas, street, rng)
    things = [thing for plan in PLANS for thing in plan(street, rng)]
    for thing in sorted(things, key=lambda thing: thing.place.origin[2], reverse=True):
        thing.paint(canvas, thing.place, rng)
    if rng.random() < 0.25:
        paint_bonnet(canvas, rng)

    frame, surfaces = develop(canvas, rng, grain_rng)
    if rng.random() < 0.5:  # the street drives on the left; its mirror image on the right
        frame, surfaces = frame[:, ::-1], surfaces[:, ::-1]
    return np.ascontiguousarray(frame), np.ascontiguousarray(surfaces)


@dataclass(frozen=True)
class Light:
    """Sun, sky and air. Level ground in the sun has brightness ambient + direct * sun[1] = 1."""

    sun: Array  # unit vector towards it
    direct: float
    ambient: float
    zenith: Array
    horizon: Array
    clouds: float  # share of the sky, 0 to 1
    visibility: float  # metres after which 63 % of a colour is haze

    @staticmethod
    def sample(rng: Generator) -> Light:
        elevation, azimuth = np.radians(rng.uniform(22, 55)), rng.uniform(0, 2 * np.pi)
        sun = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
        overcast = rng.random() < 0.5
        ambient = rng.uniform(0.82, 0.95) if overcast else rng.uniform(0.45, 0.62)
        white = np.array([1.0, 1.01, 1.03]) * rng.uniform(235, 300)
        blue = np.array([102.0, 152.0, 216.0]) * rng.uniform(0.9, 1.2)
        zenith, clouds = (white * rng.uniform(0.82, 1), 0.9) if overcast else (blue, rng.uniform(0.1, 0.6))
        return Light(sun, (1 - ambient) / sun[1], ambient, zenith, white, clouds, visibility=rng.uniform(220, 900))


@dataclass(frozen=True)
class Street:
    """A gently bent street, described along its centre line: s metres ahead, d metres to the right.

    Pairs are for the left and the right side; functions take a side as -1 or 1.
    """

    bend: float  # curvature, 1 / m, positive to the right
    lane: float  # one lane in each direction, ours is the left
    parking: tuple[bool, bool]  # on one side at most, so that the other sidewalk is in view
    sidewalk: float
    garden: tuple[float, float]  # depth of the gardens between sidewalk and houses
    built: tuple[bool, bool]

    @staticmethod
    def sample(rng: Generator) -> Street:
        parked, park = rng.choice([-1, 0, 1]), rng.choice([-1, 0, 0, 1])  # a park has no houses
        return Street(
            bend=rng.uniform(-1, 1) / 420,
            lane=rng.uniform(3.0, 4.0),
            parking=(bool(parked == -1), bool(parked == 1)),
            sidewalk=rng.uniform(1.8, 3.6),
            garden=(rng.choice([0.0, 0.0, 1.5, 4.0]), rng.choice([0.0, 0.0, 1.5, 4.0])),
            built=(bool(park != -1), bool(park != 1)),
        )

    def kerb(self, side: int, behind: float = 0.0) -> float:
        """Offset d of the kerb, or of what is `behind` metres behind it."""
        return side * (self.lane + 2.2 * self.parking[side > 0] + behind)

    def point(self, s: ArrayLike, d: ArrayLike, height: ArrayLike = 0.0) -> Array:
        """World points, ... x 3."""
        s, d, height = np.broadcast_arrays(s, d, height)
        turn = self.bend * s
        return np.stack([self.bend * s**2 / 2 + d * np.cos(turn), height, s - d * np.sin(turn)], -1)

    def offset(self, points: Array) -> Array:
        """About the d of world points."""
        return points[:, 0] - self.bend * points[:, 2] ** 2 / 2

    def place(self, s: float, d: float, turn: float = 0.0) -> Place:
        """The place of something that looks along the street, turned clockwise by `turn` radians."""
        return Place.of(self.point(s, d), self.bend * s + turn)


@dataclass(frozen=True)
class Place:
    """A local coordinate system: its origin in the world, and its axes (right, up, forward) as rows."""

    origin: Array
    axes: Array

    @staticmethod
    def of(origin: Array, heading: float) -> Place:
        sin, cos = np.sin(heading), np.cos(heading)
        return Place(origin, np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]))

    def facing(self, camera: Camera) -> Place:
        """The same spot, turned so that its x-y plane faces the camera, as a cardboard figure would."""
        away = self.origin - camera.place.origin
        return Place.of(self.origin, np.arctan2(away[0], away[2]))


WORLD = Place.of(np.zeros(3), 0.0)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. place: its axes are right, down, forward. size, focal: in pixels of the canvas."""

    place: Place
    size: tuple[int, int]
    focal: float

    @staticmethod
    def sample(rng: Generator, street: Street, size: tuple[int, int]) -> Camera:
        yaw, pitch, roll = np.radians(rng.normal(0, [2.0, 1.2, 0.5]))
        heading = Place.of(np.zeros(3), yaw).axes * [[1], [-1], [1]]
        tilt = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        rock = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        position = street.point(0, -street.lane / 2 + rng.normal(0, 0.25), rng.uniform(1.25, 1.6))
        height, width = 2 * size[0], 2 * size[1]
        return Camera(Place(position, rock @ tilt @ heading), (height, width), height * rng.uniform(1.1, 1.45))

    def rays(self, rows: NDArray[Any], columns: NDArray[Any]) -> Array:
        """Camera coordinates (x, y, 1) of the directions that the canvas's pixels look in, ... x 3."""
        x, y = (columns + 0.5 - self.size[1] / 2) / self.focal, (rows + 0.5 - self.size[0] / 2) / self.focal
        return np.stack([x, y, np.ones_like(x)], -1)


@dataclass(frozen=True)
class Thing:
    """Something that stands in a street, and the function that paints it at its place."""

    place: Place
    paint: Callable[[Canvas, Place, Generator], None]


# ---- Sky and ground


def paint_sky(canvas: Canvas) -> None:
    light, camera = canvas.light, canvas.camera
    rows, columns = np.indices((camera.size[0] // 2, camera.size[1] // 2))
    rays = camera.rays(2 * rows + 0.5, 2 * columns + 0.5) @ camera.place.axes
    up = np.maximum(rays[..., 1] / np.linalg.norm(rays, axis=-1), 0)
    sky = light.horizon + (light.zenith - light.horizon) * (1 - np.exp(-5 * up))[..., None]
    # Clouds lie on a plane overhead, so they crowd towards the horizon.
    density = canvas.noise.smooth(60 * rays[..., 0] / (up + 0.12), 60 * rays[..., 2] / (up + 0.12))
    cover = np.clip(0.9 * density + 2 * light.clouds - 1, 0, 1)[..., None]
    shade = np.clip(1.04 - 0.1 * density, 0.8, 1.1)[..., None]
    canvas.colour[:] = np.repeat(np.repeat(sky + (light.horizon * shade - sky) * cover, 2, 0), 2, 1)


def paint_ground(canvas: Canvas, street: Street, rng: Generator) -> None:
    """Grass to the horizon, and on it the road, its markings, kerbs and sidewalks."""
    asphalt = np.array([1.0, 1.02, 1.05]) * rng.uniform(82, 116)
    stone = np.array([1.03, 1.0, 0.95]) * rng.uniform(112, 150)
    noise = canvas.noise

    def grain(points: Array, cells: float) -> Array:
        return noise.fine(points[:, 0] * cells, points[:, 2] * cells / 2) * np.minimum(12 / (points[:, 2] + 12), 1)

    def road(points: Array) -> Array:
        d = street.offset(points)
        tracks = np.cos(2 * np.pi * (np.abs(d) - street.lane / 2) / 1.6)
        value = 1 + 0.1 * grain(points, 70) + 0.035 * tracks + 0.05 * noise.smooth(d * 9, points[:, 2] * 2.5)
        return value[:, None] * asphalt

    def slabs(points: Array) -> Array:
        column, row = street.offset(points) / 0.7, points[:, 2] / 0.9
        joint = (column % 1 < 0.05) | (row % 1 < 0.05)
        value = 1 + 0.05 * noise.fine(column, row) + 0.06 * noise.smooth(column * 8, row * 10) - 0.15 * joint
        return value[:, None] * stone

    def grass(points: Array) -> Array:
        value = 1 + 0.3 * grain(points, 25) + 0.12 * noise.smooth(points[:, 0] * 8, points[:, 2] * 4)
        return value[:, None] * (78, 92, 50)

    s = np.concatenate([np.linspace(-8, 40, 13), np.linspace(48, FAR, 14)])

    def strip(inner: float, outer: float, height: float) -> Array:
        return np.concatenate([street.point(s, inner, height), street.point(s[::-1], outer, height)])

    canvas.paint(WORLD, [(-900, 0, -8), (900, 0, -8), (900, 0, 900), (-900, 0, 900)], "VegetationMisc", grass)
    canvas.paint(WORLD, strip(street.kerb(-1), street.kerb(1), 0), "Road", road)
    paint_markings(canvas, street, rng)
    for side in (-1, 1):
        kerb, edge = street.kerb(side), street.kerb(side, 0.15)
        canvas.paint(WORLD, strip(edge, street.kerb(side, street.sidewalk), KERB), "Sidewalk", slabs)
        canvas.paint(WORLD, strip(kerb, edge, KERB), "Sidewalk", stone * 1.12)
        for near, far in pairwise(s):
            face = street.point([near, far, far, near], kerb, [0, 0, KERB, KERB])
            canvas.paint(WORLD, face, "Sidewalk", stone * 0.85)


def paint_markings(canvas: Canvas, street: Street, rng: Generator) -> None:
    """A broken centre line, at times lines along the kerbs and a zebra crossing; all of them worn."""
    wear = rng.uniform(-2.4, -0.8)

    def line(begin: float, end: float, d: float, width: float, surface: str, colour: ArrayLike) -> None:
        def worn(points: Array) -> Array:
            gone = canvas.noise.fine(points[:, 0] * 60, points[:, 2] * 30) < wear
            return np.where(gone[:, None], (110, 111, 114), colour)

        s = np.linspace(begin, end, 2 + int((end - begin) / 4))
        edges = [street.point(s, d - width / 2, 0.004), street.point(s[::-1], d + width / 2, 0.004)]
        canvas.paint(WORLD, np.concatenate(edges), surface, worn)

    dash, gap = rng.choice([(2.0, 4.0), (4.0, 2.0), (3.0, 6.0)])
    for begin in np.arange(rng.uniform(-gap, gap), 110, dash + gap):
        line(begin, begin + dash, 0.0, 0.13, "LaneMkgsDriv", WHITE)
    insets, colour = (((), WHITE), ((0.4,), WHITE), ((0.25, 0.45), (196, 168, 84)))[rng.integers(3)]
    for side in (-1, 1):
        for inset in insets if not street.parking[side > 0] else ():
            line(-4, FAR * 0.7, street.kerb(side, -inset), 0.1, "LaneMkgsNonDriv", colour)
    if rng.random() < 0.25:
        begin = rng.uniform(9, 30)
        for d in np.arange(street.kerb(-1, -0.5), street.kerb(1, -0.4), 1.1):
            line(begin, begin + 3, d, 0.5, "LaneMkgsNonDriv", WHITE)


def paint_bonnet(canvas: Canvas, rng: Generator) -> None:
    """The own car's bonnet at the foot of the picture: void."""
    x, height, _ = canvas.camera.place.origin
    angle, colour = np.linspace(0, np.pi, 24), np.array(rng.choice(LACQUERS))
    edge = np.stack([np.cos(angle), 0 * angle, 0.6 + np.sin(angle) ** 0.6], -1)
    place = Place.of(np.array([x, height - rng.uniform(0.46, 0.56), 0]), 0.0)
    canvas.paint(place, edge, "Void", lambda points: colour * (0.6 + 0.35 * points[:, 2:]))


# ---- Houses, trees, fences


def plan_houses(street: Street, rng: Generator) -> Iterator[Thing]:
    """A row on each side, with gaps; where there is a park, it begins behind it."""
    for side in (-1, 1):
        s = rng.uniform(-14, -6) if street.built[side > 0] else rng.uniform(40, 70)
        usual = rng.integers(2, 5)
        while s < FAR - 20:
            width, floors = rng.uniform(6, 17), int(usual + rng.integers(-1, 2))
            d = street.kerb(side, street.sidewalk + street.garden[side > 0])
            yield Thing(street.place(s + width / 2, d, side * np.pi / 2), partial(house, width=width, floors=floors))
            s += width + (rng.uniform(3, 12) if rng.random() < 0.2 else 0)


WALLS = [(142, 96, 76), (122, 84, 70), (172, 152, 118), (150, 132, 104), (206, 203, 196), (196, 184, 160)]
SHOPS = [(40, 66, 92), (120, 34, 36), (36, 82, 62), (44, 44, 48), (150, 110, 50), (190, 188, 182)]


def house(canvas: Canvas, place: Place, rng: Generator, *, width: float, floors: int) -> None:
    """A house whose front stands in the x-y plane; it reaches back along z."""
    storey, depth, half = rng.uniform(2.8, 3.4), rng.uniform(7, 12), width / 2
    eaves = floors * storey + 0.4
    ridge = eaves + depth * (0.3 if rng.random() < 0.65 else 0.0)
    wall = np.array(rng.choice(WALLS)) * rng.uniform(0.8, 1.1)

    def masonry(points: Array) -> Array:
        along, y = points[:, 0] + points[:, 2], points[:, 1]
        value = 1 + 0.05 * canvas.noise.fine(along * 5, y * 13) + 0.05 * canvas.noise.smooth(along * 4, y * 3)
        return value[:, None] * wall

    canvas.paint(place, upright(-half, half, 0, eaves), "Building", facade(canvas, rng, masonry, width, storey))
    for x in (-half, half):
        gable = [(x, 0, 0), (x, eaves, 0), (x, ridge, depth / 2), (x, eaves, depth), (x, 0, depth)]
        canvas.paint(place, gable, "Building", masonry)
    if ridge == eaves:
        canvas.paint(place, upright(-half, half, eaves - 0.3, eaves + 0.25, -0.12), "Building", wall * 1.12)
        return
    roof = [(-half, eaves - 0.1, -0.3), (half, eaves - 0.1, -0.3), (half, ridge, depth / 2), (-half, ridge, depth / 2)]
    canvas.paint(place, roof, "Building", np.array([92, 86, 84]) * rng.uniform(0.7, 1.2))
    for side in box(half - 1.3, half - 0.4, eaves, ridge + 1.1, depth / 2 - 0.3, depth / 2 + 0.3):  # the chimney
        canvas.paint(place, side, "Building", wall * 0.85)


def facade(canvas: Canvas, rng: Generator, masonry: Texture, width: float, storey: float) -> Texture:
    """Windows in a grid of bays and storeys; on the ground floor a door, and at times a shop."""
    bays = max(1, round(width / rng.uniform(2.1, 3.2)))
    wide, tall = rng.uniform(0.32, 0.62), rng.uniform(0.45, 0.62)
    door, fascia = np.array(rng.choice(SHOPS)) * 0.8, np.array(rng.choice(SHOPS))
    trim, door_bay, shop = rng.uniform(150, 225), rng.integers(bays), rng.random() < 0.4

    def texture(points: Array) -> Array:
        u, v = points[:, 0] / width * bays + bays / 2, points[:, 1] / storey
        bay, floor = np.floor(u), np.floor(v)
        across, up = np.abs(u - bay - 0.5) * 2, v - floor  # shares of half a bay and of a storey
        frame = (across < wide + 0.08) & (np.abs(up - 0.52) < tall / 2 + 0.03)
        pane = (across < wide) & (np.abs(up - 0.52) < tall / 2) & (across > 0.03)
        ground = floor == 0
        display = ground & shop & (up > 0.16) & (up < 0.76) & (across < 0.9)
        reflection = 46 + 16 * canvas.noise.fine(bay + trim, floor * 7) + 45 * (up - 0.5)

        colour = masonry(points)
        colour[frame] = trim
        colour[ground & shop] = fascia
        glass = np.where(ground & shop, display, frame & pane)
        colour[glass] = np.clip(reflection[glass], 16, 150)[:, None] * (0.92, 1.0, 1.1)
        colour[ground & (bay == door_bay) & (across < 0.4) & (up < 0.72)] = door
        return colour

    return texture


def plan_trees(street: Street, rng: Generator) -> Iterator[Thing]:
    """The line of trees at the end of the street, street trees, and more of them in a park."""
    yield Thing(Place.of(street.point(FAR, 0), 0.0), tree_line)
    bare_share = rng.choice([0.05, 0.7], p=[0.65, 0.35])
    # One at least is near enough to be seen.
    spots = [(rng.uniform(16, 34), street.kerb(int(rng.choice([-1, 1])), 0.8))]
    for side in (-1, 1):
        built = street.built[side > 0]
        for s in np.arange(rng.uniform(8, 30), 130, rng.uniform(18, 40) if built else 10.0):
            if rng.random() < 0.8:
                spots.append((s, street.kerb(side, 0.8 if built else rng.uniform(0.8, 9))))
    for s, d in spots:
        bare = bool(rng.random() < bare_share)
        yield Thing(street.place(s, d), partial(tree, height=rng.uniform(5.5, 11), bare=bare))


def tree_line(canvas: Canvas, place: Place, rng: Generator) -> None:
    x = np.linspace(-420, 420, 240)
    top = np.maximum(9 + 3.2 * canvas.noise.smooth(x * 0.7, x * 0) + rng.normal(0, 0.7, x.size), 3)
    outline = np.concatenate([[(-420, -1)], np.stack([x, top], 1), [(420, -1)]])
    canvas.paint(place, flat(outline), "Tree", foliage(canvas, (66, 76, 50), 2.0))


def tree(canvas: Canvas, place: Place, rng: Generator, *, height: float, bare: bool) -> None:
    """Trunk, branches, and a crown of many clumps of leaves; in winter the crown is a haze of twigs."""
    place = place.facing(canvas.camera)
    bark, leaf = np.array([84, 74, 62]) * rng.uniform(0.7, 1.0), np.array(rng.choice(LEAVES)) * rng.uniform(0.75, 1.15)
    thick, fork = 0.028 * height, height * rng.uniform(0.26, 0.36)
    canvas.paint(place, taper((0, 0), (0, fork), thick, thick * 0.7), "Tree", rounded(bark, thick))

    limbs: list[Array] = []

    def grow(root: Array, angle: float, length: float, width: float) -> None:
        tip = root + length * np.array([np.sin(angle), np.cos(angle)])
        limbs.append(taper(root, tip, width, width * 0.6))
        if length > height * (0.1 if bare else 0.2):
            for bend in rng.normal([-0.5, 0.0, 0.5], 0.2):
                grow(tip, angle + bend, length * rng.uniform(0.55, 0.78), width * 0.55)

    for angle in rng.normal([-0.45, 0.05, 0.5], 0.1):
        grow(np.array([0, fork]), angle, height * 0.25, thick * 0.5)
    canvas.paint(place, limbs, "Tree", bark)

    # Clumps gather around a few boughs, painted back to front; those towards the sky and the sun are brighter.
    radius = np.array([rng.uniform(0.26, 0.36) * height, (height - fork) / 2, 0])
    clumps = int(np.clip(30000 / np.linalg.norm(place.origin - canvas.camera.place.origin), 200, 1600))
    boughs = rng.normal(0, (0.42, 0.36, 0.4), (7, 3))
    at = boughs[rng.integers(7, size=clumps)] + np.clip(rng.normal(0, 0.24, (clumps, 3)), -0.45, 0.45)
    at = at[np.argsort(-at[:, 2])]
    light = 0.85 + 0.3 * at[:, 1] + 0.5 * (at @ (place.axes @ canvas.light.sun)) * (1 - canvas.light.ambient)
    light *= rng.uniform(0.75, 1.25, clumps)
    sizes = rng.uniform(1.2, 2.6, (clumps, 1, 1)) / clumps**0.5 * rng.uniform(0.5, 1.4, (clumps, 8, 1))
    shapes = disc((0, 0), radius[0], corners=8) * sizes
    shapes += ((0, fork + radius[1], 0) + at * radius)[:, None]
    if not bare:
        canvas.paint(place, shapes, "Tree", leaf * light[:, None])
        return
    for layer in np.array_split(shapes, 5):
        canvas.paint(place, layer, "Tree", bark * 1.2, opacity=0.16)


LEAVES = [(62, 78, 42), (74, 86, 46), (54, 68, 44), (92, 88, 48)]


def plan_fences(street: Street, rng: Generator) -> Iterator[Thing]:
    """Railings along the kerb, and railings, boards and hedges along gardens and parks, in panels of 2 m."""
    for side in (-1, 1):
        stretches = []
        if rng.random() < 0.35:
            stretches.append((railings, 0.4, rng.uniform(4, 30), rng.uniform(8, 30)))
        if street.garden[side > 0] or not street.built[side > 0]:
            kind = (railings, boards, hedge)[rng.integers(3)]
            stretches.append((kind, street.sidewalk + 0.1, rng.uniform(-4, 12), rng.uniform(20, 90)))
        for kind, behind, begin, length in stretches:
            for s in np.arange(begin, begin + length, 2.0):
                yield Thing(street.place(s, street.kerb(side, behind), side * np.pi / 2), kind)


def railings(canvas: Canvas, place: Place, rng: Generator) -> None:
    metal = (88, 90, 93)
    canvas.paint(place, upright(-1, 1, KERB, 1.15), "Fence", metal, opacity=0.12)
    pickets = [upright(x, x + 0.022, KERB, 1.1) for x in np.arange(-1, 1, 0.125)]
    rails = [upright(-1, 1, 1.08, 1.15), upright(-1, 1, 0.24, 0.28), upright(-1, -0.93, 0, 1.15)]
    canvas.paint(place, pickets + rails, "Fence", metal)


def boards(canvas: Canvas, place: Place, rng: Generator) -> None:
    def planks(points: Array) -> Array:
        plank = (points[:, 0] + 1) / 0.2
        value = 1 + 0.09 * canvas.noise.fine(plank + place.origin[2], 0 * plank) - 0.4 * (plank % 1 < 0.1)
        return value[:, None] * (116, 94, 70)

    canvas.paint(place, upright(-1, 1, 0, 1.7), "Fence", planks)


def hedge(canvas: Canvas, place: Place, rng: Generator) -> None:
    for side in box(-1, 1, 0, rng.uniform(1.4, 1.55), 0, 0.9):
        canvas.paint(place, side, "Tree", foliage(canvas, (60, 76, 44), 13.0))


# ---- Poles and signs


def plan_poles(street: Street, rng: Generator) -> Iterator[Thing]:
    """Street lamps at even distances, sign posts, and at times traffic lights."""
    side, height = int(rng.choice([-1, 1])), rng.uniform(6, 9)
    for s in np.arange(rng.uniform(7, 20), 140, rng.uniform(22, 36)):
        yield Thing(street.place(s, street.kerb(side, 0.5)), partial(lamp, height=height, reach=-1.4 * side))
    for _ in range(rng.integers(1, 6)):
        d = street.kerb(int(rng.choice([-1, 1])), rng.uniform(0.4, 1.2))
        yield Thing(street.place(rng.uniform(7, 38), d), sign_post)
    if rng.random() < 0.4:
        s = rng.uniform(10, 32)
        yield from (Thing(street.place(s, street.kerb(side, 0.5)), traffic_light) for side in (-1, 1))


RED, BLUE, GREEN, WHITE, BLACK = (178, 34, 40), (36, 72, 148), (28, 84, 62), (214, 214, 210), (26, 26, 28)


def pole(canvas: Canvas, place: Place, height: float, width: float, grey: float) -> None:
    metal = np.array([1.0, 1.02, 1.03]) * grey
    canvas.paint(place, taper((0, 0), (0, height), width, width * 0.75), "Column_Pole", rounded(metal, width))


def lamp(canvas: Canvas, place: Place, rng: Generator, *, height: float, reach: float) -> None:
    place = place.facing(canvas.camera)
    pole(canvas, place, height, 0.17, 96)
    canvas.paint(place, taper((0, height), (reach, height + 0.35), 0.09, 0.07), "Column_Pole", (96, 98, 99))
    head = taper((reach * 0.9, height + 0.33), (reach * 1.4, height + 0.38), 0.16, 0.12)
    canvas.paint(place, head, "Column_Pole", (110, 111, 112))


def sign_post(canvas: Canvas, place: Place, rng: Generator) -> None:
    """A round, triangular or rectangular board on a post."""
    place = place.facing(canvas.camera)
    top, size = rng.uniform(2.3, 3.1), rng.uniform(0.3, 0.42)
    pole(canvas, place, top + size * 0.8, 0.08, 122)

    def add(polygon: Array, colour: ArrayLike) -> None:
        canvas.paint(place, polygon, "SignSymbol", colour)

    kind = rng.integers(3)
    if kind == 0:
        rim, inside = (RED, WHITE) if rng.random() < 0.7 else (WHITE, BLUE)
        add(disc((0, top), size), rim)
        add(disc((0, top), size * 0.78), inside)
        add(upright(-size * 0.35, size * 0.3, top - 0.1, top + 0.1), BLACK)
    elif kind == 1:
        for share, colour in ((1.25, RED), (0.8, WHITE), (0.25, BLACK)):
            add(disc((0, top - 0.05), size * share, corners=3), colour)
        add(upright(-size, size, top - 0.85, top - 0.45), WHITE)
    else:
        board, text = [(GREEN, WHITE), (BLUE, WHITE), (WHITE, BLACK)][rng.integers(3)]
        half = rng.uniform(0.4, 1.1)
        add(upright(-half, half, top - size, top + size), board)
        for y in top + size * np.array([-0.45, 0.0, 0.45]):
            add(upright(-half * 0.8, half * rng.uniform(0.1, 0.75), y - 0.05, y + 0.05), text)


def traffic_light(canvas: Canvas, place: Place, rng: Generator) -> None:
    place = place.facing(canvas.camera)
    pole(canvas, place, 3.3, 0.13, 66)
    canvas.paint(place, upright(-0.27, 0.27, 2.35, 3.5, -0.05), "TrafficLight", BLACK)
    lamps = np.array([(250, 60, 50), (250, 180, 60), (90, 240, 170)])
    lamps[np.arange(3) != rng.integers(3)] = (52, 50, 50)
    for y, colour in zip((3.28, 2.93, 2.58), lamps, strict=True):
        canvas.paint(place, disc((0, y), 0.12, z=-0.08), "TrafficLight", colour)


# ---- Cars


@dataclass(frozen=True)
class CarModel:
    """A car by its side view, as (z, y) in metres from rear to front.

    body: the outline without its underside. cabin: foot and top of the rear window, top and foot of the
    windscreen. roof: its width as a share of the body's.
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
    """Rows of parked cars, traffic in both lanes, and at times a car that crosses."""

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
    """A car that looks along z: body, cabin with windows, wheels, lights, number plates."""
    half, rear, front = model.half_width, model.body[0][0], model.body[-1][0]
    colour: Array = np.array(rng.choice(LACQUERS)) * rng.uniform(0.85, 1.15)

    def lacquer(points: Array) -> Array:
        return colour * (0.62 + 0.32 * np.minimum(points[:, 1:2], 1.5))  # darker below, where it mirrors the road

    def glass(points: Array) -> Array:
        return (30 + 55 * (points[:, 1:2] - model.cabin[0][1])) * (0.92, 1.0, 1.06)

    def add(polygon: ArrayLike, paint: ArrayLike | Texture) -> None:
        canvas.paint(place, polygon, model.surface, paint)

    underneath = [(-half, 0.01, rear), (half, 0.01, rear), (half, 0.01, front), (-half, 0.01, front)]
    canvas.paint(place, underneath, "Road", (24, 24, 26))
    bodies = [np.array([(x, y, z) for z, y in model.body]) for x in (-half, half)]
    widths = half * np.array([0.97, model.roof, model.roof, 0.97])
    cabins = [np.array([(side * w, y, z) for w, (z, y) in zip(widths, model.cabin, strict=True)]) for side in (-1, 1)]
    for left, right in (bodies, cabins):
        for i in range(len(left) - 1):
            add([left[i], left[i + 1], right[i + 1], right[i]], lacquer)
    for i in (0, 2):
        window = np.array([cabins[0][i], cabins[0][i + 1], cabins[1][i + 1], cabins[1][i]])
        add(shrunk(window, (0.86, 0.8, 0.8)), glass)
    for z in np.add.outer(model.wheels, (-0.3, 0.3)).flat:
        add([upright(x * 0.99, x * 0.78, 0.0, 0.45, z) for x in (-half, half)], (22, 22, 24))
    to_viewer = place.axes[0] @ (canvas.camera.place.origin - place.origin)
    for x, body, cabin in zip((-half, half), bodies, cabins, strict=True):
        add(body, lacquer)
        add(cabin, lacquer)
        if to_viewer * x < half**2:  # this side looks away
            continue
        add(shrunk(cabin, (0.72, 0.72, 0.9)), glass)
        panes = 1 + round((model.cabin[3][0] - model.cabin[0][0]) / 1.3)
        share = np.linspace(0, 1, panes)[1:-1, None]
        foot, top = cabin[0] + share * (cabin[3] - cabin[0]), cabin[1] + share * (cabin[2] - cabin[1])
        add(np.stack([foot, top, top, foot], 1) + flat([(0, 0)] * 4, np.array([-0.05, -0.05, 0.05, 0.05])), lacquer)
        discs = [disc((z, 0.32), radius, z=x * 1.01) for z in model.wheels for radius in (0.4, 0.32, 0.2)]
        add(np.array(discs)[..., [2, 1, 0]], [(20, 20, 22), (36, 36, 38), (128, 130, 132)] * 2)
    for z, lamp_colour, grille, plate, y in (
        (rear - 0.06, (172, 26, 28), colour * 0.7, (206, 180, 60), 0.62),
        (front + 0.02, (206, 208, 206), BLACK, WHITE, 0.5),
    ):
        lamps = [upright(x * 0.66, x * 0.97, 0.62, 0.8, z) for x in (-half, half)]
        others = [upright(-half, half, 0.3, 0.45, z), upright(-half * 0.5, half * 0.5, 0.52, 0.64, z)]
        number_plate = upright(-0.26, 0.26, y - 0.06, y + 0.06, z)
        shades = np.array([lamp_colour, lamp_colour, colour * 0.45, grille, plate])
        add([*lamps, *others, number_plate], shades)


# ---- People


def plan_people(street: Street, rng: Generator) -> Iterator[Thing]:
    """Pedestrians on the sidewalks, at times on the road; cyclists along the kerbs or across."""
    for _ in range(rng.integers(2, 10)):
        d = street.kerb(int(rng.choice([-1, 1])), rng.uniform(0.5, street.sidewalk - 0.3))
        yield Thing(street.place(rng.uniform(7, 40), d), pedestrian)
    if rng.random() < 0.3:
        yield Thing(street.place(rng.uniform(12, 28), rng.uniform(-2, 3)), pedestrian)
    for _ in range(rng.choice(3, p=[0.35, 0.45, 0.2])):
        d = rng.choice([-1, 1]) * (street.lane - 0.8)
        yield Thing(street.place(rng.uniform(8, 30), d), partial(cyclist, across=bool(rng.random() < 0.3)))


CLOTHES = [(30, 30, 34), (40, 44, 60), (64, 58, 54), (88, 84, 80), (110, 40, 42), (52, 70, 96), (150, 146, 140)]
SKINS = [(196, 150, 126), (172, 124, 98), (118, 82, 64)]
TORSO = ((-0.17, 0.82), (-0.16, 1.0), (-0.22, 1.4), (-0.1, 1.48), (0.1, 1.48), (0.22, 1.4), (0.16, 1.0), (0.17, 0.82))


def pedestrian(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Someone who walks. In the figure's plane the feet are at y = 0, and a grown person is 1.75 m tall."""
    place, child = place.facing(canvas.camera), rng.random() < 0.15
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
    """A rider on a bicycle, from the side when riding across, from behind otherwise."""
    place = place.facing(canvas.camera)
    jacket, trousers = np.array(rng.choice([*CLOTHES, (196, 200, 60)])), np.array(rng.choice(CLOTHES[:4]))

    def add(polygon: Array, colour: ArrayLike | Texture, opacity: float = 1.0) -> None:
        canvas.paint(place, polygon, "Bicyclist", colour, opacity)

    if across:
        rear, front, pedals, saddle, bars = (-0.52, 0.34), (0.52, 0.34), (0, 0.28), (-0.2, 0.92), (0.4, 1.02)
        head = (0.2, 1.62)
        for hub in (rear, front):
            add(disc(hub, 0.34), (90, 90, 92), opacity=0.15)
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


PLANS = (plan_houses, plan_trees, plan_fences, plan_poles, plan_cars, plan_people)


# ---- Shapes (N x 3 local points, in metres) and textures


def flat(points: ArrayLike, z: float | Array = 0.0) -> Array:
    """Points (x, y) in the plane at z."""
    xy = np.asarray(points)
    return np.column_stack([xy, np.broadcast_to(z, len(xy))])


def upright(x0: float, x1: float, y0: float, y1: float, z: float = 0.0) -> Array:
    return flat([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], z)


def disc(centre: ArrayLike, radius: float, corners: int = 18, z: float = 0.0) -> Array:
    """A regular polygon with a corner at its top."""
    angle = np.arange(corners) * 2 * np.pi / corners
    return flat(np.stack([np.sin(angle), np.cos(angle)], 1) * radius + np.asarray(centre, float), z)


def taper(a: ArrayLike, b: ArrayLike, width_a: float, width_b: float) -> Array:
    """A straight limb from a to b, (x, y)."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    across = (b - a)[::-1] * (1, -1) / (np.linalg.norm(b - a) * 2)
    return flat([a - across * width_a, a + across * width_a, b + across * width_b, b - across * width_b])


def box(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> list[Array]:
    """The four sides and the top."""
    ends = [np.array([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)]) for x in (x0, x1)]
    top = np.array([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)])
    return [upright(x0, x1, y0, y1, z1), *ends, top, upright(x0, x1, y0, y1, z0)]


def shrunk(polygon: Array, factors: ArrayLike) -> Array:
    """The polygon, shrunk towards its middle by a factor for each axis."""
    middle: Array = polygon.mean(0)
    return middle + (polygon - middle) * np.asarray(factors, np.float64)


def rounded(colour: ArrayLike, width: float) -> Texture:
    """Something round that is `width` across: darker towards its edges."""
    return lambda points: np.asarray(colour) * (1.08 - 0.4 * np.minimum(np.abs(points[:, :1]) / width * 2, 1) ** 2)


def foliage(canvas: Canvas, colour: ArrayLike, flecks: float) -> Texture:
    """Leaves, so many flecks a metre."""

    def texture(points: Array) -> Array:
        along = points[:, 0] + points[:, 2]
        value = 1 + 0.24 * canvas.noise.fine(along * flecks, points[:, 1] * flecks)
        return value[:, None] * np.asarray(colour, np.float64)

    return texture


class Noise:
    """Two periodic fields of noise with mean 0 and deviation 1, looked up at any coordinates, in cells."""

    SIZE = 256

    def __init__(self, rng: Generator) -> None:
        self.white: Array = np.clip(rng.normal(size=(self.SIZE, self.SIZE)), -2.5, 2.5)
        frequency = np.hypot(np.fft.fftfreq(self.SIZE)[:, None], np.fft.rfftfreq(self.SIZE)) * self.SIZE
        pink = np.fft.irfft2(np.fft.rfft2(self.white) / np.maximum(frequency, 2.5) ** 1.7)
        self.pink: Array = (pink - pink.mean()) / pink.std()

    def fine(self, u: Array, v: Array) -> Array:
        """White noise, constant within a cell."""
        cells: Array = self.white[np.floor(v).astype(int) % self.SIZE, np.floor(u).astype(int) % self.SIZE]
        return cells

    def smooth(self, u: Array, v: Array) -> Array:
        """Cloudy noise, interpolated between cells."""
        x, y = np.floor(u).astype(int), np.floor(v).astype(int)
        fu, fv = u - x, v - y
        x0, x1, y0, y1 = x % self.SIZE, (x + 1) % self.SIZE, y % self.SIZE, (y + 1) % self.SIZE
        upper = self.pink[y0, x0] * (1 - fu) + self.pink[y0, x1] * fu
        lower = self.pink[y1, x0] * (1 - fu) + self.pink[y1, x1] * fu
        value: Array = upper * (1 - fv) + lower * fv
        return value


# ---- Canvas and film


class Canvas:
    """What has been painted so far, at twice the frame's size: colour, surface, depth in metres, shadows."""

    def __init__(self, camera: Camera, light: Light, noise: Noise) -> None:
        self.camera, self.light, self.noise = camera, light, noise
        self.colour = np.zeros((*camera.size, 3), np.float32)
        self.surface = np.full(camera.size, SURFACES.index("Sky"), np.uint8)
        self.depth = np.full(camera.size, np.inf, np.float32)
        self.shadow = Image.new("L", camera.size[::-1])
        self.shadow_pen = ImageDraw.Draw(self.shadow)

    def paint(
        self, place: Place, polygon: ArrayLike, surface: str, colour: ArrayLike | Texture, opacity: float = 1.0
    ) -> None:
        """Paint a flat polygon where nothing nearer is; of two at one depth the later shows.

        polygon: N x 3 local points, or P x N x 3, polygons of one plane that are painted one over the other; colour
            is then P x 3 or one for all.
        opacity: share of the colour. Below 1 one sees what was painted before, and there is no shadow; otherwise
            what rises above the kerb casts one.
        """
        points = place.origin + np.asarray(polygon) @ place.axes
        points = points.reshape(-1, *points.shape[-2:])
        if opacity == 1 and points[..., 1].max() > KERB:
            on_ground = points - self.light.sun * (points[..., 1:2] / self.light.sun[1])
            for outline in self.outlines(on_ground).values():
                self.shadow_pen.polygon(outline.ravel().tolist(), fill=255)

        outlines = self.outlines(points)
        view = self.view(outlines)
        if view is None:
            return
        top, left = view[0].start, view[1].start
        stencil = Image.new("I", (view[1].stop - left, view[0].stop - top))
        pen = ImageDraw.Draw(stencil)
        for index, outline in outlines.items():
            pen.polygon((outline - (left, top)).ravel().tolist(), fill=index)
        painted = np.asarray(stencil)
        rows, columns = np.nonzero(painted)
        number, rows, columns = painted[rows, columns], rows + top, columns + left

        # With the plane as normal . p = offset, the ray r meets it at depth offset / (normal . r).
        corners = (points[0] - self.camera.place.origin) @ self.camera.place.axes.T
        following = np.concatenate([corners[1:], corners[:1]])
        doubled = corners[:, [1, 2, 0]] * following[:, [2, 0, 1]] - corners[:, [2, 0, 1]] * following[:, [1, 2, 0]]
        normal = doubled.sum(0)
        offset = float(normal @ corners.mean(0))
        rays = self.camera.rays(rows, columns)
        inverse_depth = rays @ (normal / offset)
        seen = inverse_depth * self.depth[rows, columns] > 0.999
        rows, columns, number, rays = rows[seen], columns[seen], number[seen], rays[seen]
        if not len(rows):
            return

        depth = 1 / inverse_depth[seen]
        to_viewer = -np.sign(offset) * (normal @ self.camera.place.axes) / np.linalg.norm(normal)
        brightness = self.light.ambient + self.light.direct * max(0.0, float(to_viewer @ self.light.sun))
        if callable(colour):
            world = (rays * depth[:, None]) @ self.camera.place.axes + self.camera.place.origin
            value = colour((world - place.origin) @ place.axes.T)
        else:
            value = np.asarray(colour, np.float64)
            value = value[number - 1] if value.ndim == 2 else value
        if opacity < 1:
            value = value * opacity + self.colour[rows, columns] * ((1 - opacity) / brightness)
        self.colour[rows, columns] = value * brightness
        self.depth[rows, columns] = depth
        self.surface[rows, columns] = SURFACES.index(surface)

    def outlines(self, polygons: Array) -> dict[int, Array]:
        """World polygons, P x N x 3, as pixels (x, y), by their number from 1; what is nearer than NEAR is cut off."""
        points = (polygons - self.camera.place.origin) @ self.camera.place.axes.T
        kept = list(points) if points[..., 2].min() >= NEAR else [cut_off(polygon) for polygon in points]
        centre = np.array(self.camera.size[::-1]) / 2
        return {i: p[:, :2] / p[:, 2:] * self.camera.focal + centre for i, p in enumerate(kept, 1) if len(p)}

    def view(self, outlines: dict[int, Array]) -> tuple[slice, slice] | None:
        """The window of the canvas around outlines; None where they lie outside."""
        if not outlines:
            return None
        corners = np.concatenate(list(outlines.values()))
        (left, top), (right, bottom) = np.floor(corners.min(0)), np.ceil(corners.max(0)) + 1
        height, width = self.camera.size
        rows = slice(max(int(top), 0), min(int(bottom), height))
        columns = slice(max(int(left), 0), min(int(right), width))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def cut_off(polygon: Array) -> Array:
    """The part of a polygon, in camera coordinates, that is at NEAR or further; 0 x 3 where none is."""
    kept = []
    for a, b in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * ((NEAR - a[2]) / (b[2] - a[2])))
    return np.array(kept).reshape(-1, 3)


def develop(canvas: Canvas, rng: Generator, grain_rng: Generator) -> tuple[Bytes, Bytes]:
    """Frame and surfaces at the frame's size, after shadows, haze, exposure, vignette, blur and grain."""
    light, colour = canvas.light, canvas.colour
    height, width = canvas.camera.size[0] // 2, canvas.camera.size[1] // 2
    shadow = np.asarray(canvas.shadow.filter(ImageFilter.GaussianBlur(height / 200)), np.float32) / 255
    shadow *= np.isin(canvas.surface, GROUND)
    colour *= (1 - shadow * (1 - light.ambient))[..., None]
    haze = np.where(canvas.depth < np.inf, 1 - np.exp(-canvas.depth / light.visibility), 0)[..., None]
    colour += (light.horizon * 0.9 - colour) * haze

    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    exposure = rng.uniform(0.85, 1.3) * (1 - rng.uniform(0.05, 0.2) * (x**2 + y**2))
    frame = colour.reshape(height, 2, width, 2, 3).mean((1, 3)) * exposure[..., None] * rng.normal(1, 0.012, 3)
    frame = 255 * (np.clip(frame, 0, 255) / 255) ** rng.uniform(1.05, 1.45)
    blur = ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7) * height / 360)
    soft = Image.fromarray(frame.astype(np.uint8)).filter(blur)
    grain = grain_rng.normal(0, rng.uniform(1, 4), frame.shape)

    # Of its four samples, a pixel shows the surface that two or more have; the first where all differ.
    a, b, c, d = (canvas.surface[i::2, j::2] for i in (0, 1) for j in (0, 1))
    surfaces = np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))
    return np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8), surfaces
