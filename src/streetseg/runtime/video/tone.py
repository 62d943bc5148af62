"""Map HDR video (PQ and HLG, BT.2020 colours) to plain video (BT.709), as a table of colours for FFmpeg's lut3d."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18  # transfer characteristics, ITU-T H.273
WHITE = 203.0  # cd/m2 of diffuse white in HDR (ITU-R BT.2408); it becomes the white of plain video
PEAK = 1000.0  # cd/m2 of the brightest highlights, where a video does not say them
DARKEST_PEAK, BRIGHTEST_PEAK = 100.0, 10_000.0
GAMMA = 2.4  # of a display of plain video (ITU-R BT.1886)
SIDE = 33  # points of the table along each colour

# BT.2100, table 4
M1, M2 = 2610 / 16384, 2523 / 4096 * 128
C1, C2, C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# BT.2100, table 5
HLG_A = 0.17883277
HLG_B, HLG_C = 1 - 4 * HLG_A, 0.5 - HLG_A * np.log(4 * HLG_A)
HLG_GAMMA = 1.2  # of the display at PEAK
LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
BT2020_TO_BT709 = np.array(  # BT.2087, inverted
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)


def pq_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light in cd/m2 of PQ values from 0 to 1."""
    power = np.clip(code, 0, 1) ** (1 / M2)
    return 10_000 * (np.clip(power - C1, 0, None) / (C2 - C3 * power)) ** (1 / M1)


def pq_code(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the PQ values, 0 to 1, of light in cd/m2."""
    power = (np.clip(light, 0, 10_000) / 10_000) ** M1
    return np.asarray(((C1 + C2 * power) / (1 + C3 * power)) ** M2)


def hlg_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light in cd/m2 of HLG values from 0 to 1 on a display of PEAK; the last axis is RGB."""
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - HLG_C) / HLG_A) + HLG_B) / 12)
    luminance = (scene @ LUMA)[..., None]
    return np.asarray(PEAK * np.maximum(luminance, 1e-9) ** (HLG_GAMMA - 1) * scene)


def compressed(light: NDArray[np.float64], peak: float) -> NDArray[np.float64]:
    """Return light up to `peak` brought below WHITE, in cd/m2: darker light stays, highlights bend (ITU-R BT.2390)."""
    if peak <= WHITE:
        return np.minimum(light, WHITE)
    top = pq_code(np.array(peak))
    value, white = pq_code(light) / top, float(pq_code(np.array(WHITE)) / top)
    knee = 1.5 * white - 0.5
    t = np.clip((value - knee) / (1 - knee), 0, 1)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * white
    )  # a cubic from the knee on, with its slope there 1 and at the peak 0
    return pq_light(np.where(value < knee, value, bent) * top)


def to_plain(code: NDArray[np.float64], transfer: int, peak: float = PEAK) -> NDArray[np.float64]:
    """Return HDR colours as plain ones.

    Args:
        code: ... x 3, RGB of BT.2020 in the transfer's values, 0 to 1.
        transfer: PQ or HLG.
        peak: cd/m2 of the brightest highlights.

    Returns:
        ... x 3, RGB of BT.709, 0 to 1.
    """
    light = pq_light(code) if transfer == PQ else hlg_light(code)
    light = np.clip(light @ BT2020_TO_BT709.T, 0, None)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-9)  # its channels bend together: hues stay
    light *= compressed(brightest, peak) / brightest
    return np.asarray(np.clip(light / WHITE, 0, 1) ** (1 / GAMMA))


def write_table(path: Path, transfer: int, peak: float) -> None:
    """Write the table of colours as NAME.cube."""
    axis = np.linspace(0, 1, SIDE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red runs fastest
    plain = to_plain(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer, peak)
    lines = "\n".join(f"{r:.5f} {g:.5f} {b:.5f}" for r, g, b in plain.tolist())
    path.write_text(f"LUT_3D_SIZE {SIDE}\n{lines}\n", encoding="ascii")
