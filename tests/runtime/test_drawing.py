"""Wishes for overlays: opacity, legend, chosen classes, colours, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.errors import UsageError
from streetseg.runtime.drawing import Drawing, read_colours
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import read_frame
from streetseg.runtime.predict import predict
from streetseg.runtime.result import Result
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render

NAMES, COLOURS = ("Sky", "road", "car"), ((70, 130, 180), (128, 64, 128), (0, 0, 142))


@pytest.fixture
def result() -> Result:
    """A frame of 80 x 90 whose left third is sky, and so on."""
    classmap = np.repeat(np.arange(3, dtype=np.uint8), 30)[None].repeat(80, 0)
    return Result(classmap, NAMES, COLOURS, np.full((80, 90, 3), 100, np.uint8), {})


def test_opacity_and_legend(result: Result) -> None:
    np.testing.assert_array_equal(Drawing().paint(result), result.overlay())
    np.testing.assert_array_equal(Drawing(opacity=0, legend=False).paint(result), result.frame)
    painted = Drawing(opacity=1, legend=False).paint(result)
    np.testing.assert_array_equal(painted, np.array(COLOURS, np.uint8)[result.classmap])
    assert (Drawing(opacity=1).paint(result) != painted).any()
    with pytest.raises(UsageError, match=r"opacity must be from 0 to 1, got 1\.5"):
        Drawing(opacity=1.5)


def test_chosen_classes_only(result: Result) -> None:
    painted = Drawing(opacity=1, legend=False, only=("sky", "car")).paint(result)
    assert (painted[:, :30] == COLOURS[0]).all()
    assert (painted[:, 30:60] == 100).all()
    assert (painted[:, 60:] == COLOURS[2]).all()
    Drawing(only=("ROAD",)).check(NAMES)
    with pytest.raises(UsageError, match="'tram' is no class of these weights; classes are Sky, road, car"):
        Drawing(only=("tram",)).check(NAMES)


def test_side_by_side(result: Result) -> None:
    painted = Drawing(side_by_side=True).paint(result)
    np.testing.assert_array_equal(painted[:, :90], result.frame)
    np.testing.assert_array_equal(painted[:, 90:], result.overlay())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"sky": [1, 2, 3], "Car": "#0a0b0c"}'),
        ("c.toml", 'sky = [1, 2, 3]\nCar = "#0A0B0C"\n'),
        ("c.txt", "sky 1 2 3\ncar #0a0b0c\n"),
        ("c.csv", "name,r,g,b\nsky,1,2,3\ncar,10,11,12\n"),
        ("c.csv", "\ufeffname, r, g, b\nsky, 1, 2, 3\n\ncar, 10, 11, 12\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nsky:1,2,3::\ncar:10,11,12::\n"),
    ],
)
def test_colours_from_a_file(name: str, text: str, result: Result, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    drawing = Drawing(colours=tmp_path / name, opacity=1, legend=False)
    drawing.check(NAMES)
    assert drawing.palette(result) == ((1, 2, 3), COLOURS[1], (10, 11, 12))
    assert (drawing.paint(result)[0, 0] == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.json", "[1]"), ("c.json", '{"sky": [1, 2, 300]}'), ("c.toml", "sky = 1"), ("c.txt", ""), ("c.txt", "a\nb\nc")],
)
def test_what_holds_no_colours_is_told(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=r"cannot be read: .*; give lines such as 'car 0 0 142'"):
        Drawing(colours=tmp_path / name)
    with pytest.raises(UsageError, match="No such file"):
        read_colours(tmp_path / "gone")


def test_colours_of_other_classes_are_told(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("tram 1 2 3")
    with pytest.raises(UsageError, match=r"c\.txt names no class of these weights; classes are Sky"):
        Drawing(colours=tmp_path / "c.txt").check(NAMES)


def test_pictures_are_drawn_so_too_and_skipped_when_done(tmp_path: Path) -> None:
    Image.fromarray(render(3, (48, 64)).frame).save(tmp_path / "a.png")
    (tmp_path / "c.txt").write_text("road 1 2 3")
    weights = Segmenter.open(options=EngineOptions("onnxruntime", threads=1))
    drawing = Drawing(side_by_side=True, colours=tmp_path / "c.txt")
    told: list[str] = []

    def again() -> int:
        done = predict(
            tmp_path / "a.png", tmp_path / "out", weights=weights, drawing=drawing, skip_existing=True, tell=told.append
        )
        return len(done.images)

    assert again() == 1
    assert read_frame(tmp_path / "out" / "a_overlay.jpg").shape == (48, 128, 3)
    with Image.open(tmp_path / "out" / "a_classes.png") as image:
        palette = image.getpalette() or []
    road = weights.card.classes.index("Road") if "Road" in weights.card.classes else weights.card.classes.index("road")
    assert palette[3 * road : 3 * road + 3] == [1, 2, 3]
    assert again() == 0
    assert told == ["note: 1 skipped, for their results are there"]
