"""A run stops when evaluations no longer get better, also when it goes on in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streetseg.training.checkpoint import load_checkpoint
from streetseg.training.run import Run
from streetseg.training.tasks.task import Validation
from streetseg.training.train import train
from tests.support.small_recipe import small

pytestmark = pytest.mark.slow

FIGURES = [0.1, 0.3, 0.3, 0.2, 0.9, 0.9]  # of the evaluations, one a step: two in a row are not better than the second
SETTINGS = ["iterations=6", "evaluate_every=1", "patience=2", "checkpoint_every=1"]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "evaluate", lambda run: Validation({"miou": FIGURES[run.step - 1]}))


@pytest.mark.usefixtures("figures")
def test_it_stops_and_the_best_weights_stay(camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = train(small(*SETTINGS), camvid, tmp_path)
    assert (result.steps, result.best_step, result.stopped_early) == (4, 2, True)
    assert result.best == {"miou": 0.3}
    assert "stopped at step 4: 2 evaluations in a row were not better than step 2 (patience)" in capsys.readouterr().err
    assert "4 (stopped early)" in result.table()
    assert json.loads(result.to_json())["stopped_early"] is True
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 4


@pytest.mark.usefixtures("figures")
def test_a_run_that_stopped_does_not_go_on(camvid: Path, tmp_path: Path) -> None:
    first = train(small(*SETTINGS), camvid, tmp_path, progress=False)
    whole = first.weights.read_bytes()
    again = train(None, None, tmp_path, resume=True, progress=False)
    assert (again.steps, again.stopped_early) == (4, True)
    assert again.weights.read_bytes() == whole


@pytest.mark.usefixtures("figures")
def test_the_count_goes_on_with_the_run(camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(small(*SETTINGS), camvid, tmp_path / "whole", progress=False)
    step = Run.train_step

    def interrupted(run: Run) -> dict[str, float]:
        if run.step == 3:
            raise KeyboardInterrupt
        return step(run)

    monkeypatch.setattr(Run, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(small(*SETTINGS), camvid, tmp_path / "run", progress=False)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["stale"] == 1
    monkeypatch.setattr(Run, "train_step", step)
    again = train(None, None, tmp_path / "run", resume=True, progress=False)
    assert (again.steps, again.best_step) == (4, 2)
    assert again.weights.read_bytes() == whole.weights.read_bytes()


@pytest.mark.usefixtures("figures")
def test_without_patience_it_goes_to_the_end(camvid: Path, tmp_path: Path) -> None:
    result = train(small(*SETTINGS, "patience=0"), camvid, tmp_path, progress=False)
    assert (result.steps, result.best_step, result.stopped_early) == (6, 5, False)
