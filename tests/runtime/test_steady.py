"""Motion between frames, smoothing along it, and the flicker that it takes away."""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from streetseg.errors import MissingExtraError
from streetseg.measure.flicker import FlickerMeter
from streetseg.runtime.motion import MotionFinder, moved
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.steady import Steady
from streetseg.streets.scene import render


@cache
def street() -> NDArray[np.uint8]:
    return render(5, (200, 260)).frame


def panned(dx: int, dy: int, count: int, noise: int = 0) -> list[NDArray[np.uint8]]:
    """Views of 160 x 200 pixels that move over the street."""
    rng = np.random.default_rng(0)
    views = [street()[dy * i : dy * i + 160, dx * i : dx * i + 200].astype(int) for i in range(count)]
    return [np.clip(view + rng.integers(-noise, noise + 1, view.shape), 0, 255).astype(np.uint8) for view in views]


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (6, 0), (3, 4)])
def test_motion_finds_where_pixels_were(dx: int, dy: int) -> None:
    find = MotionFinder()
    first, second = panned(dx, dy, 2)
    assert find(first) is None
    motion = find(second)
    assert motion is not None
    places, known = motion.at(160, 200)
    assert known.mean() > 0.7
    rows, columns = np.mgrid[:160, :200]
    off = np.hypot(places[..., 0] - (columns + dx), places[..., 1] - (rows + dy))[known]
    assert np.median(off) < 0.5
    assert (off < 1.5).mean() > 0.9
    assert find(first[:80]) is None  # another size


def test_motion_is_unknown_where_the_picture_is_new() -> None:
    find = MotionFinder()
    find(street())
    motion = find(np.ascontiguousarray(street()[::-1, ::-1]))
    assert motion is not None
    assert motion.known.mean() < 0.3


def test_values_are_moved_bilinearly() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    places = np.array([[[0, 0], [1.5, 0], [3, 2], [0.5, 0.5], [9, 9], [-5, 1]]], np.float32)
    np.testing.assert_allclose(moved(values, places)[0, :, 0], [0, 1.5, 11, 2.5, 11, 4])


def test_a_class_map_that_moves_along_does_not_flicker() -> None:
    frames = panned(4, 2, 4)
    classes = np.digitize(np.asarray(render(5, (200, 260)).label), range(11)).astype(np.uint8)
    find, along, torn = MotionFinder(), FlickerMeter(), FlickerMeter()
    for i, frame in enumerate(frames):
        motion, classmap = find(frame), classes[2 * i : 2 * i + 160, 4 * i : 4 * i + 200]
        along.add(motion, classmap)
        torn.add(motion, classmap if i % 2 else np.full_like(classmap, 200))
    assert along.followed > 0.6 * along.pixels
    assert along.share < 0.005
    assert torn.share == 1


@pytest.mark.slow
def test_smoothing_takes_flicker_away_and_keeps_the_classes() -> None:
    segmenter = Segmenter.open()
    smooth = Steady(segmenter)
    plain_meter, steady_meter = FlickerMeter(), FlickerMeter()
    agreed = []
    for frame in panned(4, 2, 8, noise=14):
        result = segmenter(frame, logits=True)
        steady = smooth(result)
        assert steady.logits is None
        assert list(steady.milliseconds) == ["network", "class map", "steady"]
        plain_meter.add(smooth.motion, result.classmap)
        steady_meter.add(smooth.motion, steady.classmap)
        agreed.append((steady.classmap == result.classmap).mean())
    assert agreed[0] == 1  # nothing before the first frame
    assert min(agreed) > 0.85
    assert steady_meter.share < 0.7 * plain_meter.share


def test_smoothing_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streetseg\[opencv\]'"):
        MotionFinder()
