"""Plan and paint a street's surroundings: sky, ground, markings, houses, trees, fences, poles, signs.

`paint_*` functions paint at once. `plan_*` functions yield things, which the scene paints from far to near.

Labels follow CamVid's. A shadow has the class of the ground below it. Grass and hedges are tree. Railings
and bare crowns are filled areas, although one can see through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from streetseg.streets.canvas import Canvas, Thing
from streetseg.streets.textures import BLACK, WHITE, Texture, rgb, rounded, speckled
from streetseg.streets.world import FAR, KERB, WORLD, Array, Place, Street, box, disc, flat, taper, upright

RED, BLUE, GREEN = (178, 34, 40), (36, 72, 148), (28, 84, 62)
WALLS = [(142, 96, 76), (122, 84, 70), (172, 152, 118), (150, 132, 104), (206, 203, 196), (196, 184, 160)]
SHOPS = [(40, 66, 92), (120, 34, 36), (36, 82, 62), (44, 44, 48), (150, 110, 50), (190, 188, 182)]
LEAVES = [(62, 78, 42), (74, 86, 46), (54, 68, 44), (92, 88, 48)]


# ---- Sky and ground


def sky_of(canvas: Canvas) -> Callable[[Array], Array]:
    """Return the colours of directions, K x 3: blue or white, paler at the horizon, with clouds."""
    light = canvas.light

    def sky(rays: Array) -> Array:
        up = np.maximum(rays[:, 1] / np.linalg.norm(rays, axis=1), 0)
        colour = light.horizon + (light.zenith - light.horizon) * (1 - np.exp(-5 * up))[:, None]
        # Clouds lie on a plane overhead, so they crowd towards the horizon.
        density = canvas.noise.smooth(60 * rays[:, 0] / (up + 0.12), 60 * rays[:, 2] / (up + 0.12))
        cover = np.clip(0.9 * density + 2 * light.clouds - 1, 0, 1)[:, None]
        shade = np.clip(1.04 - 0.1 * density, 0.8, 1.1)[:, None]
        covered: Array = colour + (light.horizon * shade - colour) * cover
        return covered

    return sky


def paint_ground(canvas: Canvas, street: Street, rng: Generator) -> None:
    """Paint grass to the horizon, and on it the road, its markings, kerbs and sidewalks."""
    asphalt = np.array([1.0, 1.02, 1.05]) * rng.uniform(82, 116)
    stone = np.array([1.03, 1.0, 0.95]) * rng.uniform(112, 150)
    noise = canvas.noise

    def grain(points: Array, cells: float) -> Array:
        return noise.fine(points[:, 0] * cells, points[:, 2] * cells / 2) * np.minimum(12 / (points[:, 2] + 12), 1)

    def road(points: Array) -> Array:
        d = street.offset(points)
        tracks = np.cos(2 * np.pi * (np.abs(d) - street.lane / 2) / 1.6)
        value = 1 + 0.1 * grain(points, 70) + 0.035 * tracks + 0.05 * noise.smooth(d * 9, points[:, 2] * 2.5)
        return value[:, None] * rgb(asphalt)

    def slabs(points: Array) -> Array:
        column, row = street.offset(points) / 0.7, points[:, 2] / 0.9
        joint = (column % 1 < 0.05) | (row % 1 < 0.05)
        value = 1 + 0.05 * noise.fine(column, row) + 0.06 * noise.smooth(column * 8, row * 10) - 0.15 * joint
        paved: Array = value[:, None] * rgb(stone)
        return paved

    def grass(points: Array) -> Array:
        value = 1 + 0.3 * grain(points, 25) + 0.12 * noise.smooth(points[:, 0] * 8, points[:, 2] * 4)
        return value[:, None] * rgb((78, 92, 50))

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
    """Paint a broken centre line, sometimes lines along the kerbs and a zebra crossing, all of them worn."""
    wear = rng.uniform(-2.4, -0.8)

    def line(begin: float, end: float, d: float, width: float, surface: str, colour: ArrayLike) -> None:
        def worn(points: Array) -> Array:
            gone = canvas.noise.fine(points[:, 0] * 60, points[:, 2] * 30) < wear
            return np.where(gone[:, None], rgb((110, 111, 114)), rgb(colour))

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


# ---- Houses, trees, fences


def plan_houses(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield a row of houses on each side, with gaps. On the side of a park, the row begins behind the park."""
    for side in (-1, 1):
        s = rng.uniform(-14, -6) if street.built[side > 0] else rng.uniform(40, 70)
        usual = rng.integers(2, 5)
        while s < FAR - 20:
            width, floors = rng.uniform(6, 17), int(usual + rng.integers(-1, 2))
            d = street.kerb(side, street.sidewalk + street.garden[side > 0])
            yield Thing(
                street.place(s + width / 2, d, side * np.pi / 2), partial(house, width=width, floors=floors), width / 2
            )
            s += width + (rng.uniform(3, 12) if rng.random() < 0.2 else 0)


