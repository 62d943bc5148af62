"""Overlays of made-up scenes: the colours, the borders, the shares, and where the legend is and is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from streetseg.runtime.kernel import binding
from streetseg.runtime.overlay import LEGEND_MIN_SIDE, overlay, percent, share

pytestmark = pytest.mark.usefixtures("form")

NAMES = ["road", "sidewalk", "building", "a class with a rather long name"]
COLOURS = [(128, 64, 128), (244, 35, 232), (70, 70, 70), (0, 255, 0)]
GREY = 100


def scene(height: int, width: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A grey frame, and a map of vertical bands: half of class 0, a quarter of class 1, ... the rest of the last."""
    classmap = np.full((height, width), classes - 1, np.uint8)
    left = 0
    for index in range(classes - 1):
        right = left + max(1, (width - left) // 2)
        classmap[:, left:right] = index
        left = right
    return np.full((height, width, 3), GREY, np.uint8), classmap


def drawn(height: int, width: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """The overlay with its legend, and the pixels, H x W, in which it differs from the one without."""
    frame, classmap = scene(height, width, classes)
    with_legend = overlay(frame, classmap, NAMES, COLOURS)
    without = overlay(frame, classmap, NAMES, COLOURS, legend=False)
    return with_legend, (with_legend != without).any(2)


@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.5, 1.0])
def test_colours_are_blended(opacity: float) -> None:
    frame, classmap = scene(40, 80)
    before = frame.copy(), classmap.copy()
    picture = overlay(frame, classmap, NAMES, COLOURS, opacity=opacity, legend=False)
    assert picture.dtype == np.uint8
    assert picture.shape == frame.shape
    inside = classmap[:, :-1] == classmap[:, 1:]
    expected = GREY * (1 - opacity) + np.array(COLOURS)[classmap] * opacity
    assert np.abs(picture - expected)[:, :-1][inside].max() <= 1
    np.testing.assert_array_equal(frame, before[0])
    np.testing.assert_array_equal(classmap, before[1])


def test_borders_show_more_of_their_colour() -> None:
    frame, classmap = scene(40, 80)
    classmap[20:, 60:] = 0
    picture = overlay(frame, classmap, NAMES, COLOURS, legend=False)

    def distance(row: int, column: int) -> int:
        return int(np.abs(picture[row, column].astype(int) - COLOURS[classmap[row, column]]).sum())

    assert distance(5, 39) < distance(5, 38)  # column 39 is the last of class 0
    assert distance(19, 70) < distance(18, 70)  # row 19 is the last above the patch
    assert distance(5, 40) == distance(5, 41)  # one pixel wide


