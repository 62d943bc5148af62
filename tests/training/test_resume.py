"""A run that is killed, interrupted or out of room goes on to the very end it would have had."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError, OutputError
from streetseg.training.checkpoint import load_checkpoint
from streetseg.training.recipe_fields import read_settings
from streetseg.training.run import Run
from streetseg.training.train import train
from tests.support.small_recipe import SMALL, small

# Long enough for a kill to meet it, with an evaluation that is not a checkpoint's and a schedule that would tell.
SETTINGS = ["iterations=16", "checkpoint_every=4", "evaluate_every=6"]

# The command, killed in the middle of the second checkpoint it writes: half of it is on disk, under another name.
KILLED_WHILE_WRITING = """
import os, signal, sys
from streetseg.cli import main

synced, checkpoints = os.fsync, 0

def fsync(file):
    global checkpoints
    name = os.readlink(f"/proc/self/fd/{file}")
    checkpoints += "checkpoint" in name
    if checkpoints == 2:
        os.truncate(name, os.path.getsize(name) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    synced(file)

os.fsync = fsync
main(sys.argv[1:])
"""


def command(camvid: Path, out: Path, *options: str) -> list[str]:
    settings = [part for setting in (*SMALL, *SETTINGS) for part in ("--set", setting)]
    paths = ["--data", str(camvid), "--out", str(out)]
    return ["train", "--recipe", "ddrnet_23_slim_camvid", *settings, *paths, *options]


@pytest.fixture(scope="module")
def whole(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole")
    train("ddrnet_23_slim_camvid", camvid, out, settings=read_settings([*SMALL, *SETTINGS]), progress=False)
    return out


def log_of(out: Path) -> list[dict[str, Any]]:
    """The log, times aside."""
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in entry.items() if key != "images_per_second"} for entry in entries]


def assert_equal_to_the_bit(ours: Any, theirs: Any) -> None:
    """Two checkpoints' contents, throughout."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_equal_to_the_bit(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_equal_to_the_bit(one, other)
    elif isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    else:
        assert ours == theirs


def assert_ended_alike(out: Path, whole: Path) -> None:
    assert_equal_to_the_bit(load_checkpoint(out / "checkpoint.pt"), load_checkpoint(whole / "checkpoint.pt"))
    assert log_of(out) == log_of(whole)
    for path in whole.glob("*.safetensors"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}


@pytest.mark.slow
def test_killed_while_writing_and_at_a_random_moment(camvid: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, *command(camvid, out)], capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert load_checkpoint(out / "checkpoint.pt")["step"] == 4
    assert list(out.glob(".checkpoint.*.part.pt"))

    process = subprocess.Popen(
        [sys.executable, "-m", "streetseg", *command(camvid, out, "--resume")], stderr=subprocess.DEVNULL
    )
    wait_for_step(out, 8, process)
    time.sleep(random.uniform(0, 1))
    process.kill()
    process.wait()
    # As if killed between a line and its checkpoint, and in a line. Step 17 has none even where the kill came too late.
    with (out / "log.jsonl").open("a") as log:
        log.write('{"step": 17, "main": 1.0}\nno line of ours\n{"step": 4')

    train(None, None, out, resume=True, progress=False)
    assert_ended_alike(out, whole)


def wait_for_step(out: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    """Until a run's checkpoint is of that step or a later one."""
    for _ in range(1200):
        assert process.poll() in (None, 0)
        if (out / "checkpoint.pt").exists() and load_checkpoint(out / "checkpoint.pt")["step"] >= step:
            return
        time.sleep(0.1)
    raise AssertionError("the run does not get there")


@pytest.mark.slow
@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_interrupted(
    number: signal.Signals, camvid: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of a step: the step is finished, and the run goes on behind it."""
    step = Run.train_step

    def interrupted(run: Run) -> dict[str, float]:
        if run.step == 4:
            os.kill(os.getpid(), number)
        return step(run)

    monkeypatch.setattr(Run, "train_step", interrupted)
    settings = read_settings([*SMALL, *SETTINGS])
    with pytest.raises(KeyboardInterrupt):
        train("ddrnet_23_slim_camvid", camvid, tmp_path / "run", settings=settings, progress=False)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    train(small(*SETTINGS), camvid, tmp_path / "run", resume=True, progress=False)
    assert_ended_alike(tmp_path / "run", whole)


FULL_DISK = """
import resource, sys
from streetseg.cli import main
from streetseg.training import train

save = train.save_checkpoint

def save_with_little_room(path, state):
    if state["step"] == 8:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    save(path, state)

train.save_checkpoint = save_with_little_room
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_no_room_for_a_checkpoint(camvid: Path, tmp_path: Path) -> None:
    """The system refuses to write more than a MiB: an error in the middle of writing, as on a full disk."""
    out = tmp_path / "run"
    full = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *command(camvid, out)], capture_output=True, text=True, timeout=120
    )
    assert full.returncode == 2
    said = full.stderr.splitlines()[-1]
    assert "checkpoint.pt cannot be written: File too large; the one before it stands" in said
    assert "Traceback" not in full.stderr
    assert load_checkpoint(out / "checkpoint.pt")["step"] == 4
    assert not list(out.glob(".*.part.*"))


def test_a_folder_that_cannot_be_written_to_is_said_at_once(camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written to"):
        train(small(), open_dataset(camvid), tmp_path / "file" / "run", progress=False)


@pytest.mark.slow
def test_an_evaluation_that_fails_costs_no_step(
    camvid: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Run) -> None:
        raise DatasetError("a frame is gone")

    monkeypatch.setattr(Run, "evaluate", fail)
    with pytest.raises(DatasetError, match="a frame is gone"):
        train(small(*SETTINGS), camvid, tmp_path, progress=False)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 6
    monkeypatch.undo()
    train(small(*SETTINGS), camvid, tmp_path, resume=True, progress=False)
    ours, theirs = (load_checkpoint(folder / "checkpoint.pt") for folder in (tmp_path, whole))
    for part in ("step", "network", "average", "optimiser"):
        assert_equal_to_the_bit(ours[part], theirs[part])
