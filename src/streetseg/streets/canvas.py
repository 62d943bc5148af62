"""Collect the polygons of a street and draw them all at once.

Everything in a street consists of flat polygons, and a later one covers the earlier ones. The canvas first draws each
polygon's number. Then it computes depth, surface and colour of the visible pixels from the numbers alone. So the labels
are exact, and only what is visible is textured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from streetseg.streets.camera import Camera
from streetseg.streets.textures import Noise, Texture
from streetseg.streets.world import KERB, SURFACES, Array, Bytes, Light, Place

NEAR = 0.25  # metres; surfaces nearer to the camera are cut off
MANY = 60  # polygons of one call; of so many, every third casts a shadow
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


@dataclass(frozen=True)
class Call:
    """A call of `Canvas.paint`.

    Attributes:
        place: The coordinate system of its texture.
        first: Number of its first polygon.
        count: Number of its polygons.
        surface: Index into SURFACES.
        texture: Colours its points; None for plain colours.
    """

    place: Place
    first: int
    count: int
    surface: int
    texture: Texture | None


class Canvas:
    """An unfinished picture at twice the frame's size."""

    def __init__(self, camera: Camera, light: Light, noise: Noise) -> None:
        self.camera, self.light, self.noise = camera, light, noise
        self.calls: list[Call] = []
        self.veils: list[tuple[Call, float]] = []
        self.points: list[Array] = []  # of each call, all its polygons' points in the world
        self.corners: list[NDArray[np.intp]] = []  # of each call, the number of points of each polygon
        self.colours: list[Array] = []
        self.casts: list[NDArray[np.bool_]] = []
        self.count = 1  # number of the next polygon; 0 is the sky

    def paint(
        self, place: Place, polygon: ArrayLike, surface: str, colour: ArrayLike | Texture, *, casts: bool = True
    ) -> None:
        """Paint a flat polygon over everything painted before.

        Args:
            place: The coordinate system of the polygon's points.
            polygon: N x 3 local points; or P x N x 3, polygons that are painted one over the other.
            surface: A name in SURFACES.
            colour: One colour, a texture, or P x 3 colours, one for each polygon.
            casts: Cast a shadow on the ground if the polygon rises above the kerb.
        """
        points = place.origin + np.asarray(polygon, np.float64) @ place.axes
        points = points.reshape(-1, *points.shape[-2:])
        texture = colour if callable(colour) else None
        self.add(place, points, surface, (128, 128, 128) if callable(colour) else colour, texture)
        high = points[..., 1].max(1) > KERB if casts else np.zeros(len(points), np.bool_)
        if len(points) > MANY:
            high[np.arange(len(points)) % 3 > 0] = False
        self.casts.append(high)

    def veil(self, place: Place, polygon: ArrayLike, surface: str, colour: ArrayLike, opacity: float) -> None:
        """Label polygons as a surface, but let most of what is behind them show through.

        Args:
            place: The coordinate system of the polygon's points.
            polygon: N x 3 local points, or P x N x 3.
            surface: A name in SURFACES.
            colour: One colour.
            opacity: Share of the colour, from 0 to 1.
        """
        points = place.origin + np.asarray(polygon, np.float64) @ place.axes
        points = points.reshape(-1, *points.shape[-2:])
        self.add(place, points, surface, colour, None)
        self.casts.append(np.zeros(len(points), np.bool_))
        self.veils.append((self.calls[-1], opacity))

    def solid(
        self, place: Place, faces: Sequence[ArrayLike], surface: str, colour: ArrayLike | Texture, *, casts: bool = True
    ) -> None:
        """Paint those faces of a convex body that the camera sees."""
        inside = np.concatenate([np.asarray(face, np.float64) for face in faces]).mean(0)
        for face in faces:
            if self.sees(place, face, inside):
                self.paint(place, face, surface, colour, casts=casts)

    def sees(self, place: Place, face: ArrayLike, inside: ArrayLike) -> bool:
        """Return True if the camera sees the outer side of a body's face.

        Args:
            place: The coordinate system of the points.
            face: N x 3 local points.
            inside: A local point inside the body.
        """
        corners = np.asarray(face, np.float64)
        viewer = (self.camera.place.origin - place.origin) @ place.axes.T
        (ax, ay, az), (bx, by, bz) = corners[1] - corners[0], corners[2] - corners[1]
        outwards = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
        return bool(((corners[0] - inside) @ outwards) * ((viewer - corners[0]) @ outwards) > 0)

    def add(self, place: Place, points: Array, surface: str, colour: ArrayLike, texture: Texture | None) -> None:
        """Keep polygons, P x N x 3 in the world."""
        count = len(points)
        self.calls.append(Call(place, self.count, count, SURFACES.index(surface), texture))
        self.points.append(points.reshape(-1, 3))
        self.corners.append(np.full(count, points.shape[1]))
        colours = np.empty((count, 3), np.float32)
        colours[:] = colour
        self.colours.append(colours)
        self.count += count

    def draw(self, sky: Callable[[Array], Array]) -> Drawn:
        """Draw everything that was painted.

        Args:
            sky: Returns the colours, ... x 3, of directions in the world, ... x 3.
        """
        camera, light = self.camera, self.light
        world, corners, casts = np.concatenate(self.points), np.concatenate(self.corners), np.concatenate(self.casts)
        veils = {number for call, _ in self.veils for number in range(call.first, call.first + call.count)}
        seen, (numbers, over) = Polygons(camera, world, corners), (Image.new("I", camera.size[::-1]) for _ in range(2))
        pen, veil_pen = ImageDraw.Draw(numbers), ImageDraw.Draw(over)
        for index, outline in seen.outlines():
            (veil_pen if index in veils else pen).polygon(outline, fill=index)
        rays, number = camera.rays, camera.sampled(np.asarray(numbers))

        planes, brightness = seen.planes(light)
        surfaces = np.zeros(self.count, np.uint8)
        surfaces[1:] = np.repeat([call.surface for call in self.calls], [call.count for call in self.calls])
        colours = np.zeros((self.count, 3), np.float32)
        colours[1:] = np.concatenate(self.colours)
        colours *= brightness[:, None]
        inverse = planes[0][number] * rays[0] + planes[1][number] * rays[1] + planes[2][number]
        depth = 1 / np.clip(inverse, seen.least[number], seen.most[number])
        depth[number == 0] = np.inf
        colour, surface = colours[number], surfaces[number]
        self.texture(colour, number, rays, depth, brightness)
        above = number == 0
        if above.any():
            colour[above] = sky(self.directions(rays[:, above]))
        if veils:
            self.lay_veils(colour, surface, camera.sampled(np.asarray(over)), number, surfaces, colours)
        return Drawn(colour, surface, depth, self.shadows(world, corners, casts))

    def texture(self, colour: Array, number: Numbers, rays: Array, depth: Array, brightness: Array) -> None:
        """Colour the pixels of polygons with textures."""
        call_of = np.zeros(self.count, np.uint16)
        for index, call in enumerate(self.calls, 1):
            if call.texture is not None:
                call_of[call.first : call.first + call.count] = index
        flat = call_of[number].ravel()
        pixels = np.flatnonzero(flat)
        pixels = pixels[np.argsort(flat[pixels], kind="stable")]
        present, starts = np.unique(flat[pixels], return_index=True)
        x, y, distance, numbers = rays[0].ravel(), rays[1].ravel(), depth.ravel(), number.ravel()
        target = colour.reshape(-1, 3)
        for index, part in zip(present, np.split(pixels, starts[1:]), strict=True):
            call = self.calls[int(index) - 1]
            assert call.texture is not None
            turn = (self.camera.place.axes @ call.place.axes.T).astype(np.float32)
            start = ((self.camera.place.origin - call.place.origin) @ call.place.axes.T).astype(np.float32)
            far = distance[part]
            points = np.stack([x[part] * far, y[part] * far, far], 1) @ turn + start
            target[part] = call.texture(points) * brightness[numbers[part]][:, None]

    def lay_veils(
        self, colour: Array, surface: Bytes, over: Numbers, number: Numbers, surfaces: Bytes, colours: Array
    ) -> None:
        """Lay the veils over what was painted before them."""
        front = np.nonzero(over > number)
        share = np.zeros(self.count, np.float32)
        for call, opacity in self.veils:
            share[call.first : call.first + call.count] = opacity
        veil = over[front]
        colour[front] += (colours[veil] - colour[front]) * share[veil][:, None]
        surface[front] = surfaces[veil]

    def directions(self, rays: Array) -> Array:
        """Return world directions, K x 3, of rays in camera coordinates, 2 x K."""
        turned: Array = np.stack([rays[0], rays[1], np.ones_like(rays[0])], 1) @ self.camera.place.axes
        return turned

    def shadows(self, world: Array, corners: NDArray[np.intp], casts: NDArray[np.bool_]) -> Array:
        """Return the shadows on the ground."""
        sun = self.light.sun
        kept = np.repeat(casts, corners)
        points = world[kept]
        points = points - sun * (points[:, 1:2] / sun[1])
        image = Image.new("L", self.camera.size[::-1])
        if len(points):
            pen = ImageDraw.Draw(image)
            for _, outline in Polygons(self.camera, points, corners[casts]).outlines():
                pen.polygon(outline, fill=255)
        soft = image.filter(ImageFilter.BoxBlur(self.camera.size[0] / 300))
        return self.camera.sampled(np.asarray(soft)).astype(np.float32) / 255


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


@dataclass(frozen=True)
class Thing:
    """A thing in a street: its place and the function that paints it there.

    Things are painted from far to near, by the distance of their place ahead plus `behind` metres.
    """

    place: Place
    paint: Callable[[Canvas, Place, Generator], None]
    behind: float = 0.0
