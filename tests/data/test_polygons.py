"""The rule of drawing: by examples, against a plain way, and beside pycocotools and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from streetseg.data.pairs import IGNORE
from streetseg.data.polygons import Area, Bitmap, Faulty, Parts, Polygon, box, corners, draw, ellipse, fill, polygon


def plain(rings: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Return the pixels whose centres are inside, edge by edge and pixel by pixel."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.zeros((height, width), bool)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0), strict=True):
            if y0 != y1:
                crossed = (y >= min(y0, y1)) & (y < max(y0, y1))
                inside ^= crossed & (x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x)
    return inside


def blob(seed: int, height: int, width: int, whole: bool = False) -> np.ndarray:
    """Return a polygon around a place, inside a frame."""
    rng = np.random.default_rng(seed)
    turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 25))))
    radii = rng.uniform(0.3, 1, len(turns)) * rng.uniform(5, min(height, width) / 2)
    middle = rng.uniform(0, 1, 2) * (width, height)
    ring = np.clip(middle + radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1), 0, (width, height))
    return np.round(ring) if whole else ring


def painted(area: Area, height: int, width: int) -> np.ndarray:
    return draw((height, width), [(1, area)], background=0) == 1


def test_a_box_has_exactly_its_pixels() -> None:
    label = draw((6, 8), [(3, box(1, 2, 5, 4))])
    expected = np.full((6, 8), IGNORE, np.uint8)
    expected[2:4, 1:5] = 3
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(draw((6, 8), [(3, box(5, 4, 1, 2))]), expected)
    np.testing.assert_array_equal(draw((6, 8), [(3, box(1.5, 2.5, 5.5, 4.5))]), expected)  # centres on the left edge


def test_neighbours_neither_overlap_nor_leave_a_gap() -> None:
    middle = [[20.3, -5.0], [31.7, 18.2], [7.5, 33.3], [24.5, 60.0]]
    left = Polygon((np.array([[-9.0, -5.0], *middle, [-9.0, 60.0]]),))
    right = Polygon((np.array([[90.0, -5.0], *middle, [90.0, 60.0]]),))
    one, other = painted(left, 50, 40), painted(right, 50, 40)
    assert (one ^ other).all()


def test_inside_is_even_odd_and_parts_are_joined() -> None:
    outer, hole = np.array([[0, 0], [9, 0], [9, 9], [0, 9]]), np.array([[3, 3], [6, 3], [6, 6], [3, 6]])
    ring = painted(Polygon((outer, hole)), 9, 9)
    assert ring.sum() == 81 - 9
    assert not ring[3:6, 3:6].any()
    assert painted(Parts((box(0, 0, 5, 5), box(2, 2, 8, 8))), 9, 9).sum() == 25 + 36 - 9
    turns = np.arange(5) * 4 * np.pi / 5
    star = np.stack([50 + 45 * np.cos(turns), 50 + 45 * np.sin(turns)], 1)
    assert not painted(Polygon((star,)), 100, 100)[50, 50]


def test_later_shapes_cover_earlier_ones_and_may_leave_the_frame() -> None:
    bitmap = Bitmap(np.ones((4, 4), bool), left=-2, top=6)
    label = draw((8, 8), [(0, box(-5, -5, 20, 20)), (1, box(4, -9, 99, 4)), (2, bitmap), (7, box(50, 50, 60, 60))])
    expected = np.zeros((8, 8), np.uint8)
    expected[:4, 4:] = 1
    expected[6:, :2] = 2
    np.testing.assert_array_equal(label, expected)


@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_polygon_has_the_pixels_whose_centres_are_inside(seed: int, whole: bool, rings: int) -> None:
    height, width = (int(side) for side in np.random.default_rng(seed).integers(1, 150, 2))
    outlines = [blob(seed + i, height + 20, width + 20, whole) - 10 for i in range(rings)]
    label = np.zeros((height, width), np.uint8)
    fill(label, outlines, 1)
    np.testing.assert_array_equal(label == 1, plain(outlines, height, width))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
def test_pycocotools_draws_the_same_but_for_pixels_on_the_border() -> None:
    """Its rule rounds a border to fifths of a pixel. Pillow fills every pixel that the border touches."""
    mine_total, coco_total, pillow_total, border_total, different = 0, 0, 0, 0, 0
    for seed in range(150):
        height, width = (int(side) for side in np.random.default_rng(seed).integers(40, 200, 2))
        ring = blob(seed, height, width, whole=seed % 4 == 0)
        mine = painted(Polygon((ring,)), height, width)
        packed = coco_mask.merge(coco_mask.frPyObjects([ring.ravel().tolist()], height, width))
        coco = coco_mask.decode(packed) > 0
        picture = Image.new("1", (width, height))
        ImageDraw.Draw(picture).polygon([(x, y) for x, y in ring.tolist()], fill=1)
        around = np.pad(coco, 1).astype(int)
        border = np.abs(np.diff(around, axis=0)).sum() + np.abs(np.diff(around, axis=1)).sum()
        near = np.zeros_like(coco)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                for mask in (mine, coco):
                    near |= np.roll(np.pad(mask, 1), (down, right), (0, 1))[1:-1, 1:-1] != mask
        assert not ((mine != coco) & ~near).any(), seed
        mine_total, coco_total = mine_total + int(mine.sum()), coco_total + int(coco.sum())
        pillow_total, border_total = pillow_total + int(np.asarray(picture).sum()), border_total + int(border)
        different += int((mine != coco).sum())
    assert different < 0.05 * border_total
    assert abs(mine_total / coco_total - 1) < 0.002
    assert pillow_total / coco_total > 1.03


def test_circles_and_ellipses_have_their_area() -> None:
    for area, expected in ((ellipse(50, 40, 20, 20), np.pi * 400), (ellipse(50, 40, 30, 10, 30), np.pi * 300)):
        mask = painted(area, 80, 100)
        assert abs(mask.sum() / expected - 1) < 0.01
    rows, columns = np.nonzero(painted(ellipse(50, 40, 30, 5, 45), 80, 100))
    assert np.corrcoef(rows, columns)[0, 1] > 0.9  # turned clockwise: down to the right


def test_corners_of_tools_that_count_pixels_reach_the_border() -> None:
    size = (48, 64)
    area = polygon([[0, 0], [63, 0], [63, 47], [0, 47]], to_border=size)
    assert area is not None
    assert painted(area, *size).all()
    area = polygon([[0, 0], [62, 0], [62, 46], [0, 46]], to_border=size)
    assert area is not None
    assert painted(area, *size).sum() == 62 * 46


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([1, 2, 3, 4, 5], "5 numbers, an odd count"),
        ([[1, 2], [3, float("nan")], [5, 6]], "a corner that is no number"),
        ([[1, 2], [3, float("inf")], [5, 6]], "a corner that is no number"),
        ([[1, 2, 3], [3, 4, 5], [5, 6, 7]], "the shape"),
        ([["a", "b"], ["c", "d"], ["e", "f"]], "not numbers"),
        ([[1, 2], [3], [5, 6]], "not numbers"),
        ({"x": 1}, "not numbers"),
        (None, "the shape"),
    ],
)
def test_what_is_no_polygon_is_told_when_it_is_drawn(points: object, reason: str) -> None:
    area = polygon(points)
    assert isinstance(area, Faulty)
    with pytest.raises(ValueError, match=reason):
        draw((4, 4), [(0, area)])


def test_fewer_than_three_corners_have_no_area() -> None:
    assert polygon([]) is None
    assert polygon([1, 2, 3, 4]) is None
    assert isinstance(corners([[1, 2]]), np.ndarray)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (10**6, 3), (60000, 60000)])
def test_nonsense_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="which no picture has"):
        draw(size, [])


def test_wide_coordinates_are_cut_off() -> None:
    assert painted(box(-1e12, -1e12, 1e12, 1e12), 20, 30).all()
    assert not painted(Polygon((np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]),)), 20, 30).any()
