"""Paint a street on a canvas, with textures, and develop the canvas into a frame.

Everything in a street consists of flat polygons. `Canvas.paint` rasterises one and writes its colour, depth and surface
through one mask, so the labels are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter

from streetseg.streets.world import KERB, SURFACES, Array, Bytes, Camera, Light, Place

# Local points, K x 3 -> their colours, K x 3, from 0 to 255.
Texture = Callable[[Array], Array]

NEAR = 0.25  # metres; surfaces nearer to the camera are cut off
GROUND = [SURFACES.index(name) for name in ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv", "Sidewalk", "VegetationMisc")]
WHITE, BLACK = (214, 214, 210), (26, 26, 28)


class Canvas:
    """An unfinished picture at twice the frame's size.

    Attributes:
        colour: H x W x 3 float32, from 0 to 255 and above.
        surface: H x W uint8, indices into SURFACES.
        depth: H x W float32, metres; infinite in the sky.
        shadow: Mask of the shadows on the ground.
    """

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
        """Paint a flat polygon wherever nothing nearer covers it. At the same depth, the later polygon shows.

        Args:
            place: The coordinate system of the polygon's points.
            polygon: N x 3 local points; or P x N x 3, polygons of one plane that are painted one over the other.
            surface: A name in SURFACES.
            colour: One colour, a texture, or P x 3 colours, one for each polygon.
            opacity: Share of the colour, from 0 to 1. Below 1 the pixels behind show through and there is no shadow.
                At 1, a polygon that rises above the kerb casts a shadow.
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
        """Project world polygons, P x N x 3, to pixels (x, y), by number from 1; cut off parts nearer than NEAR."""
        points = (polygons - self.camera.place.origin) @ self.camera.place.axes.T
        kept = list(points) if points[..., 2].min() >= NEAR else [cut_off(polygon) for polygon in points]
        centre = np.array(self.camera.size[::-1]) / 2
        return {i: p[:, :2] / p[:, 2:] * self.camera.focal + centre for i, p in enumerate(kept, 1) if len(p)}

    def view(self, outlines: dict[int, Array]) -> tuple[slice, slice] | None:
        """Return the window of the canvas around the outlines, or None if they lie outside."""
        if not outlines:
            return None
        corners = np.concatenate(list(outlines.values()))
        (left, top), (right, bottom) = np.floor(corners.min(0)), np.ceil(corners.max(0)) + 1
        height, width = self.camera.size
        rows = slice(max(int(top), 0), min(int(bottom), height))
        columns = slice(max(int(left), 0), min(int(right), width))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def cut_off(polygon: Array) -> Array:
    """Return the part of a polygon, in camera coordinates, at NEAR or further; 0 x 3 if there is none."""
    kept = []
    for a, b in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * ((NEAR - a[2]) / (b[2] - a[2])))
    return np.array(kept).reshape(-1, 3)


def develop(canvas: Canvas, rng: Generator, grain_rng: Generator) -> tuple[Bytes, Bytes]:
    """Develop the canvas: add shadows, haze, exposure, vignette, blur and grain.

    Returns:
        The frame, H x W x 3, and its surfaces, H x W, both at the frame's size.
    """
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

    # A pixel has four samples. It takes the surface that two or more of them have, or the first if all differ.
    a, b, c, d = (canvas.surface[i::2, j::2] for i in (0, 1) for j in (0, 1))
    surfaces = np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))
    return np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8), surfaces


class Noise:
    """Two periodic fields of noise, mean 0 and standard deviation 1. Coordinates are in cells."""

    SIZE = 256

    def __init__(self, rng: Generator) -> None:
        self.white: Array = np.clip(rng.normal(size=(self.SIZE, self.SIZE)), -2.5, 2.5)
        frequency = np.hypot(np.fft.fftfreq(self.SIZE)[:, None], np.fft.rfftfreq(self.SIZE)) * self.SIZE
        pink = np.fft.irfft2(np.fft.rfft2(self.white) / np.maximum(frequency, 2.5) ** 1.7)
        self.pink: Array = (pink - pink.mean()) / pink.std()

    def fine(self, u: Array, v: Array) -> Array:
        """Return white noise, constant within a cell."""
        cells: Array = self.white[np.floor(v).astype(int) % self.SIZE, np.floor(u).astype(int) % self.SIZE]
        return cells

    def smooth(self, u: Array, v: Array) -> Array:
        """Return cloudy noise, interpolated between cells."""
        x, y = np.floor(u).astype(int), np.floor(v).astype(int)
        fu, fv = u - x, v - y
        x0, x1, y0, y1 = x % self.SIZE, (x + 1) % self.SIZE, y % self.SIZE, (y + 1) % self.SIZE
        upper = self.pink[y0, x0] * (1 - fu) + self.pink[y0, x1] * fu
        lower = self.pink[y1, x0] * (1 - fu) + self.pink[y1, x1] * fu
        value: Array = upper * (1 - fv) + lower * fv
        return value


def rounded(colour: ArrayLike, width: float) -> Texture:
    """Return the texture of a round thing, `width` metres across: darker towards its edges."""
    return lambda points: np.asarray(colour) * (1.08 - 0.4 * np.minimum(np.abs(points[:, :1]) / width * 2, 1) ** 2)


def foliage(canvas: Canvas, colour: ArrayLike, flecks: float) -> Texture:
    """Return the texture of leaves; flecks: Their number per metre."""

    def texture(points: Array) -> Array:
        along = points[:, 0] + points[:, 2]
        value = 1 + 0.24 * canvas.noise.fine(along * flecks, points[:, 1] * flecks)
        return value[:, None] * np.asarray(colour, np.float64)

    return texture


@dataclass(frozen=True)
class Thing:
    """A thing in a street: its place and the function that paints it there."""

    place: Place
    paint: Callable[[Canvas, Place, Generator], None]
