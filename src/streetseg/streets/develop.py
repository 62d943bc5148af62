"""Develop a drawn canvas into a frame: light, air, lens and sensor."""

from __future__ import annotations

import io

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from streetseg.streets.drawing import Drawn
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
    frame = colour.mean(0)
    below = frame[height // 3 :].mean()
    # The camera meters the scene, and is wrong now and then.
    target = rng.lognormal(np.log(96), 0.3) * (1 if light.level > 0.65 else rng.uniform(0.3, 0.8))
    exposure = np.clip(target / max(below, 1), 0.4, 4) * (1 - rng.uniform(0.02, 0.2) * (x**2 + y**2))
    frame *= exposure[..., None] * rng.normal(1, 0.03, 3).astype(np.float32)
    colourful = rng.uniform(0.55, 1.15)
    grey = frame.mean(2, keepdims=True)
    frame = grey + (frame - grey) * np.float32(colourful)
    np.clip(frame, 0, 255, out=frame)
    tones = tone_curve(rng)[(frame * np.float32(1023 / 255)).astype(np.int32)]
    image = Image.fromarray(tones)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 0.6) * height / 360))
    if rng.random() < 0.65:
        image = image.filter(
            ImageFilter.UnsharpMask(rng.uniform(0.6, 1.4) * height / 360, int(rng.uniform(40, 260)), 0)
        )
    grain = grain_rng.standard_normal(frame.shape[:2], np.float32) * np.float32(rng.uniform(0.3, 4))
    if rng.random() < 0.5:
        grain = grain[..., None] + grain_rng.standard_normal(frame.shape, np.float32) * np.float32(rng.uniform(0.3, 3))
    else:
        grain = grain[..., None]
    noisy = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        noisy = compressed(noisy, int(rng.uniform(35, 95)))
    return noisy, voted(drawn.surface)


def tone_curve(rng: Generator) -> Bytes:
    """Return the brightness, 0 to 255, of 1024 steps of exposure: a gamma and a soft contrast."""
    x = (np.arange(1024) / 1023) ** rng.uniform(0.6, 1.2)
    contrast = rng.uniform(0, 0.5)
    curve = x + contrast * (x * x * (3 - 2 * x) - x)
    black = rng.uniform(0, 14)
    steps: Bytes = (black + (255 - black) * curve).astype(np.uint8)
    return steps


def compressed(frame: Bytes, quality: int) -> Bytes:
    """Return the frame after JPEG compression."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.array(image)


def voted(samples: Bytes) -> Bytes:
    """Return the surface of each pixel: the one that two or more of its four samples have, or the first sample's."""
    a, b, c, d = samples
    most: Bytes = np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))
    return most
