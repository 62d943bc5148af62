"""The log of a run: the same rows in log.jsonl and log.csv, once each, whatever happened in between."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from streetseg.training.log import Log
from streetseg.training.tasks.task import Validation


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_are_those_of_the_log_and_classes_get_columns(tmp_path: Path) -> None:
    with Log(tmp_path, 0) as log:
        log.add(10, {"total": 2.0})
        log.add(20, {"total": 1.0, "miou": 0.5}, Validation({"miou": 0.5}, {"road, wet": 0.75, "Straße": 0.25}))
        log.add(30, {"total": 0.5})
    assert rows(tmp_path) == [
        {"step": "10", "total": "2.0", "miou": "", "iou/road, wet": "", "iou/Straße": ""},
        {"step": "20", "total": "1.0", "miou": "0.5", "iou/road, wet": "0.75", "iou/Straße": "0.25"},
        {"step": "30", "total": "0.5", "miou": "", "iou/road, wet": "", "iou/Straße": ""},
    ]


def test_a_resumed_run_has_each_row_once(tmp_path: Path) -> None:
    with Log(tmp_path, 0) as log:
        for step in (10, 20, 30):
            log.add(step, {"total": 1.0})
    with (tmp_path / "log.csv").open("a") as file:
        file.write("40,0.")  # a kill in the middle of a row
    with Log(tmp_path, 20) as log:
        log.add(30, {"total": 0.5})
    assert [(row["step"], row["total"]) for row in rows(tmp_path)] == [("10", "1.0"), ("20", "1.0"), ("30", "0.5")]


def test_a_run_of_an_earlier_version_gets_its_csv(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 10, "total": 3.0}) + "\n")
    with Log(tmp_path, 10) as log:
        log.add(20, {"total": 2.0})
    assert [row["total"] for row in rows(tmp_path)] == ["3.0", "2.0"]
