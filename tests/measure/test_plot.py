"""Figures: their scales, and labels that one can read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from streetseg.measure.plot import SIZE, bars, nice_ticks, overlap, text_width
from streetseg.papers.tables import Ours, joined, paper_tables, table_figure

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = [name for name, table in paper_tables().items() if table.figure]


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1))
def test_ticks_hold_every_value(values: list[float]) -> None:
    ticks = nice_ticks(values)
    assert 2 <= len(ticks) <= 11
    assert ticks[0] <= min(values) + 1e-6
    assert ticks[-1] >= max(values) - 1e-6


@pytest.mark.parametrize("name", FIGURES)
def test_labels_of_a_papers_figure_do_not_overlap(name: str, tmp_path: Path) -> None:
    table = paper_tables()[name]
    counts = dict.fromkeys([subject for subject in table.subjects() if subject], (0.0, 0.0))
    table_figure(table, joined(table, Ours(counts))).save(tmp_path / name)

    texts = list(ET.parse(tmp_path / f"{name}.svg").iter(f"{SVG}text"))
    labels = [row["model"].rstrip("†") for row in table.rows]
    boxes = []
    for text in texts:
        if text.text in labels and text.get("text-anchor") == "start":
            x, y = float(text.get("x", "")), float(text.get("y", ""))
            boxes.append((x, y - SIZE, x + text_width(text.text or ""), y))
    assert len(boxes) == len(labels)
    assert not [(a, b) for a, b in combinations(boxes, 2) if overlap(a, b)]
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.size == (2000, 1400)


def test_bars_say_their_values(tmp_path: Path) -> None:
    bars("two", "ms", [("a & b", {"one": 12.34, "other": 0.5}), ("c", {"one": 3.0, "other": 7.0})]).save(tmp_path / "n")
    texts = [text.text for text in ET.parse(tmp_path / "n.svg").iter(f"{SVG}text")]
    assert {"a & b", "c", "12.3", "0.5", "3.0", "7.0", "ms", "one", "other"} <= set(texts)
