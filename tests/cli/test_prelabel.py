"""streetseg prelabel on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.command_line import ONNXRUNTIME, Run, files_below, refusal


def test_a_selection_of_a_folder_becomes_yolo(drive: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    code, lines, errors = run(
        "prelabel", drive, "--to", "yolo", "--out", out, "--select", "random:2", "--map", "car=vehicle", "--json",
        *ONNXRUNTIME,
    )  # fmt: skip
    assert (code, errors) == (0, [])
    facts = json.loads("\n".join(lines))
    assert (facts["frames"], facts["listed"], facts["tolerance"], facts["failed"]) == (2, 4, 1.0, {})
    assert "vehicle" in facts["classes"]
    assert 0.5 < facts["iou"] < 1
    written = files_below(out)
    assert {"data.yaml", "selected.csv"} < written
    assert len(written) == 2 + 2 * 2


def test_a_bad_image_is_exit_code_1(drive: Path, tmp_path: Path, run: Run) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    code, (line,), errors = run(
        "prelabel", drive / "1.png", bad, "--to", "cvat", "--out", tmp_path / "out.zip", *ONNXRUNTIME
    )
    assert code == 1
    assert len(errors) == 1
    assert line.startswith(f"{tmp_path}/out.zip: 1 of 2 frames")
    assert line.endswith("for cvat; masks, IoU there and back 100.00 %; 1 error")


def test_mistakes_are_told(drive: Path, tmp_path: Path, run: Run) -> None:
    for options, words in (
        (("--to", "paint"), "unknown label tool 'paint'"),
        (("--to", "cityscapes"), "not among Cityscapes' classes"),
    ):
        assert words in refusal(run("prelabel", drive, "--out", tmp_path / "out", *options, *ONNXRUNTIME))
    assert files_below(tmp_path) == set()
