"""Draw a canvas: first the number of the polygon at each sample, then depth, surface and colour from the numbers.

So the labels are exact, and only what is visible is textured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from streetseg.streets.camera import Camera
from streetseg.streets.canvas import Call, Canvas
from streetseg.streets.world import Array, Bytes, Light

NEAR = 0.25  # metres; surfaces nearer to the camera are cut off
Numbers = NDArray[np.intp]


class Drawn(NamedTuple):
    """A drawn canvas. The first axis holds the four samples of each pixel of the frame.

    Attributes:
        colour: 4 x H x W x 3, from 0 to 255 and above.
        surface: 4 x H x W, indices into SURFACES.
        depth: 4 x H x W, metres; infinite in the sky.
        shadow: 4 x H x W, share of the sun that is hidden from the ground, 0 to 1.
    """

    colour: Array
    surface: Bytes
    depth: Array
    shadow: Array


def draw(canvas: Canvas, sky: Callable[[Array], Array]) -> Drawn:
    """Draw everything that was painted on a canvas.

    Args:
        canvas: The canvas.
        sky: Returns the colours, K x 3, of directions in the world, K x 3.
    """
    camera, calls = canvas.camera, canvas.calls
    counts = [call.count for call in calls]

    def each(values: list[float]) -> Array:
        """Return a value for each polygon from one for each call; the first entry is the sky's, 0."""
        return np.concatenate([np.zeros(1, np.float32), np.repeat(np.array(values, np.float32), counts)])

    world, casts = np.concatenate(canvas.points), np.concatenate(canvas.casts)
    corners = np.repeat([call.corners for call in calls], counts)
    veils = each([call.opacity for call in calls])
    seen, (numbers, over) = Polygons(camera, world, corners), (Image.new("I", camera.size[::-1]) for _ in range(2))
    pen, veil_pen, veiled = ImageDraw.Draw(numbers), ImageDraw.Draw(over), (veils > 0).tolist()
    for index, outline in seen.outlines():
        (veil_pen if veiled[index] else pen).polygon(outline, fill=index)
    rays, number, hidden = camera.rays, camera.sampled(np.asarray(numbers)), camera.sampled(np.asarray(over))

    planes, brightness = seen.planes(canvas.light)
    shade = each([call.shade for call in calls])
    brightness = np.where(shade > 0, brightness * shade * canvas.light.level, 1).astype(np.float32)
    surfaces = each([call.surface for call in calls]).astype(np.uint8)
    colours = plain_colours(calls) * brightness[:, None]
    inverse = planes[0][number] * rays[0] + planes[1][number] * rays[1] + planes[2][number]
    depth = 1 / np.clip(inverse, seen.least[number], seen.most[number])
    above = number == 0
    depth[above] = np.inf
    colour, surface = colours[number], surfaces[number]

    # Two of a pixel's four samples stand for the others where they show the same polygon.
    due = np.ones(number.shape, np.bool_)
    due[1], due[2] = number[1] != number[0], number[2] != number[3]
    add_grain(canvas, colour, number, depth, due, each([c.grain[0] for c in calls]), each([c.grain[1] for c in calls]))
    add_textures(canvas, colour, number, depth, due, brightness)
    visible_sky = above & due
    colour[visible_sky] = sky(directions(camera, rays[:, visible_sky]))
    colour[1] = np.where(due[1][..., None], colour[1], colour[0])
    colour[2] = np.where(due[2][..., None], colour[2], colour[3])

    front = np.nonzero(hidden > number)
    veil = hidden[front]
    colour[front] += (colours[veil] - colour[front]) * veils[veil][:, None]
    surface[front] = surfaces[veil]
    return Drawn(colour, surface, depth, shadows(canvas, world, corners, casts))


def plain_colours(calls: list[Call]) -> Array:
    """Return the colour of each polygon; the first entry is the sky's, black."""
    colours = np.zeros((1 + sum(call.count for call in calls), 3), np.float32)
    for call in calls:
        colours[call.first : call.first + call.count] = call.colour
    return colours


