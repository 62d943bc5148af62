"""Develop a drawn canvas into a frame: light, air, lens and sensor."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from streetseg.streets.canvas import Drawn
from streetseg.streets.world import SURFACES, Bytes, Light

GROUND = np.isin(SURFACES, ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv", "Sidewalk", "VegetationMisc"))


def develop(drawn: Drawn, light: Light, rng: Generator, grain_rng: Generator) -> tuple[Bytes, Bytes]:
    """Add shadows, haze, exposure, vignette, blur and grain.

    Returns:
        The frame, H x W x 3, and its surfaces, H x W.
    """
    colour = drawn.colour
    height, width = colour.shape[1:3]
    shade = 1 - drawn.shadow * GROUND[drawn.surface] * np.float32(1 - light.ambient)
    colour *= shade[..., None]
    clear = np.exp(drawn.depth * np.float32(-1 / light.visibility))
    clear[drawn.depth == np.inf] = 1
    horizon = (light.horizon * 0.9).astype(np.float32)
    colour -= horizon
    colour *= clear[..., None]
    colour += horizon

    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    exposure = rng.uniform(0.85, 1.3) * (1 - rng.uniform(0.05, 0.2) * (x**2 + y**2))
    frame = colour.mean(0) * exposure[..., None].astype(np.float32) * rng.normal(1, 0.012, 3).astype(np.float32)
    curve = 255 * (np.arange(1024) / 1023) ** rng.uniform(1.05, 1.45)
    np.clip(frame, 0, 255, out=frame)
    tones = curve.astype(np.uint8)[(frame * np.float32(1023 / 255)).astype(np.int32)]
    blur = ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7) * height / 360)
    soft = np.asarray(Image.fromarray(tones).filter(blur))
    grain = grain_rng.standard_normal(frame.shape, np.float32) * np.float32(rng.uniform(1, 4))
    return np.clip(soft + grain, 0, 255).astype(np.uint8), voted(drawn.surface)


def voted(samples: Bytes) -> Bytes:
    """Return the surface of each pixel: the one that two or more of its four samples have, or the first sample's."""
    a, b, c, d = samples
    most: Bytes = np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))
    return most
