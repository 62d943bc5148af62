"""COCO's run-length masks, beside pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from streetseg.data.polygons import draw
from streetseg.data.runs import ColumnRuns, runs


def random_mask(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 40, 2)) < rng.choice([0, 0.02, 0.5, 0.98, 1])
    return np.kron(mask, np.ones((seed % 9 + 1, seed % 7 + 1))).astype(np.uint8)


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_runs_are_read_as_pycocotools_writes_them(seed: int) -> None:
    mask = random_mask(seed)
    packed = coco_mask.encode(np.asfortranarray(mask))
    size = list(mask.shape)
    compressed = runs({"size": size, "counts": packed["counts"].decode()})
    assert isinstance(compressed, ColumnRuns)
    plain = runs({"size": size, "counts": compressed.lengths.tolist()})
    for area in (compressed, plain):
        np.testing.assert_array_equal(draw((size[0], size[1]), [(1, area)], background=0), mask)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"has the size None; expected \[height, width\]"),
        ({"counts": [4]}, "has the size None"),
        ({"size": [2, 2]}, "has no counts"),
        ({"size": [2, 2], "counts": [1, "2", 1]}, "has no counts"),
        ({"size": [2, 2], "counts": [5]}, r"runs are 5 pixels long, its size \[2, 2\] has 4"),
        ({"size": [2, 2], "counts": [-1, 5]}, "shorter than 0"),
        ({"size": [2, 2], "counts": [2**70, 5]}, "shorter than 0|pixels long"),
        ({"size": [10**9, 10**9], "counts": [5]}, "has the size"),
        ({"size": [2, 2], "counts": "~~"}, "text is damaged"),
        ({"size": [2, 2], "counts": ""}, "text is damaged"),
        ({"size": [2, 2], "counts": "PPPPPPPPPPPPPPPP"}, "text is damaged"),
        ({"size": [2, 2], "counts": "ü"}, "text is damaged"),
    ],
)
def test_damaged_runs_are_told(content: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        draw((2, 2), [(0, runs(content))])


def test_runs_of_another_size_are_told() -> None:
    with pytest.raises(ValueError, match="a run-length mask is 2 x 2, its frame is 3 x 2"):
        draw((2, 3), [(0, runs({"size": [2, 2], "counts": [0, 4]}))])
