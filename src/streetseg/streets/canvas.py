"""Collect the polygons of a street.

Everything in a street consists of flat polygons, and a later one covers the earlier ones. `drawing.draw` draws them all
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from streetseg.streets.camera import Camera
from streetseg.streets.sequence import STILL, Drive
from streetseg.streets.textures import Noise, Texture
from streetseg.streets.world import KERB, SURFACES, Array, Light, Place

SURFACE_OF = {name: index for index, name in enumerate(SURFACES)}
MANY = 60  # polygons of one call; of so many, every third casts a shadow


@dataclass(frozen=True)
class Call:
    """A call of `Canvas.paint`.

    Attributes:
        place: The coordinate system of its texture.
        first: Number of its first polygon.
        count: Number of its polygons.
        corners: Number of points of each of them.
        surface: Index into SURFACES.
        colour: One colour, or one for each polygon.
        texture: Colours its points; None for plain colours.
        grain: Amount of the flecks on plain colours, a share, and their number a metre.
        shade: Share of the light that reaches it; 0 if it shines by itself.
        opacity: Share of the colour of a veil, and 0 for all else.
    """

    place: Place
    first: int
    count: int
    corners: int
    surface: int
    colour: ArrayLike
    texture: Texture | None = None
    grain: tuple[float, float] = (0.0, 1.0)
    shade: float = 1.0
    opacity: float = 0.0


class Canvas:
    """An unfinished picture at twice the frame's size.

    Attributes:
        shade: Share of the light that reaches what is painted next.
        pose: Pose of what is painted next.
        drive: The drive that the picture belongs to; None for a single frame.
    """

    def __init__(self, camera: Camera, light: Light, noise: Noise, drive: Drive | None = None) -> None:
        self.camera, self.light, self.noise, self.drive = camera, light, noise, drive
        self.pose = STILL
        self.calls: list[Call] = []
        self.shade = 1.0
        self.points: list[Array] = []  # of each call, all its polygons' points in the world
        self.casts: list[NDArray[np.bool_]] = []
        self.count = 1  # number of the next polygon; 0 is the sky

    def paint(
        self,
        place: Place,
        polygon: ArrayLike,
        surface: str,
        colour: ArrayLike | Texture,
        *,
        grain: tuple[float, float] = (0.0, 1.0),
        casts: bool = True,
        shines: bool = False,
    ) -> None:
        """Paint a flat polygon over everything painted before.

        Args:
            place: The coordinate system of the polygon's points.
            polygon: N x 3 local points; or P x N x 3, polygons that are painted one over the other.
            surface: A name in SURFACES.
            colour: One colour, a texture, or P x 3 colours, one for each polygon.
            grain: Flecks on plain colours: their amount, a share of the colour, and their number a metre.
            casts: Cast a shadow on the ground if the polygon rises above the kerb.
            shines: Show the colour itself, whatever the light.
        """
        texture = colour if callable(colour) else None
        flat_colour = (128, 128, 128) if callable(colour) else colour
        shade = 0.0 if shines else self.shade
        points = self.add(place, polygon, surface, flat_colour, texture=texture, grain=grain, shade=shade)
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
        points = self.add(place, polygon, surface, colour, shade=self.shade, opacity=opacity)
        self.casts.append(np.zeros(len(points), np.bool_))

    def solid(
        self,
        place: Place,
        faces: Sequence[ArrayLike],
        surface: str,
        colour: ArrayLike | Texture,
        *,
        grain: tuple[float, float] = (0.0, 1.0),
        casts: bool = True,
    ) -> None:
        """Paint those faces of a convex body that the camera sees."""
        inside = np.concatenate([np.asarray(face, np.float64) for face in faces]).mean(0)
        for face in faces:
            if self.sees(place, face, inside):
                self.paint(place, face, surface, colour, grain=grain, casts=casts)

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

    def ahead(self, points: Array) -> Array:
        """Return how far points of the world, N x 3, lie ahead of the camera, in metres."""
        start: Array = points[:, 2]
        return start if self.drive is None else start - np.float32(self.camera.place.origin[2])

    def pixels_a_metre(self, place: Place) -> float:
        """Return the size of a thing where it is nearest; in a drive its shape must not depend on the frame."""
        if self.drive is None:
            distance = float(np.linalg.norm(place.origin - self.camera.place.origin))
        else:
            distance = self.drive.nearest(place.origin)
        return self.camera.focal / max(distance, 1)

    def add(self, place: Place, polygon: ArrayLike, surface: str, colour: ArrayLike, **options: Any) -> Array:
        """Keep polygons, and return their points in the world, P x N x 3."""
        points: Array = place.origin + np.asarray(polygon, np.float64) @ place.axes
        points = points.reshape(-1, *points.shape[-2:])
        call = Call(place, self.count, len(points), points.shape[1], SURFACE_OF[surface], colour, **options)
        self.calls.append(call)
        self.points.append(points.reshape(-1, 3))
        self.count += call.count
        return points


@dataclass(frozen=True)
class Thing:
    """A thing in a street: its place and the function that paints it there.

    Things are painted from far to near, by the distance of their place ahead plus `behind` metres. In a drive they move
    forward at about `speed`, in m/s.
    """

    place: Place
    paint: Callable[[Canvas, Place, Generator], None]
    behind: float = 0.0
    speed: float = 0.0
