"""What can be made of a segmented frame."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import MissingExtraError, UsageError
from streetseg.runtime.result import Polygon, Result

NAMES, COLOURS = ("road", "car", "sky"), ((128, 64, 128), (64, 0, 128), (128, 128, 128))


def result_of(classmap: NDArray[np.uint8]) -> Result:
    return Result(classmap, NAMES, COLOURS, np.zeros((*classmap.shape, 3), np.uint8), {"network": 1.0})


@pytest.fixture
def ring() -> Result:
    """A car with a hole in it, a second car of one pixel, on the road."""
    classmap = np.zeros((20, 30), np.uint8)
    classmap[4:12, 5:15] = 1
    classmap[7:9, 8:12] = 0
    classmap[18, 28] = 1
    return result_of(classmap)


def filled(polygons: list[Polygon], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of polygons: inside an outline or on it, but not inside a hole."""
    canvas = np.zeros(shape, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [polygon.outline], (1,))
        for hole in polygon.holes:
            inside = np.zeros(shape, np.uint8)
            cv2.fillPoly(inside, [hole], (1,))
            cv2.polylines(inside, [hole], True, (0,))
            canvas[inside > 0] = 0
    return canvas > 0


def test_a_class_as_a_mask(ring: Result) -> None:
    assert ring.mask("car").sum() == 80 - 8 + 1
    assert not ring.mask("sky").any()
    with pytest.raises(UsageError, match="did you mean 'car'"):
        ring.mask("cars")
    with pytest.raises(UsageError, match="there are road, car, sky"):
        ring.mask("zebra")


def test_polygons_give_the_class_map_back(ring: Result) -> None:
    polygons = ring.polygons()
    assert list(polygons) == ["road", "car"]
    assert [len(polygon.holes) for polygon in polygons["car"]] == [1, 0]  # the largest first
    for name, found in polygons.items():
        np.testing.assert_array_equal(filled(found, ring.classmap.shape), ring.mask(name))
    assert len(ring.polygons(smallest=2)["car"]) == 1
    assert len(ring.polygons(smallest=72)["car"]) == 1
    assert "car" not in ring.polygons(smallest=73)


def test_polygons_of_a_ragged_class_map() -> None:
    classmap = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(np.uint8)
    result = result_of(classmap)
    for name, found in result.polygons().items():
        np.testing.assert_array_equal(filled(found, classmap.shape), result.mask(name))


def test_polygons_without_opencv(ring: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streetseg\[opencv\]'"):
        ring.polygons()


def test_a_result_saves_itself(ring: Result, tmp_path: Path) -> None:
    overlay, classes = ring.save(tmp_path / "deep" / "car.png")
    assert (overlay.name, classes.name) == ("car.png", "car_classes.png")
    np.testing.assert_array_equal(np.asarray(Image.open(classes)), ring.classmap)
    np.testing.assert_array_equal(np.asarray(Image.open(overlay)), ring.overlay())


def test_pixels_without_a_class_are_in_no_share() -> None:
    result = result_of(np.array([[0, 1, 255, 255]], np.uint8))
    assert result.share() == {"road": 0.25, "car": 0.25}
