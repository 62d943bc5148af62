"""A learning rate is found by raising it, and nothing is left behind."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from streetseg.cli import main
from streetseg.errors import TrainingError, UsageError
from streetseg.training.rate_finder import (
    ABOVE,
    BELOW,
    DIVERGED,
    FEWEST,
    LearningRates,
    Ramp,
    find_learning_rate,
    suggest,
)
from streetseg.training.run import Run
from tests.support.command_line import files_below
from tests.support.small_recipe import SMALL, small


def test_the_rate_grows_by_the_same_factor() -> None:
    rates = [Ramp(learning_rate=0.1, iterations=6).rate(step) for step in range(6)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10])
    assert (rates[0], rates[-1]) == pytest.approx((0.1 * BELOW, 0.1 * ABOVE))


def test_the_suggestion_is_a_tenth_of_the_rate_with_the_lowest_loss() -> None:
    rates = [10 ** (step / 10 - 5) for step in range(60)]
    falling = [2 - math.exp(-((step - 40) ** 2) / 100) for step in range(60)]
    assert suggest(rates, falling) == pytest.approx(0.1 * rates[40])
    assert suggest(rates, [2.0] * 60) is None
    assert suggest(rates[:FEWEST], falling[:FEWEST]) is None


def test_the_table_is_short_and_says_what_to_do() -> None:
    rates = tuple(10 ** (step / 20 - 5) for step in range(100))
    result = LearningRates(rates, tuple(1 / (1 + step) for step in range(100)), 0.01, 0.0031)
    lines = result.table().splitlines()
    assert 12 <= len(lines) <= 16
    assert lines[-1] == "a tenth of the rate with the lowest loss: --set learning_rate=0.0031 (the recipe has 0.01)"
    assert json.loads(result.to_json())["suggestion"] == 0.0031
    none = LearningRates(rates, result.losses, 0.01, None)
    assert none.table().splitlines()[-1] == "the loss does not fall clearly; keep the recipe's 0.01"


@pytest.mark.slow
def test_the_command_prints_a_rate_and_leaves_nothing_behind(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [part for setting in (*SMALL, "batch=2") for part in ("--set", setting)]
    command = ["train", "--find-learning-rate", "--recipe", "ddrnet_23_slim_camvid", "--data", str(camvid), *settings]
    assert main(command) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[0].split() == ["learning", "rate", "loss"]
    assert "learning_rate=" in output.splitlines()[-1]
    assert files_below(tmp_path) == set()
    assert main([*command, "--out", "run"]) == 2
    assert "--find-learning-rate makes no run, so it takes no --out" in capsys.readouterr().err


def test_it_ends_where_the_loss_diverges(camvid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(run: Run) -> dict[str, float]:
        rate = run.schedule.rate(run.step)
        run.step += 1
        if rate > 1e-2:
            raise TrainingError("the loss is nan")
        return {"total": 1.0, "learning_rate": rate}

    monkeypatch.setattr(Run, "train_step", step)
    found = find_learning_rate(small("learning_rate=1e-3"), camvid)
    assert FEWEST < len(found.rates) < 100
    assert max(found.rates) <= 1e-2
    assert found.suggestion is None
    with pytest.raises(TrainingError, match="the loss is not finite after 0 steps"):
        find_learning_rate(small("learning_rate=100"), camvid)
    with pytest.raises(UsageError, match="takes 20 steps or more, got 5"):
        find_learning_rate(small(), camvid, steps=5)

    def growing(run: Run) -> dict[str, float]:
        run.step += 1
        return {"total": 1.0 if run.step < 30 else 100.0, "learning_rate": 0.1}

    monkeypatch.setattr(Run, "train_step", growing)
    found = find_learning_rate(small(), camvid)
    assert found.losses[-1] > DIVERGED
    assert len(found.losses) == 30
