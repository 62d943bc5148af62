"""Figures: axes that hold every value, labels that one can read, files that are the same every time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.bench.plot import Point, draw_bars, draw_scatter, overlap, save_figure
from tests.support.figures import label_boxes, overlapping

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [("a & b", {"one": 12.34, "other": 0.5}), ("c", {"one": 3.0, "other": 7.0})]


def test_bars_say_their_values(tmp_path: Path) -> None:
    save_figure(draw_bars("two", "ms", ROWS), tmp_path / "n")
    texts = [text.text for text in ET.parse(tmp_path / "n.svg").iter(f"{SVG}text")]
    assert {"a & b", "c", "12.3", "0.5", "3.0", "7.0", "ms", "one", "other", "two"} <= set(texts)


def test_the_first_row_of_bars_is_at_the_top() -> None:
    axes = draw_bars("two", "ms", ROWS).axes[0]
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a & b", "c"]
    assert axes.get_xlim()[0] == 0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("count", [1, 2, 12])
def test_axes_hold_every_value_and_label(count: int, scale: float) -> None:
    rng = np.random.default_rng(count)
    points = [
        Point(x, y, f"network {n}", f"group {n % 3}", ring=1.1 * x if n % 2 else None)
        for n, (x, y) in enumerate((scale * rng.standard_normal((count, 2))).tolist())
    ]
    axes = draw_scatter("title", "x", "y", points, "ring").axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert all(left < x < right for point in points for x in (point.x, point.ring or point.x))
    assert all(bottom < point.y < top for point in points)
    frame = axes.get_window_extent()
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in label_boxes(axes))
    assert all(frame.y0 - 1 <= box.y0 and box.y1 <= frame.y1 + 1 for box in label_boxes(axes))


def test_labels_of_near_points_do_not_overlap() -> None:
    points = [Point(10 + n % 2, 50 + n / 10, f"network number {n}", "all") for n in range(6)]
    assert overlapping(draw_scatter("title", "x", "y", points).axes[0]) == []


def test_every_group_is_in_the_legend() -> None:
    points = [Point(n, n, str(n), f"a long name of group {n} of many", ring=n + 0.5) for n in range(10)]
    (legend,) = draw_scatter("title", "x", "y", points, "ring").legends
    assert [text.get_text() for text in legend.get_texts()] == [*(point.group for point in points), "ring"]


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        save_figure(draw_scatter("title", "x", "y", [Point(1, 2, "a", "b")]), tmp_path / name)
    for form in ("svg", "png"):
        assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"other.{form}").read_bytes()
    assert "dc:date" not in (tmp_path / "one.svg").read_text()
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (2000, 1400)


def test_overlap_is_the_shared_area() -> None:
    assert overlap((0, 0, 4, 4), (2, 3, 9, 9)) == 2
    assert overlap((0, 0, 4, 4), (4, 0, 8, 4)) == 0
