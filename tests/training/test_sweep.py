"""Settings are searched trial by trial; a search that was cut off goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.cli import main
from streetseg.errors import OutputError, TrainingError, UsageError
from streetseg.training.run import Run
from streetseg.training.sweep import Sweep, Trial, read_ranges, sweep
from tests.support.small_recipe import SMALL, small

RANGES = {"learning_rate": "1e-4..1e-2", "jitter": "0/0.5"}


@pytest.fixture
def optuna() -> None:
    pytest.importorskip("optuna", reason="it is an extra that is not in the test extra: pip install 'streetseg[sweep]'")


@pytest.mark.slow
@pytest.mark.usefixtures("optuna")
def test_a_sweep_goes_on_and_ranks_its_trials(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small("iterations=2", "evaluate_every=1", "checkpoint_every=1")
    step, trials = Run.train_step, 0

    def interrupted(run: Run) -> dict[str, float]:
        nonlocal trials
        trials += run.step == 0
        if trials == 2 and run.step == 1:
            raise KeyboardInterrupt
        return step(run)

    monkeypatch.setattr(Run, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(recipe, camvid, tmp_path, ranges=RANGES, trials=3, progress=False)
    monkeypatch.setattr(Run, "train_step", step)
    with pytest.raises(OutputError, match="already holds a sweep; go on with --resume"):
        sweep(recipe, camvid, tmp_path, ranges=RANGES, trials=3, progress=False)
    with pytest.raises(TrainingError, match="holds a sweep with other settings or ranges"):
        sweep(recipe, camvid, tmp_path, ranges={"learning_rate": "1e-4..1e-2"}, resume=True, progress=False)
    found = sweep(recipe, camvid, tmp_path, ranges=RANGES, trials=3, resume=True)
    assert "trial 2 of 3: learning_rate " in capsys.readouterr().err
    assert [one.number for one in found.trials] == [0, 1, 2]
    assert {path.name for path in tmp_path.glob("trial_*")} == {"trial_000", "trial_001", "trial_002"}
    assert all(1e-4 <= float(one.settings["learning_rate"]) <= 1e-2 for one in found.trials)
    assert len({one.settings["learning_rate"] for one in found.trials}) == 3
    assert found.ranked[0].figure == max(one.figure or 0 for one in found.trials)
    assert (tmp_path / "trial_001" / "ddrnet_23_slim_camvid_best.safetensors").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("optuna")
def test_a_trial_that_diverges_fails_alone(camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [part for setting in (*SMALL, "evaluate_every=6", "iterations=6") for part in ("--set", setting)]
    command = ["sweep", "--recipe", "ddrnet_23_slim_camvid", "--data", str(camvid), "--out", str(tmp_path), *settings]
    assert main([*command, "--range", "learning_rate=1e30/1e29", "--trials", "1"]) == 0
    output, errors = capsys.readouterr()
    assert "trial 1 failed: step " in errors
    assert output.splitlines()[1].split()[0] == "trial_000"


@pytest.mark.usefixtures("optuna")
@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (["lr=1..2"], "no field 'lr'; did you mean learning_rate?"),
        (["learning_rate=1"], "leaves nothing to choose; give LOW..HIGH, or A/B/C"),
        (["learning_rate=2..1"], "must rise; give LOW..HIGH"),
        (["learning_rate=a..1"], "field learning_rate takes float, got 'a'"),
        (["optimiser=sgd..adamw"], "field optimiser is not a number, so it has no range"),
        (["optimiser=sgd/adam"], "takes one of sgd, adamw, got 'adam'"),
        (["seed"], "'seed' is not of the form FIELD=LOW..HIGH"),
        (["seed=1/2", "seed=3/4"], "field seed has two ranges"),
        (["batch=4/8"], "batch has a value and a range"),
        (["jitter=0/1"], "never evaluates; give --set evaluate_every=N"),
        ([], "a sweep needs something to choose: --range"),
    ],
)
def test_ranges_that_cannot_be_are_said_in_a_line(
    camvid: Path, tmp_path: Path, ranges: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [part for text in ranges for part in ("--range", text)]
    command = ["sweep", "--recipe", "ddrnet_23_slim_camvid", "--data", str(camvid), "--out", str(tmp_path / "out")]
    assert main([*command, "--batch", "4", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_the_table_has_the_best_trial_first() -> None:
    trials = (Trial(0, {"seed": "1"}, 0.5), Trial(1, {"seed": "2"}, None), Trial(2, {"seed": "3"}, 0.75))
    lines = Sweep(trials, Path("out")).table().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["trial_002", "trial_000", "trial_001"]
    assert lines[-1] == "best: out/trial_002, with --set seed=3"


def test_ranges_are_read() -> None:
    assert read_ranges(["learning_rate=1e-4..1e-2", "crop=64,96/96,64"]) == {
        "learning_rate": "1e-4..1e-2", "crop": "64,96/96,64",
    }  # fmt: skip
    with pytest.raises(UsageError):
        read_ranges(["=1"])
