"""A run's figures go to experiment trackers, each step once, and a tracker's fault does not end the run."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from streetseg.errors import MissingExtraError, UsageError
from streetseg.training import trackers
from streetseg.training.run import Run
from streetseg.training.trackers import Trackers, check_trackers
from streetseg.training.train import train
from tests.support.small_recipe import small

HEAVY = "it is heavy, so it is not in the test extra: pip install 'streetseg[{}]'"
FIELDS = {"learning_rate": 0.01, "crop": (64, 96)}


class Notebook:
    """A tracker that keeps what it gets."""

    kept: ClassVar[dict[str, list[tuple[int, dict[str, float]]]]] = {}  # by the name of the run

    def __init__(self, out: Path, fields: Mapping[str, Any], known: str | None) -> None:
        print("opened")  # packages greet on stdout
        self.id = known or f"{out.name}-1"
        self.kept.setdefault(self.id, [])

    def add(self, step: int, values: Mapping[str, float]) -> None:
        if values.get("total") == 13:
            raise RuntimeError("no\nconnection")
        self.kept[self.id].append((step, dict(values)))

    def close(self) -> None:
        self.kept[self.id].append((-1, {}))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> type[Notebook]:
    """A tracker named json, a module that is always there."""
    Notebook.kept.clear()
    monkeypatch.setitem(trackers.TRACKERS, "json", Notebook)
    return Notebook


@pytest.mark.slow
def test_a_run_that_goes_on_sends_each_step_once(
    camvid: Path, tmp_path: Path, notebook: type[Notebook], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    step = Run.train_step

    def interrupted(run: Run) -> dict[str, float]:
        if run.step == 5:
            raise KeyboardInterrupt
        return step(run)

    recipe = small("evaluate_every=1", "iterations=6", "checkpoint_every=3")
    monkeypatch.setattr(Run, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, camvid, tmp_path / "run", log=["json"], progress=False)
    monkeypatch.setattr(Run, "train_step", step)
    train(None, None, tmp_path / "run", resume=True, progress=False)
    sent = notebook.kept["run-1"]
    assert [number for number, _ in sent] == [1, 2, 3, 4, 5, -1, 6, -1]
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["miou"] for row in rows] == [values["miou"] for number, values in sent if number > 0]
    assert "iou/road" in sent[0][1]
    assert capsys.readouterr().out == ""


def test_a_tracker_that_fails_is_left_out_and_said(
    tmp_path: Path, notebook: type[Notebook], capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Trackers(("json",), tmp_path, FIELDS)
    opened.add(10, {"total": 1.0, "miou": math.nan})
    opened.add(20, {"total": 13.0})
    opened.add(30, {"total": 1.0})
    opened.close()
    assert notebook.kept[f"{tmp_path.name}-1"] == [(10, {"total": 1.0})]
    assert "note: json no longer logs the run: no connection" in capsys.readouterr().err


def test_what_cannot_log_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no tracker 'tensorboard'; choose of wandb, mlflow, trackio"):
        check_trackers(["tensorboard"], tmp_path)
    monkeypatch.setitem(trackers.TRACKERS, "nothing_of_that_name", Notebook)
    with pytest.raises(MissingExtraError, match="--log nothing_of_that_name needs nothing_of_that_name, which is not"):
        check_trackers(["nothing_of_that_name"], tmp_path)

    def refuse(out: Path, fields: Mapping[str, Any], known: str | None) -> Notebook:
        raise RuntimeError("No API key\nconfigured.")

    monkeypatch.setitem(trackers.TRACKERS, "json", refuse)
    with pytest.raises(UsageError, match=r"json cannot log the run: No API key configured\.; mend it, or leave"):
        Trackers(("json",), tmp_path, FIELDS)


def test_a_folder_of_logs_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb writes its files into wandb/ of the current folder, which Python could import."""
    (tmp_path / "folder_of_logs").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(trackers.TRACKERS, "folder_of_logs", Notebook)
    with pytest.raises(MissingExtraError):
        check_trackers(["folder_of_logs"], tmp_path / "run")


def logged_twice(name: str, out: Path) -> str:
    """Log, then go on and log again from an earlier step; return the run's name in the tracker."""
    for steps in ((10, 20), (20, 30)):
        opened = Trackers((name,), out, FIELDS)
        for step in steps:
            opened.add(step, {"total": 1 / step, "iou/road, wet": 0.5})
        opened.close()
    record = json.loads((out / trackers.RECORD).read_text())
    assert record[name]["step"] == 30
    return str(record[name]["id"])


@pytest.mark.slow
def test_weights_and_biases_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason=HEAVY.format("wandb"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    name = logged_twice("wandb", tmp_path)
    assert len(list((tmp_path / "wandb").glob(f"offline-run-*-{name}/run-{name}.wandb"))) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own, of SQLAlchemy
def test_mlflow_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason=HEAVY.format("mlflow"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    name = logged_twice("mlflow", tmp_path)
    client = mlflow.MlflowClient()
    assert [each.step for each in client.get_metric_history(name, "total")] == [10, 20, 30]
    assert [each.step for each in client.get_metric_history(name, "iou/road_ wet")] == [10, 20, 30]
    run = client.get_run(name)
    assert run.data.params == {"learning_rate": "0.01", "crop": "(64, 96)"}
    assert run.info.status == "FINISHED"


@pytest.mark.slow
def test_trackio_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason=HEAVY.format("trackio"))
    name = logged_twice("trackio", tmp_path)
    with sqlite3.connect(tmp_path / "trackio" / "streetseg.db") as database:
        steps = database.execute("select step from metrics where run_name = ? order by step", (name,)).fetchall()
    assert steps == [(10,), (20,), (30,)]
