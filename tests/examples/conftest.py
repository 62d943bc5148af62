"""Frames and artefacts for readers of the card other than ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.tiny import write_tiny

# With the card's short side of 24: reduced, enlarged by the operating scale, of one row, and with halves to round.
SIZES = [(36, 50), (24, 31), (1, 9), (25, 30), (61, 40)]


@pytest.fixture(scope="package")
def frames() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.fixture(scope="package")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both conventions of corners; frames made smaller and larger."""
    folder = tmp_path_factory.mktemp("artefacts")
    return [
        write_tiny(folder / f"{align}_{scale}.onnx", align_corners=align, operating_scale=scale, native_short_side=24)
        for align, scale in ((False, 1.5), (True, 0.75))
    ]
