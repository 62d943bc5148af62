"""streetseg bulk on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streetseg.bulk.report import BulkStatus
from streetseg.cli.bulk import ProgressLine
from tests.support.command_line import ONNXRUNTIME, Run, files_below, refusal


@pytest.mark.slow
def test_a_folder_becomes_a_table(drive: Path, tmp_path: Path, run: Run) -> None:
    """With worker processes, as people run it."""
    out = tmp_path / "out"
    code, lines, errors = run("bulk", drive, "--out", out, "--workers", 1, "--json", *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    facts = json.loads(lines[-1])
    assert (facts["event"], facts["frames"], facts["errors"], facts["table"]) == ("done", 4, 0, "frames.parquet")
    written = {name for name in files_below(out) if not name.startswith(".")}
    assert written == {
        "1_classes.png", "a/1_classes.png", "a/2_classes.png", "b/1_classes.png", "frames.parquet", "timings.parquet",
    }  # fmt: skip
    code, (line,), errors = run("bulk", drive, "--out", out, "--workers", 1, *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    assert line.startswith("4 frames (0 in this run) in ")
    assert line.endswith(f"; 0 errors; {out}/frames.parquet")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", 0), "workers must be at least 1, got 0"),
        (("--results", "gif"), "results must be one of png, parquet, webdataset, none, got 'gif'"),
        (("--weights", "nowhere.onnx"), "nowhere.onnx"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    options: tuple[object, ...], words: str, drive: Path, tmp_path: Path, run: Run
) -> None:
    assert words in refusal(run("bulk", drive, "--out", tmp_path / "out", *options, *ONNXRUNTIME))
    assert files_below(tmp_path) == set()


def test_progress_as_json_and_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status = BulkStatus(1200, 3, 1000, 4000, 12.345, {"0": 6.0, "1": 6.345}, 3725.0)
    line = ProgressLine(as_json=True)
    line(status)
    assert capsys.readouterr().out == ""  # not more often than every few seconds
    line.last -= 60
    line(status)
    facts = json.loads(capsys.readouterr().out)
    assert facts == {
        "event": "progress", "frames": 1200, "errors": 3, "files_done": 1000, "files": 4000, "frames_per_second": 12.35,
        "by_worker": {"0": 6.0, "1": 6.34}, "seconds_left": 3725,
    }  # fmt: skip
    assert status.table() == "1,200 frames, 12.3 a second (6.0 + 6.3), 1,000 of 4,000 files, 3 errors, 1:02:05 left"