def add_grain(
    canvas: Canvas, colour: Array, number: Numbers, depth: Array, due: NDArray[np.bool_], amount: Array, cells: Array
) -> None:
    """Add the flecks of plain colours to the samples that are due."""
    grained = np.flatnonzero((amount[number] > 0) & due)
    numbers, far = number.ravel()[grained], depth.ravel()[grained]
    world: Array = directions(canvas.camera, canvas.camera.rays.reshape(2, -1)[:, grained]) * far[:, None]
    world += canvas.camera.place.origin.astype(np.float32)
    if canvas.drive is not None:  # flecks move and turn with what they are on
        world = in_places(canvas, world, numbers)
    cell = cells[numbers]
    flecks = canvas.noise.fine((world[:, 0] + world[:, 2]) * cell, (world[:, 1] + world[:, 2] * 0.3) * cell)
    visible = np.minimum(canvas.camera.focal / (cell * far), 1)  # flecks smaller than a sample average out
    colour.reshape(-1, 3)[grained] *= (1 + amount[numbers] * visible * flecks).astype(np.float32)[:, None]


def in_places(canvas: Canvas, world: Array, numbers: Numbers) -> Array:
    """Return points of the world, K x 3, in the coordinate system of each one's polygon."""
    call_of = np.repeat(np.arange(len(canvas.calls)), [call.count for call in canvas.calls])[numbers - 1]
    axes = np.array([call.place.axes for call in canvas.calls], np.float32)
    origins = np.array([call.place.origin for call in canvas.calls], np.float32)
    local: Array = np.einsum("kj,kij->ki", world - origins[call_of], axes[call_of])
    return local


def add_textures(
    canvas: Canvas, colour: Array, number: Numbers, depth: Array, due: NDArray[np.bool_], brightness: Array
) -> None:
    """Colour the samples that are due and show a polygon with a texture."""
    call_of = np.zeros(canvas.count, np.uint16)
    for index, call in enumerate(canvas.calls, 1):
        if call.texture is not None:
            call_of[call.first : call.first + call.count] = index
    flat = call_of[number].ravel()
    flat[~due.ravel()] = 0
    pixels = np.flatnonzero(flat)
    pixels = pixels[np.argsort(flat[pixels], kind="stable")]
    present, starts = np.unique(flat[pixels], return_index=True)
    (x, y), place = canvas.camera.rays.reshape(2, -1), canvas.camera.place
    distance, numbers, target = depth.ravel(), number.ravel(), colour.reshape(-1, 3)
    for index, part in zip(present, np.split(pixels, starts[1:]), strict=True):
        call = canvas.calls[int(index) - 1]
        assert call.texture is not None
        turn = (place.axes @ call.place.axes.T).astype(np.float32)
        start = ((place.origin - call.place.origin) @ call.place.axes.T).astype(np.float32)
        far = distance[part]
        points = np.stack([x[part] * far, y[part] * far, far], 1) @ turn + start
        target[part] = call.texture(points) * brightness[numbers[part]][:, None]


def directions(camera: Camera, rays: Array) -> Array:
    """Return world directions, K x 3, of rays in camera coordinates, 2 x K."""
    axes = camera.place.axes.astype(np.float32)
    turned: Array = np.stack([rays[0], rays[1], np.ones_like(rays[0])], 1) @ axes
    return turned


def shadows(canvas: Canvas, world: Array, corners: Numbers, casts: NDArray[np.bool_]) -> Array:
    """Return the shadows on the ground, 4 x H x W."""
    camera, sun = canvas.camera, canvas.light.sun
    points = world[np.repeat(casts, corners)]
    points = points - sun * (points[:, 1:2] / sun[1])
    image = Image.new("L", camera.size[::-1])
    if len(points):
        pen = ImageDraw.Draw(image)
        for _, outline in Polygons(camera, points, corners[casts]).outlines():
            pen.polygon(outline, fill=255)
    soft = image.filter(ImageFilter.BoxBlur(camera.size[0] / 300))
    return camera.sampled(np.asarray(soft)).astype(np.float32) / 255


