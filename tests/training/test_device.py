"""A run computes where it is told to; a device that is not there is said in a line.

GPUs are doubles at torch's boundary: what they would compute is not tested here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streetseg.cli import main
from streetseg.errors import TrainingError, UsageError
from streetseg.training import run as run_module
from streetseg.training.device import choose_device, devices_here, precision_on
from streetseg.training.losses.upsampled_cross_entropy import BAND_VALUES
from streetseg.training.train import train
from tests.support.small_recipe import small


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with two GPUs of CUDA and without MPS, outside torchrun."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, "cuda:0"), ("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")]
)
def test_the_device_asked_for(machine: pytest.MonkeyPatch, asked: str | None, expected: str) -> None:
    assert choose_device(asked) == torch.device(expected)


def test_each_process_takes_its_own_gpu(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("LOCAL_RANK", "1")
    machine.setenv("WORLD_SIZE", "2")
    assert choose_device() == choose_device("cuda") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="device cuda:0 is one GPU, and each process needs its own; ask for cuda"):
        choose_device("cuda:0")
    machine.setenv("LOCAL_RANK", "2")
    with pytest.raises(TrainingError, match="process 3 on a machine with 2 GPUs; start at most as many processes"):
        choose_device()


def test_mps_where_it_is(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_device() == torch.device("cpu")
    machine.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == torch.device("cpu")  # only when asked for
    assert choose_device("mps") == torch.device("mps")
    assert devices_here() == ["cpu", "mps"]
    assert precision_on(torch.device("mps"), "auto") == torch.float32


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("cuda:2", "device cuda:2 is not here; here are cpu, cuda:0, cuda:1"),
        ("mps", "device mps is not here; here are cpu, cuda:0, cuda:1"),
        ("gpu", "no device 'gpu'; name cpu, cuda, cuda:N or mps; here are cpu, cuda:0, cuda:1"),
        ("cuda:x", "no device 'cuda:x'; name"),
        ("cpu:0", "no device 'cpu:0'; name"),
    ],
)
def test_a_device_that_is_not_there_is_said_in_a_line(machine: pytest.MonkeyPatch, asked: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        choose_device(asked)
    assert "\n" not in str(caught.value)


def test_the_command_line_passes_the_device_on(
    camvid: Path, tmp_path: Path, machine: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.setattr(torch.cuda, "device_count", lambda: 0)
    command = ["train", "--recipe", "ddrnet_23_slim_camvid", "--data", str(camvid), "--out", str(tmp_path / "run")]
    assert main([*command, "--device", "cuda"]) == 2
    assert capsys.readouterr().err.splitlines() == ["streetseg: device cuda is not here; here are cpu"]
    assert not (tmp_path / "run").exists()


def test_everything_of_a_run_goes_to_the_device(camvid: Path, tmp_path: Path, machine: pytest.MonkeyPatch) -> None:
    """The network and its average are moved there; recorded instead of done."""
    moved: list[object] = []
    joined: list[torch.device] = []

    class StopHereError(Exception):
        pass

    def to(module: torch.nn.Module, *places: object, **keywords: object) -> torch.nn.Module:
        moved.extend(places)
        return module

    def stop(*_: object) -> bool:
        raise StopHereError

    machine.setattr("streetseg.training.train.join", joined.append)
    machine.setattr(torch.nn.Module, "to", to)
    machine.setattr(run_module, "has_unsupervised_heads", stop)
    with pytest.raises(StopHereError):
        train(small(), camvid, tmp_path / "run", device="cuda:1", progress=False)
    assert joined == [torch.device("cuda:1")]
    assert moved == [torch.device("cuda:1")] * 2


def test_the_losses_know_every_kind_of_device() -> None:
    assert set(BAND_VALUES) == {"cpu", "cuda", "mps"}


def test_float16_needs_a_gpu() -> None:
    assert precision_on(torch.device("cuda"), "float16") == torch.float16
    for kind in ("cpu", "mps"):
        with pytest.raises(TrainingError, match="float16 needs a GPU"):
            precision_on(torch.device(kind), "float16")
