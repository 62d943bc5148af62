"""The result of an evaluation: what it says, draws, and gives back when it is read again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

import streetseg
from streetseg.errors import MissingExtraError, UsageError
from streetseg.measure.boundary import BoundaryCounts
from streetseg.measure.evaluation import Evaluation, FrameScore
from streetseg.measure.evaluation_json import read_accuracy
from streetseg.measure.metrics import percent
from streetseg.measure.setup import Setup
from streetseg.runtime.card import Accuracy

SETUP = Setup("streets, split val, 2 frames; trained on x", "0f", "openvino, float32", command="streetseg evaluate a")


def evaluation(boundary: BoundaryCounts | None = None, setup: Setup = SETUP) -> Evaluation:
    """Two frames of three classes, of which the labels know two."""
    frames = (
        FrameScore("b/1", np.array([[0, 0, 6], [0, 1, 2]]), 0.375, 0.75),
        FrameScore("b/2", np.array([[1, 1, 3], [1, 2, 1]]), 0.75, 0.75),
    )
    matrix = sum((frame.matrix(3) for frame in frames), np.zeros((3, 3), np.int64))
    judged = np.array([True, True, False])
    return Evaluation(("road", "sky", "bus"), judged, ("tree",), matrix, 4, frames, boundary, setup)


def test_figures_are_those_of_the_matrix() -> None:
    result = evaluation()
    assert (result.frames, result.pixels, result.not_judged) == (2, 12, ["bus"])
    assert result.class_scores()["iou"] == {"road": 0.75, "sky": 0.5, "bus": None}
    assert result.means()["miou"] == 0.625
    assert result.means()["pixel_accuracy"] == 0.75
    assert result.trimap_miou() == {}
    assert repr(result) == "<Evaluation: mIoU 62.50%, pixel accuracy 75.00%, 2 frames, 3 classes>"


def test_the_table_says_what_does_not_count() -> None:
    lines = evaluation().table().splitlines()
    assert lines[0] == f"{SETUP.measured_on} (openvino, float32; the card's scale)"
    assert lines[1].split() == ["class", "IoU", "F1", "accuracy"]
    assert lines[4].split() == ["bus", "-", "-", "-"]
    assert lines[-3:] == [
        "left out, their pixels do not count: tree",
        "not in the labels, so not judged: bus",
        "25.00% of the pixels are void or left out and do not count",
    ]
    assert "<pre>" in evaluation()._repr_html_()


def test_a_table_of_many_columns_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    names = ["road", "sky", "bus"]
    lines = evaluation(BoundaryCounts(3, (1,))).table().splitlines()
    shown = [line for line in lines if line.partition(" ")[0] in names]
    assert max(map(len, shown)) <= 30
    assert len(shown) > len(names)  # the columns continue below


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    path.write_text(evaluation().to_json())
    again = streetseg.read_evaluation(path)
    assert again.to_json() == evaluation().to_json()
    assert again.setup == SETUP
    lines = path.read_text().splitlines()
    assert len(lines) == 2 + len(json.loads(path.read_text())) + 1 + 2  # a line a figure, one a frame


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Those lack the command, or have figures near borders."""
    written = json.loads(evaluation(BoundaryCounts(3, (1,))).to_json())
    assert written["trimap_miou"] == {"1": None}
    for name in ("command", "title", "date", "package_version", "left_out_pixels", "left_out_share", "matches"):
        del written[name]
    (tmp_path / "val.json").write_text(json.dumps(written))
    again = streetseg.read_evaluation(str(tmp_path / "val.json"))
    assert again.setup.command == ""
    assert again.boundary is None
    assert again.means()["miou"] == 0.625
    # Which of the pixels that do not count are void, such a file does not say: at most all of them are left out.
    assert again.coverage.left_out_share == 4 / 16
    (tmp_path / "val.json").write_text(json.dumps(written | {"command": "a"}))
    assert read_accuracy(tmp_path / "val.json").miou == 0.625


def test_a_card_says_what_sets_a_figure_apart() -> None:
    entry = evaluation().card_entry()
    note = f"{SETUP.measured_on}; not judged: bus; left out: tree"
    iou = {"road": 0.75, "sky": 0.5, "bus": None}
    assert entry == Accuracy(note, "0f", "openvino, float32", 0.625, iou, "streetseg evaluate a", left_out_share=0)
    mirrored = evaluation(setup=Setup("x", "0f", "e", "scale 1, mirrored too", "c")).card_entry()
    assert mirrored.measured_on == "x; scale 1, mirrored too; not judged: bus; left out: tree"


def test_a_plot_shows_every_class() -> None:
    figure = evaluation().plot()
    bars, cells = figure.axes
    assert [text.get_text() for text in bars.get_yticklabels()] == ["road", "sky", "bus"]
    assert [bar.get_width() for bar in bars.patches if isinstance(bar, Rectangle)] == [75, 50, 0]
    assert [text.get_text() for text in bars.texts] == ["75.00%", "50.00%", "-"]
    assert {text.get_text() for text in cells.texts} == {"75", "25"}


def test_without_matplotlib_a_plot_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"needs matplotlib.*streetseg\[plots\]"):
        evaluation().plot()


def test_evaluations_in_memory_are_pooled_and_compared_like_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(evaluation().to_json())
    result = evaluation()
    pooled = streetseg.pool([result])
    assert pooled.setup.command == "streetseg pool evaluation_1.json"
    np.testing.assert_array_equal(pooled.matrix, result.matrix)
    with pytest.raises(UsageError, match="b/1 is in several"):
        streetseg.pool([result, tmp_path / "a.json"])
    with pytest.raises(UsageError, match="at least 1 evaluation"):
        streetseg.pool([])
    comparison = streetseg.compare(result, tmp_path / "a.json")
    assert [one.name for one in comparison] == ["mIoU", "road", "sky"]
    assert comparison["road"].a == comparison["road"].b == 0.75
    assert repr(comparison) == "<Comparison: mIoU 62.50% -> 62.50%, +0.00 points, in too few frames>"
    (axes,) = comparison.plot().axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["mIoU", "road", "sky"]


@pytest.mark.parametrize(("share", "text"), [(None, "-"), (float("nan"), "-"), (0.12345, "12.35%"), (1.0, "100.00%")])
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text
