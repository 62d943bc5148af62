"""Textures of house fronts: masonry, windows, doors, shops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from streetseg.streets.canvas import Canvas
from streetseg.streets.textures import Texture, rgb
from streetseg.streets.world import Array

BRICKS = [(142, 96, 76), (122, 84, 70), (104, 78, 66), (132, 116, 90), (160, 140, 106), (92, 76, 66)]
PLASTERS = [(206, 203, 196), (196, 184, 160), (170, 168, 164), (214, 208, 190), (180, 150, 130), (150, 160, 165)]
STONES = [(120, 112, 100), (96, 92, 86), (140, 136, 128), (80, 78, 76), (150, 140, 120)]
PANELS = [(110, 114, 118), (70, 74, 80), (150, 152, 152), (60, 66, 70), (120, 100, 90)]
SHOPS = [(40, 66, 92), (120, 34, 36), (36, 82, 62), (44, 44, 48), (150, 110, 50), (190, 188, 182), (30, 40, 110),
         (170, 70, 30), (28, 28, 30), (200, 196, 190)]  # fmt: skip


def wall_colour(rng: Generator, style: float) -> Array:
    """Return the colour of a wall: bricks, plaster, stone or panels, by style; faded."""
    palette = (BRICKS, BRICKS, PLASTERS, STONES, PANELS)[min(int(style * 5), 4)]
    colour = np.array(palette[rng.integers(len(palette))], float) * rng.uniform(0.6, 1.15)
    grey = colour.mean()
    faded: Array = grey + (colour - grey) * rng.uniform(0.25, 1.0)
    return faded


@dataclass(frozen=True)
class Facade:
    """A house front.

    Attributes:
        texture: Its colours: points in metres, x from the middle of the front, y from the ground.
        masonry: Colours of the same wall without windows.
        trim: Colour of ledges.
        storey: Height of a storey in metres.
        shop: True if there is a shop on the ground floor.
    """

    texture: Texture
    masonry: Texture
    trim: Array
    storey: float
    shop: bool

    @staticmethod
    def sample(canvas: Canvas, rng: Generator, width: float, storey: float, floors: int, style: float) -> Facade:
        """Draw a front: windows in bays and storeys, a door, perhaps a shop."""
        noise, light = canvas.noise, canvas.light
        wall, modern, gothic = wall_colour(rng, style), style > 0.8, 0.6 < style < 0.7
        rough, bricks = rng.uniform(0.02, 0.1), style < 0.4

        def masonry(points: Array) -> Array:
            along, y = points[:, 0] + points[:, 2], points[:, 1]
            value = 1 + 0.09 * noise.smooth(along * 4, y * 3)
            if bricks:
                value += rough * noise.fine(along * 4.4, y * 13)
            else:
                value += rough * noise.fine(along * 1.2, y * 2.4)
            value -= 0.15 * np.exp(-y * 2)  # dirt above the ground
            return value[:, None] * rgb(wall)

        bays = max(1, round(width / rng.uniform(1.2, 2.2) if gothic else width / rng.uniform(1.9, 3.6)))
        wide, tall = rng.uniform(0.3, 0.66), rng.uniform(0.42, 0.66)
        if modern:
            wide, tall = rng.uniform(0.6, 1.0), rng.uniform(0.45, 0.85)
        elif gothic:
            wide, tall = rng.uniform(0.3, 0.5), rng.uniform(0.7, 0.9)
        trim = wall * rng.uniform(0.6, 1.0) if rng.random() < 0.4 else np.full(3, rng.uniform(90, 225))
        ledge, bars, blind = rng.uniform(0, 0.09), rng.integers(0, 4), rng.random() < 0.1
        pane, mirror, spread = rng.uniform(14, 60), rng.uniform(0, 0.7), rng.uniform(5, 40)
        sky = float(np.clip(light.zenith.mean() / light.level, 40, 240))
        lit = (1.0 / light.level - 1) * rng.uniform(0, 1) * 90 if light.level < 0.7 else 0.0
        shop = bool(rng.random() < (0.5 if floors > 1 else 0.25))
        fascia, inside, letters = (
            np.array(SHOPS[i], float) * rng.uniform(0.6, 1.1) for i in rng.integers(len(SHOPS), size=3)
        )
        low, high = rng.uniform(0.06, 0.25), rng.uniform(0.7, 0.8)
        seed, door_bay, goods = rng.uniform(0, 200), rng.integers(bays), rng.uniform(0.2, 0.7)
        glow = rng.uniform(0.4, 1.3) / light.level**0.5

        def texture(points: Array) -> Array:
            x, y = points[:, 0], points[:, 1]
            u, v = x * (bays / width) + bays / 2, y / storey
            bay, floor = np.floor(u), np.floor(v)
            across, up = np.abs(u - bay - 0.5) * 2, v - floor  # shares of half a bay and of a storey
            off = np.abs(up - 0.52)
            colour = masonry(points)
            ground = v < 1
            if ledge:
                colour[(up < ledge * 0.5) & ~ground] = trim
            if not blind:
                frame = (across < wide + 0.08) & (off < tall / 2 + 0.03)
                glass = (across < wide) & (off < tall / 2)
                if bars:
                    split = np.abs((across / wide * bars) % 1 - 0.5) * 2
                    glass &= (split > 0.12) | (across > wide * 0.98)
                    glass &= np.abs(up - 0.55) > 0.012
                colour[frame] = trim
                at = np.nonzero(glass)[0]
                room = noise.fine(bay[at] + seed, floor[at] * 7)
                value = (
                    pane
                    + spread * np.maximum(room, -0.6)
                    + mirror * (sky - pane) * np.clip(up[at] * 0.5 + v[at] * 0.12, 0, 1)
                )
                value = value + lit * (room > 0.6)
                colour[at] = np.clip(value, 8, 250)[:, None] * rgb((0.94, 1.0, 1.06))
            if not shop:
                door = ground & (bay == door_bay) & (across < 0.4) & (up < 0.7)
                colour[door] = fascia * 0.8
                return colour
            at = np.nonzero(ground)[0]
            px, py, pu = x[at], y[at], up[at]
            front = np.empty((len(at), 3), np.float32)
            front[:] = fascia
            written = (np.abs(pu - (high + 1) / 2) < 0.06) & (noise.fine(px * 5 + seed, np.floor(px * 0.25)) > 0.1)
            written &= noise.fine(np.floor(px * 0.3), np.full(1, seed)) > -0.4
            front[written] = letters
            display = (pu > low) & (pu < high) & (across[at] < 0.92)
            value = (
                glow
                * (inside * 0.35)[None]
                * (1 + goods * noise.fine(px[display] * 3, py[display] * 3 + seed))[:, None]
            )
            value += (mirror * 0.5 * sky * np.clip(noise.smooth(px[display] * 6 + seed, py[display] * 9), 0, 1))[
                :, None
            ]
            tint = noise.fine(np.floor(px[display] * 2), np.floor(py[display] * 2) + seed)[:, None] * rgb(
                (1, 0.2, -0.7)
            )
            front[display] = np.clip(value * (1 + 0.35 * tint) + 8, 6, 255)
            colour[at] = front
            return colour

        return Facade(texture, masonry, trim, storey, shop)
