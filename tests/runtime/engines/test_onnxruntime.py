"""ONNX Runtime's providers. Those that this machine lacks are tried with a double of `InferenceSession` that records
what it is asked and computes on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.errors import EngineError
from streetseg.runtime.segmenter import Segmenter

ort = pytest.importorskip("onnxruntime")

FRAME = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
TF32 = {"use_tf32": "0"}


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The providers of each session that is opened, on a machine that has CUDA and TensorRT."""
    opened: list[list[Any]] = []
    real = ort.InferenceSession

    class RecordingSession:
        def __init__(self, content: bytes, options: Any, providers: list[Any]) -> None:
            opened.append(providers)
            self.session = real(content, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return [one if isinstance(one, str) else one[0] for one in opened[-1]]

        def __getattr__(self, name: str) -> Any:
            return getattr(self.session, name)

    monkeypatch.setattr(ort, "InferenceSession", RecordingSession)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    return opened


@pytest.mark.parametrize(
    ("device", "precision", "chosen", "providers"),
    [
        (None, None, "float32", [CPU]),
        ("cpu", None, "float32", [CPU]),
        ("cuda", None, "float32", [(CUDA, {"device_id": "0"} | TF32), CPU]),
        ("cuda:1", "float32", "float32", [(CUDA, {"device_id": "1"} | TF32), CPU]),
        (
            "tensorrt",
            None,
            "float16",
            [(TENSORRT, {"device_id": "0", "trt_fp16_enable": "True"}), (CUDA, {"device_id": "0"} | TF32), CPU],
        ),
        (
            "tensorrt",
            "float32",
            "float32",
            [(TENSORRT, {"device_id": "0", "trt_fp16_enable": "False"}), (CUDA, {"device_id": "0"} | TF32), CPU],
        ),
    ],
)
def test_a_device_is_a_provider(
    sessions: list[list[Any]], device: str | None, precision: str | None, chosen: str, providers: list[Any]
) -> None:
    segmenter = Segmenter.open(engine="onnxruntime", device=device, precision=precision)
    assert segmenter.engine.precision == chosen
    assert segmenter(FRAME).classmap.shape == (64, 96)
    assert sessions == [providers]


def test_tensorrt_keeps_what_it_compiled(sessions: list[list[Any]], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    Segmenter.open(engine="onnxruntime", device="tensorrt", cache=cache)
    settings = sessions[0][0][1]
    assert settings["trt_engine_cache_enable"] == "True"
    assert settings["trt_engine_cache_path"] == str(cache)
    assert cache.is_dir()


def test_a_provider_that_cannot_start_is_an_error(sessions: list[list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime goes on without a provider whose libraries it cannot load; we do not."""
    monkeypatch.setattr(ort.InferenceSession, "get_providers", lambda self: [CPU])
    with pytest.raises(EngineError, match="onnxruntime cannot start CUDAExecutionProvider and would run on CPU"):
        Segmenter.open(engine="onnxruntime", device="cuda")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["AzureExecutionProvider", CPU])
    with pytest.raises(EngineError) as caught:
        Segmenter.open(device=device)
    assert str(caught.value) == f"onnxruntime finds no {device.partition(':')[0]} on this machine; there is cpu"


def test_a_precision_that_a_device_lacks_is_refused(sessions: list[list[Any]]) -> None:
    with pytest.raises(EngineError, match="in float32 on this machine's cuda, not in float16"):
        Segmenter.open(engine="onnxruntime", device="cuda", precision="float16")
    with pytest.raises(EngineError, match="in float16 or float32 on this machine's tensorrt, not in bfloat16"):
        Segmenter.open(engine="onnxruntime", device="tensorrt", precision="bfloat16")
    assert sessions == []