@pytest.mark.parametrize("threads", [1, 3])
def test_the_forms_agree_to_the_bit(threads: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if form == "python":
        pytest.skip("compared with the compiled form")
    monkeypatch.setattr(binding, "PIXELS_PER_THREAD", 1)
    rng = np.random.default_rng(3)
    frame, classmap = rng.integers(0, 256, (97, 131, 3), np.uint8), rng.integers(0, 3, (97, 131), np.uint8)
    classmap[:, 40:] = 1
    classmap[50:, 90:] = 255  # ignored
    for opacity in (0, 0.1, 0.5, 1):
        picture = np.empty_like(frame)
        options: dict[str, Any] = {"opacity": opacity, "legend": False}
        assert overlay(frame, classmap, NAMES, COLOURS, **options, out=picture, threads=threads) is picture
        with monkeypatch.context() as patch:
            patch.setattr(binding, "load", lambda: None)
            np.testing.assert_array_equal(overlay(frame, classmap, NAMES, COLOURS, **options), picture)


def test_arrays_that_do_not_fit_are_refused() -> None:
    frame, classmap = scene(40, 80)
    for wrong in (frame.astype(np.float32), frame[..., 0], frame[..., :2]):
        with pytest.raises(ValueError, match="expected a frame of uint8, H x W x 3, got"):
            overlay(wrong, classmap, NAMES, COLOURS)  # type: ignore[arg-type]
    for wrong in (classmap.astype(np.int64), classmap[1:], np.zeros((4000, 4000), np.uint8)):
        with pytest.raises(ValueError, match=r"expected a class map of uint8, \(40, 80\), got"):
            overlay(frame, wrong, NAMES, COLOURS)  # type: ignore[arg-type]
    read_only = frame.copy()
    read_only.flags.writeable = False
    for out in (np.empty((40, 90, 3), np.uint8)[:, :80], np.empty((40, 80), np.uint8), read_only):
        with pytest.raises(ValueError, match="expected out to be uint8"):
            overlay(frame, classmap, NAMES, COLOURS, out=out)


def test_an_opacity_of_nothing_leaves_the_frame() -> None:
    frame, classmap = scene(40, 80)
    np.testing.assert_array_equal(overlay(frame, classmap, NAMES, COLOURS, opacity=0, legend=False), frame)


@pytest.mark.parametrize(("height", "width"), [(360, 480), (1080, 1920), (96, 128), (64, 3000), (3000, 150)])
def test_the_legend_lies_in_the_upper_left_corner(height: int, width: int) -> None:
    picture, legend = drawn(height, width)
    assert picture.shape == (height, width, 3)
    rows, columns = np.nonzero(legend)
    assert rows.min() < min(height, width) / 10
    assert columns.min() < min(height, width) / 10
    assert rows.max() < height - 1
    assert columns.max() < width - 1
    assert (picture[legend] > 240).all(1).any()  # white text


def test_the_legend_grows_with_the_frame() -> None:
    small, large = (drawn(height, 2 * height)[1].any(1).sum() for height in (360, 1440))
    assert large > 2 * small


def test_the_legend_shows_the_classes_present_in_the_order_of_their_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    text = ImageDraw.ImageDraw.text

    def noted(self: Any, place: Any, words: str, *args: Any, **options: Any) -> None:
        texts.append(words)
        text(self, place, words, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    classmap = np.full((400, 400), 2, np.uint8)
    classmap[:, :100] = 3
    classmap[0, 200] = 0
    picture = overlay(np.zeros((400, 400, 3), np.uint8), classmap, NAMES, COLOURS, opacity=0)
    assert texts == ["building", "75.0%", NAMES[3], "25.0%", "road", "<0.1%"]
    first, second = (np.argwhere((picture == COLOURS[index]).all(2)) for index in (2, 3))
    assert 0 < len(first) < 1000
    assert np.median(first[:, 0]) < np.median(second[:, 0])  # swatches, one above the other


@pytest.mark.parametrize(
    ("height", "width"), [(LEGEND_MIN_SIDE - 1, 500), (500, LEGEND_MIN_SIDE - 1), (3, 5000), (1, 1)]
)
def test_tiny_frames_have_no_legend(height: int, width: int) -> None:
    picture, legend = drawn(height, width, classes=1)
    assert picture.shape == (height, width, 3)
    assert not legend.any()


def test_a_legend_too_wide_for_the_frame_is_left_out() -> None:
    assert not drawn(400, 70, classes=4)[1].any()
    assert drawn(400, 110, classes=3)[1].any()


def test_a_legend_too_high_for_the_frame_loses_its_smallest_classes() -> None:
    names = [f"class{index}" for index in range(30)]
    colours = [(255, 8 * index, 0) for index in range(30)]
    classmap = np.repeat(np.arange(30, dtype=np.uint8), np.arange(30, 0, -1))[None].repeat(70, 0)
    picture = overlay(np.zeros((*classmap.shape, 3), np.uint8), classmap, names, colours, opacity=0)
    shown = [bool((picture == colour).all(2).any()) for colour in colours]
    assert shown[:3] == [True] * 3
    assert not any(shown[8:])
    assert (picture[-1] == 0).all()


def test_shares() -> None:
    _, classmap = scene(40, 80)
    shares = share(classmap, 4)
    assert shares.dtype == np.float64
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25, 0])
    assert share(np.zeros((1, 1), np.uint8), 1).tolist() == [1.0]
    with pytest.raises(AssertionError):
        share(classmap, 2)


def test_percentages() -> None:
    assert [percent(value) for value in (1, 0.25, 0.0005, 0.0004)] == ["100.0%", "25.0%", "0.1%", "<0.1%"]


def test_a_frame_that_is_not_writeable_will_do() -> None:
    frame, classmap = scene(80, 80)
    frame.flags.writeable = False
    assert np.asarray(Image.fromarray(overlay(frame, classmap, NAMES, COLOURS))).shape == (80, 80, 3)