def house(canvas: Canvas, place: Place, rng: Generator, *, width: float, floors: int) -> None:
    """Paint a house: its front stands in the x-y plane, its depth is along z."""
    storey, depth, half = rng.uniform(2.8, 3.4), rng.uniform(7, 12), width / 2
    eaves = floors * storey + 0.4
    ridge = eaves + depth * (0.3 if rng.random() < 0.65 else 0.0)
    wall = np.array(rng.choice(WALLS)) * rng.uniform(0.8, 1.1)

    def masonry(points: Array) -> Array:
        along, y = points[:, 0] + points[:, 2], points[:, 1]
        value = 1 + 0.05 * canvas.noise.fine(along * 5, y * 13) + 0.05 * canvas.noise.smooth(along * 4, y * 3)
        return value[:, None] * rgb(wall)

    front, middle = upright(-half, half, 0, eaves), (0, eaves / 2, depth / 2)
    for x in (-half, half):
        gable = [(x, 0, 0), (x, eaves, 0), (x, ridge, depth / 2), (x, eaves, depth), (x, 0, depth)]
        if canvas.sees(place, gable, middle):
            canvas.paint(place, gable, "Building", masonry)
    canvas.paint(place, front, "Building", facade(canvas, rng, masonry, width, storey))
    if ridge == eaves:
        canvas.paint(place, upright(-half, half, eaves - 0.3, eaves + 0.25, -0.12), "Building", wall * 1.12)
        return
    roof = [(-half, eaves - 0.1, -0.3), (half, eaves - 0.1, -0.3), (half, ridge, depth / 2), (-half, ridge, depth / 2)]
    tiles = np.array([92, 86, 84]) * rng.uniform(0.7, 1.2)
    chimney = box(half - 1.3, half - 0.4, ridge - 0.3, ridge + 1.1, depth / 2 - 0.3, depth / 2 + 0.3)
    canvas.solid(place, chimney, "Building", wall * 0.85)
    if canvas.sees(place, roof, middle):
        canvas.paint(place, roof, "Building", tiles)


def facade(canvas: Canvas, rng: Generator, masonry: Texture, width: float, storey: float) -> Texture:
    """Return the texture of a front: windows in bays and storeys, a door, and sometimes a shop."""
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
    """Yield the line of trees at the end of the street, street trees, and more trees in a park."""
    yield Thing(Place.of(street.point(FAR, 0), 0.0), tree_line)
    bare_share = rng.choice([0.05, 0.7], p=[0.65, 0.35])
    # At least one tree is near enough to be visible.
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
    """Paint the line of trees at the end of the street."""
    x = np.linspace(-420, 420, 240)
    top = np.maximum(9 + 3.2 * canvas.noise.smooth(x * 0.7, x * 0) + rng.normal(0, 0.7, x.size), 3)
    outline = np.concatenate([[(-420, -1)], np.stack([x, top], 1), [(420, -1)]])
    canvas.paint(place, flat(outline), "Tree", speckled(canvas.noise, (66, 76, 50), 0.24, 2.0))


def tree(canvas: Canvas, place: Place, rng: Generator, *, height: float, bare: bool) -> None:
    """Paint a tree: trunk, branches, and a crown of many clumps of leaves, or of twigs if it is bare."""
    place = place.facing(canvas.camera.place)
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

    # Clumps gather around a few boughs and are painted from back to front, brighter towards the sky and the sun.
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
    canvas.veil(place, shapes, "Tree", bark * 1.2, 0.3)


