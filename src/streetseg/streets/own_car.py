"""Paint what a camera sees of its own car: bonnet, mascot, dashboard, wiper, pillar. All of it is void."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from streetseg.streets.canvas import Canvas
from streetseg.streets.textures import rgb
from streetseg.streets.traffic import LACQUERS
from streetseg.streets.world import Array, Place, flat, taper, upright


def paint_own_car(canvas: Canvas, rng: Generator) -> None:
    """Paint our own car at the edges of the picture."""
    kind = rng.choice(["bonnet", "edge", "dashboard"], p=[0.5, 0.35, 0.15])
    (bonnet if kind == "bonnet" else edge if kind == "edge" else dashboard)(canvas, rng)
    if rng.random() < 0.08:  # a pillar of the windscreen
        place, x = plane(canvas), rng.choice([-1, 1])
        aspect = canvas.camera.size[1] / canvas.camera.size[0]
        outer, inner = x * aspect * 1.1, x * aspect * rng.uniform(0.75, 0.97)
        pillar = flat([(outer, -1.2), (outer, 1.2), (inner, 1.2), (inner + x * rng.uniform(0, 0.3), -1.2)])
        canvas.paint(place, pillar, "Void", np.full(3, rng.uniform(8, 60)), casts=False)


def plane(canvas: Canvas) -> Place:
    """Return a place 0.5 m before the lens: x to the right and y up, from -1 at the lower edge of the frame to 1."""
    camera = canvas.camera
    scale = 0.5 * camera.size[0] / 2 / camera.focal
    axes = camera.place.axes * np.array([[scale], [-scale], [1.0]])
    return Place(camera.place.origin + 0.5 * camera.place.axes[2], axes)


def bonnet(canvas: Canvas, rng: Generator) -> None:
    """Paint the bonnet in front of the camera."""
    x, height, z = canvas.camera.place.origin
    heading = canvas.drive.heading if canvas.drive else 0.0
    angle, colour = np.linspace(0, np.pi, 24), np.array(LACQUERS[rng.integers(len(LACQUERS))]) * rng.uniform(0.6, 1.2)
    wide, power = rng.uniform(0.8, 1.3), rng.uniform(0.3, 0.8)
    shift = rng.uniform(-0.4, 0.4)
    edge_line = np.stack([np.cos(angle) * wide + shift, 0 * angle, 0.4 + np.sin(angle) ** power], -1)
    place = Place.of(np.array([x, height - rng.uniform(0.36, 0.6), z]), heading)
    sky, gloss = float(canvas.light.horizon.mean()) / canvas.light.level, rng.uniform(0, 0.6)
    ridges = rng.uniform(0, 0.5)

    def lacquer(points: Array) -> Array:
        ahead = points[:, 2:3]
        mirror = np.clip(0.5 + 0.5 * canvas.noise.smooth(points[:, :1] * 12, ahead * 9), 0, 1) * gloss * sky
        ridge = 1 - ridges * np.exp(-(((np.abs(points[:, :1] - shift) - 0.45 * wide) / 0.05) ** 2))
        value: Array = rgb(colour) * (0.6 + 0.35 * ahead) * ridge + mirror * np.clip(ahead - 0.4, 0, 1) * 0.6
        return value

    canvas.paint(place, edge_line, "Void", lacquer, casts=False)
    if rng.random() < 0.2:  # a mascot
        star = [(shift - 0.02, 0, 1.3), (shift + 0.02, 0, 1.3), (shift + 0.015, 0.09, 1.3), (shift - 0.015, 0.09, 1.3)]
        canvas.paint(place, star, "Void", (150, 152, 155), casts=False)


def edge(canvas: Canvas, rng: Generator) -> None:
    """Paint a dark, slanted edge at the bottom: the foot of the windscreen with a wiper."""
    place = plane(canvas)
    side, shade = rng.choice([-1, 1]), rng.uniform(5, 60)
    aspect = canvas.camera.size[1] / canvas.camera.size[0]
    high, low, begin = rng.uniform(-0.96, -0.8), rng.uniform(-1.1, -0.97), rng.uniform(-aspect, 0.3)
    x = np.array([begin, (begin + aspect) / 2, aspect * 1.1, aspect * 1.1, begin]) * side
    y = np.array([low, (low + high) / 2 + 0.03, high, -1.2, -1.2])
    canvas.paint(place, flat(np.stack([x, y], 1)), "Void", np.full(3, shade), grain=(0.1, 90), casts=False)
    if rng.random() < 0.5:
        wiper = taper((x[0], low - 0.02), (x[2] * 0.8, high + 0.01), 0.03, 0.02)
        canvas.paint(place, wiper, "Void", np.full(3, shade * 0.5), casts=False)


def dashboard(canvas: Canvas, rng: Generator) -> None:
    """Paint the dashboard below the windscreen."""
    place, aspect = plane(canvas), canvas.camera.size[1] / canvas.camera.size[0]
    x = np.linspace(-1.1, 1.1, 15) * aspect
    top = rng.uniform(-0.95, -0.7) - rng.uniform(0, 0.12) * x**2 + 0.02 * rng.normal(size=15)
    outline = np.concatenate([np.stack([x, top], 1), [(aspect * 1.1, -1.2), (-aspect * 1.1, -1.2)]])
    shade = rng.uniform(8, 70)
    canvas.paint(place, flat(outline), "Void", np.full(3, shade), grain=(0.12, 60), casts=False)
    if rng.random() < 0.3:
        canvas.paint(
            place, upright(-0.25, 0.25, -1.2, float(top.max()) + 0.05), "Void", np.full(3, shade * 0.5), casts=False
        )