class Polygons:
    """Polygons of the world, in the camera's view.

    Attributes:
        least: 1 / depth of each polygon's farthest point; the first entry is the sky's.
        most: 1 / depth of its nearest point.
    """

    def __init__(self, camera: Camera, points: Array, corners: NDArray[np.intp]) -> None:
        self.camera, self.corners = camera, corners
        self.starts = np.concatenate([[0], np.cumsum(corners)[:-1]])
        self.points = (points - camera.place.origin) @ camera.place.axes.T
        z = self.points[:, 2]
        self.nearest, self.farthest = (f.reduceat(z, self.starts) for f in (np.minimum, np.maximum))
        self.least, self.most = (
            np.concatenate([[1e-4], 1 / np.maximum(z, NEAR)]).astype(np.float32) for z in (self.farthest, self.nearest)
        )

    def outlines(self) -> list[tuple[int, list[float]]]:
        """Return number, from 1, and outline (x, y, x, y, ...) in pixels of each polygon that may be visible."""
        height, width = self.camera.size
        ahead = self.points * 1.0
        np.maximum(ahead[:, 2], NEAR / 2, out=ahead[:, 2])
        pixels = self.camera.project(ahead)
        low, high = (f.reduceat(pixels, self.starts) for f in (np.minimum, np.maximum))
        inside = (high[:, 0] >= 0) & (high[:, 1] >= 0) & (low[:, 0] < width) & (low[:, 1] < height)
        whole = self.nearest >= NEAR
        flat = pixels.ravel().tolist()
        found = []
        for index in np.flatnonzero((whole & inside) | (~whole & (self.farthest >= NEAR))).tolist():
            start, end = self.starts[index], self.starts[index] + self.corners[index]
            if whole[index]:
                found.append((index + 1, flat[2 * start : 2 * end]))
            elif len(part := cut_off(self.points[start:end])):
                found.append((index + 1, self.camera.project(part).ravel().tolist()))
        return found

    def planes(self, light: Light) -> tuple[tuple[Array, Array, Array], Array]:
        """Return each polygon's plane and brightness; the first entry is the sky's.

        The ray (x, y, 1) meets a polygon's plane (a, b, c) at the depth 1 / (a x + b y + c).
        """
        following = np.arange(1, len(self.points) + 1)
        following[self.starts + self.corners - 1] = self.starts
        ahead = self.points[following]
        doubled = self.points[:, [1, 2, 0]] * ahead[:, [2, 0, 1]] - self.points[:, [2, 0, 1]] * ahead[:, [1, 2, 0]]
        normal = np.add.reduceat(doubled, self.starts)
        middle = np.add.reduceat(self.points, self.starts) / self.corners[:, None]
        offset = (normal * middle).sum(1)
        length = np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
        edge_on = np.abs(offset) < 1e-9 * length
        plane = normal / np.where(edge_on, 1, offset)[:, None]
        plane[edge_on] = np.array([0, 0, 1]) / np.maximum(middle[edge_on, 2:], NEAR)
        to_viewer = -np.sign(offset) * (normal @ (self.camera.place.axes @ light.sun)) / length
        brightness = light.ambient + light.direct * np.maximum(to_viewer, 0)
        a, b, c = np.concatenate([np.zeros((1, 3)), plane]).astype(np.float32).T
        return (a, b, c), np.concatenate([[1], brightness]).astype(np.float32)


# Half-spaces in camera coordinates, normal . p >= offset: in front of the camera, and in a wide view.
VIEW = [((0, 0, 1), NEAR), *(((x, y, 8), 0.0) for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)))]


def cut_off(polygon: Array) -> Array:
    """Return the part of a polygon, in camera coordinates, that lies in VIEW; 0 x 3 if there is none."""
    for normal, offset in VIEW:
        kept, above = [], polygon @ np.asarray(normal, np.float64) - offset
        for i, height in enumerate(above):
            if height >= 0:
                kept.append(polygon[i])
            if (height >= 0) != (above[i - 1] >= 0):
                kept.insert(len(kept) - (height >= 0), crossing(polygon[i - 1], polygon[i], above[i - 1], height))
        polygon = np.array(kept).reshape(-1, 3)
    return polygon


def crossing(a: Array, b: Array, above_a: float, above_b: float) -> Array:
    """Return the point between a and b at height 0."""
    point: Array = a + (b - a) * (above_a / (above_a - above_b))
    return point
