"""Run lengths against pycocotools on masks of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from streetseg.data.coco_runs import class_runs, compressed


def check(mask: NDArray[np.bool_]) -> None:
    runs = class_runs(mask.view(np.uint8)).get(1, np.array([mask.size]))  # without a pixel: zeros only
    assert compressed(runs) == coco.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_random_masks(height: int, width: int, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    check(mask)


@pytest.mark.parametrize("shape", [(1, 1), (3000, 2000)])
def test_long_runs(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.bool_)
    for _ in range(2):
        check(mask)
        mask[shape[0] // 3 :] = True
