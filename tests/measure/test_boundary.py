"""The bands at borders agree with a plain search over all pairs of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE
from streetseg.measure.boundary import BoundaryCounts, border_distance, boundary_width
from streetseg.measure.metrics import confusion_matrix
from streetseg.streets.scene import render


def plain_distance(classes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Every pixel's distance to the nearest border pixel, by looking at all of them; infinity where there is none."""
    height, width = classes.shape
    border = []
    for y in range(height):
        for x in range(width):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < height and 0 <= u < width:
                    pair = classes[y, x], classes[v, u]
                    if pair[0] != pair[1] and IGNORE not in pair:
                        border.append((y, x))
    grid = np.moveaxis(np.mgrid[:height, :width], 0, -1)[:, :, None]
    points = np.array(border).reshape(-1, 2)
    return np.hypot(*np.moveaxis(grid - points, -1, 0)).min(2, initial=np.inf)


@st.composite
def maps(draw: st.DrawFn) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A label with void and a prediction, in blobs, of any small size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    blob = draw(st.integers(1, 6))
    coarse = rng.integers(0, 4, (2, *(-(-n // blob) for n in shape)), np.uint8)
    label, prediction = coarse.repeat(blob, 1).repeat(blob, 2)[:, : shape[0], : shape[1]].copy()
    label[rng.random(shape) < draw(st.sampled_from([0, 0.1, 0.9]))] = IGNORE
    return label, prediction


@settings(deadline=None)
@given(maps(), st.integers(1, 12))
def test_distances_are_those_of_a_plain_search(pair: tuple[NDArray[np.uint8], NDArray[np.uint8]], limit: int) -> None:
    label, _ = pair
    expected, found = plain_distance(label) ** 2, border_distance(label, limit)
    near = expected < limit**2
    np.testing.assert_array_equal(found[near], expected[near].round())
    assert (found[~near] >= limit**2).all()


@settings(deadline=None)
@given(maps(), st.integers(1, 8))
def test_counts_are_those_of_a_plain_search(pair: tuple[NDArray[np.uint8], NDArray[np.uint8]], k: int) -> None:
    label, prediction = pair
    counts = BoundaryCounts(4, (k,))
    counts.add(label, prediction)

    near = (plain_distance(label) < k) & (label != IGNORE)
    expected = confusion_matrix(np.where(near, label, np.uint8(IGNORE)), prediction, 4)
    np.testing.assert_array_equal(counts.trimap[k], expected)

    width = boundary_width(*label.shape)
    known = np.where(label == IGNORE, np.uint8(IGNORE), prediction)
    bands = plain_distance(label) < width, plain_distance(known) < width
    for index, iou in enumerate(counts.boundary_iou()):
        true, predicted = bands[0] & (label == index), bands[1] & (known == index)
        union = (true | predicted).sum()
        assert iou == pytest.approx((true & predicted).sum() / union if union else np.nan, abs=1e-12, nan_ok=True)


def test_a_perfect_prediction_scores_1_and_a_shifted_one_suffers_at_the_borders_first() -> None:
    label = render(0, (120, 160)).label
    perfect, shifted = BoundaryCounts(11, (1, 10)), BoundaryCounts(11, (1, 10))
    perfect.add(label, np.where(label == IGNORE, 0, label).astype(np.uint8))
    shifted.add(label, np.roll(np.where(label == IGNORE, 0, label), 2, axis=1).astype(np.uint8))
    assert np.nanmin(perfect.boundary_iou()) == 1
    assert np.nanmean(shifted.boundary_iou()) < 0.5
    wrong = [1 - np.trace(matrix) / matrix.sum() for matrix in shifted.trimap.values()]
    assert wrong[0] > wrong[1] > 0