def plan_fences(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield railings along the kerb, and railings, boards or hedges along gardens and parks, in panels of 2 m."""
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
    """Paint a panel of metal railings."""
    metal = (88, 90, 93)
    canvas.veil(place, upright(-1, 1, KERB, 1.15), "Fence", metal, 0.12)
    pickets = [upright(x, x + 0.022, KERB, 1.1) for x in np.arange(-1, 1, 0.125)]
    rails = [upright(-1, 1, 1.08, 1.15), upright(-1, 1, 0.24, 0.28), upright(-1, -0.93, 0, 1.15)]
    canvas.paint(place, pickets + rails, "Fence", metal)


def boards(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a panel of wooden planks."""

    def planks(points: Array) -> Array:
        plank = (points[:, 0] + 1) / 0.2
        value = 1 + 0.09 * canvas.noise.fine(plank + place.origin[2], 0 * plank) - 0.4 * (plank % 1 < 0.1)
        return value[:, None] * rgb((116, 94, 70))

    canvas.paint(place, upright(-1, 1, 0, 1.7), "Fence", planks)


def hedge(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a panel of a hedge."""
    faces = box(-1, 1, 0, rng.uniform(1.4, 1.55), 0, 0.9)
    canvas.solid(place, faces, "Tree", speckled(canvas.noise, (60, 76, 44), 0.24, 13.0))


# ---- Poles and signs


def plan_poles(street: Street, rng: Generator) -> Iterator[Thing]:
    """Yield street lamps at even distances, sign posts, and sometimes traffic lights."""
    side, height = int(rng.choice([-1, 1])), rng.uniform(6, 9)
    for s in np.arange(rng.uniform(7, 20), 140, rng.uniform(22, 36)):
        yield Thing(street.place(s, street.kerb(side, 0.5)), partial(lamp, height=height, reach=-1.4 * side))
    for _ in range(rng.integers(1, 6)):
        d = street.kerb(int(rng.choice([-1, 1])), rng.uniform(0.4, 1.2))
        yield Thing(street.place(rng.uniform(7, 38), d), sign_post)
    if rng.random() < 0.4:
        s = rng.uniform(10, 32)
        yield from (Thing(street.place(s, street.kerb(side, 0.5)), traffic_light) for side in (-1, 1))


def pole(canvas: Canvas, place: Place, height: float, width: float, grey: float) -> None:
    """Paint a round metal pole."""
    metal = np.array([1.0, 1.02, 1.03]) * grey
    canvas.paint(place, taper((0, 0), (0, height), width, width * 0.75), "Column_Pole", rounded(metal, width))


def lamp(canvas: Canvas, place: Place, rng: Generator, *, height: float, reach: float) -> None:
    """Paint a street lamp whose arm reaches `reach` metres to the right."""
    place = place.facing(canvas.camera.place)
    pole(canvas, place, height, 0.17, 96)
    canvas.paint(place, taper((0, height), (reach, height + 0.35), 0.09, 0.07), "Column_Pole", (96, 98, 99))
    head = taper((reach * 0.9, height + 0.33), (reach * 1.4, height + 0.38), 0.16, 0.12)
    canvas.paint(place, head, "Column_Pole", (110, 111, 112))


def sign_post(canvas: Canvas, place: Place, rng: Generator) -> None:
    """Paint a round, triangular or rectangular sign on a post."""
    place = place.facing(canvas.camera.place)
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
    """Paint a traffic light with one lamp on."""
    place = place.facing(canvas.camera.place)
    pole(canvas, place, 3.3, 0.13, 66)
    canvas.paint(place, upright(-0.27, 0.27, 2.35, 3.5, -0.05), "TrafficLight", BLACK)
    lamps = np.array([(250, 60, 50), (250, 180, 60), (90, 240, 170)])
    lamps[np.arange(3) != rng.integers(3)] = (52, 50, 50)
    for y, colour in zip((3.28, 2.93, 2.58), lamps, strict=True):
        canvas.paint(place, disc((0, y), 0.12, z=-0.08), "TrafficLight", colour)
