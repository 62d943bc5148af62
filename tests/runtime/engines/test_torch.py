"""PyTorch's devices. Those that this machine lacks are tried with doubles of what PyTorch says is there, and of what
moves a program to a device. tests/export/test_torch.py runs real programs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streetseg.errors import EngineError
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS

torch = pytest.importorskip("torch")

from streetseg.runtime.engines import torch as engine  # noqa: E402  # after the question for PyTorch

CARD = read_card(DEFAULT_WEIGHTS)


def machine(monkeypatch: pytest.MonkeyPatch, *, gpus: int = 0, mps: bool = False) -> list[str]:
    """A machine with so many CUDA devices, and MPS or not. Returns the devices that programs are moved to."""
    moved: list[str] = []
    logits = SimpleNamespace(name="logits", meta={"val": SimpleNamespace(shape=(1, 8, 12, len(CARD.classes)))})
    program = SimpleNamespace(
        graph_signature=SimpleNamespace(user_outputs=["logits"]), graph=SimpleNamespace(nodes=[logits])
    )

    def move(program: Any, device: str) -> Any:
        moved.append(device)
        return SimpleNamespace(module=lambda check_guards: torch.nn.Identity())

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(engine, "load", lambda path: program)
    monkeypatch.setattr(engine, "move_to_device_pass", move)
    return moved


def opened(device: str | None = None, precision: str | None = None) -> engine.TorchEngine:
    return engine.open_artefact(Path("a.pt2"), CARD, EngineOptions(device=device, precision=precision))


@pytest.mark.parametrize(
    ("gpus", "mps", "device", "expected", "precision"),
    [
        (0, False, None, "cpu", "float32"),
        (1, False, None, "cuda", "float16"),
        (1, True, None, "cuda", "float16"),
        (0, True, None, "mps", "float16"),
        (2, True, "cpu", "cpu", "float32"),
        (2, True, "mps", "mps", "float16"),
        (2, True, "cuda", "cuda", "float16"),
        (2, True, "cuda:1", "cuda:1", "float16"),
    ],
)
def test_the_device_that_was_named_or_the_first(
    monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool, device: str | None, expected: str, precision: str
) -> None:
    moved = machine(monkeypatch, gpus=gpus, mps=mps)
    one = opened(device)
    assert (one.device, one.precision) == (expected, precision)
    assert moved == [expected]


@pytest.mark.parametrize(
    ("gpus", "mps", "device", "there"),
    [
        (0, False, "cuda", "cpu"),
        (0, False, "mps", "cpu"),
        (0, True, "cuda:0", "mps, cpu"),
        (1, False, "cuda:1", "cuda, cuda:0, cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool, device: str, there: str
) -> None:
    moved = machine(monkeypatch, gpus=gpus, mps=mps)
    with pytest.raises(EngineError) as caught:
        opened(device)
    assert str(caught.value) == f"torch finds no {device} on this machine; there is {there}"
    assert moved == []


def test_a_precision_that_a_device_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpus=1, mps=True)
    with pytest.raises(
        EngineError, match="torch computes in float16 or float32 on this machine's mps, not in bfloat16"
    ):
        opened("mps", "bfloat16")
    with pytest.raises(
        EngineError, match="torch computes in float32 or bfloat16 on this machine's cpu, not in float16"
    ):
        opened("cpu", "float16")
    assert opened("cuda:0", "bfloat16").precision == "bfloat16"
