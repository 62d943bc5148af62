"""Polygons of class maps: there and back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from streetseg.bulk.prelabel.agreement import Agreement
from streetseg.bulk.prelabel.regions import painted, regions
from streetseg.data.pairs import IGNORE
from streetseg.streets.scene import render


def noisy(seed: int, size: tuple[int, int] = (23, 37)) -> np.ndarray:
    """Small regions of all kinds: with holes, that touch at corners, at borders, of one pixel."""
    return np.random.default_rng(seed).integers(0, 3, size).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_without_tolerance_every_pixel_comes_back(seed: int) -> None:
    label = noisy(seed)
    np.testing.assert_array_equal(painted((23, 37), regions(label)), label)


@pytest.mark.parametrize("seed", range(3))
def test_every_pixel_comes_back_where_tools_round_down_and_fill_the_outline(seed: int) -> None:
    label = noisy(seed)
    canvas = Image.new("L", (37, 23), IGNORE)
    for region in regions(label):
        ImageDraw.Draw(canvas).polygon([(x, y) for x, y in region.outline.astype(int).tolist()], fill=region.index)
    np.testing.assert_array_equal(np.asarray(canvas), label)


def test_regions_that_cross_at_corners_do_not_hide_what_they_enclose() -> None:
    """A ring with a diagonal gap, through which another class would be one region with 8 neighbours."""
    label = np.zeros((7, 7), np.uint8)
    label[1:6, 1:6] = 1
    label[2:5, 2:5] = 0
    label[1, 1] = 0
    np.testing.assert_array_equal(painted((7, 7), regions(label)), label)


def test_tolerance_takes_corners_and_keeps_the_shape() -> None:
    label = render(1, (96, 128)).label
    agreement = Agreement(int(label[label < IGNORE].max()) + 1)
    exact, simple = regions(label), regions(label, 1.0)
    assert len(exact) == len(simple)
    assert sum(len(each.outline) for each in simple) < 0.6 * sum(len(each.outline) for each in exact)
    agreement.add(label, painted((96, 128), simple))
    iou = agreement.iou()
    assert iou is not None
    assert 0.8 < iou < 1


def test_small_regions_are_covered_by_what_is_around_them() -> None:
    label = np.zeros((9, 9), np.uint8)
    label[4, 4] = 1
    assert [region.index for region in regions(label, smallest=2)] == [0]
    assert (painted((9, 9), regions(label, smallest=2)) == 0).all()


def test_agreement_is_the_mean_iou_of_the_classes_present() -> None:
    agreement = Agreement(3)
    assert agreement.iou() is None
    agreement.add(np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, IGNORE, 1]], np.uint8))
    assert agreement.iou() == pytest.approx((2 / 3 + 1) / 2)
