"""What EngineOptions refuses, and which engine it chooses for a file and a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.errors import EngineError
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.engine import cores
from streetseg.runtime.engines.engines import ENGINES
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS

OPENVINO = ENGINES["openvino"]


@pytest.mark.parametrize("device", ["cpu", "gpu", "npu", "auto", "cuda", "cuda:0", "cuda:12", "mps", "tensorrt"])
def test_devices_have_these_names(device: str) -> None:
    assert EngineOptions(device=device).device_kind == device.partition(":")[0]


@pytest.mark.parametrize("device", ["", "tpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "gpu.0"])
def test_other_devices_are_refused_with_the_list(device: str) -> None:
    with pytest.raises(EngineError) as caught:
        EngineOptions(device=device)
    there = "cpu, gpu, npu, auto, cuda, tensorrt, mps, cuda:N"
    assert str(caught.value) == f"unknown device {device!r}; choose one of {there}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "tensorflow"}, f"unknown engine 'tensorflow'; choose one of {', '.join(ENGINES)}"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"streams": 0}, "streams must be at least 1, got 0"),
        ({"precision": "int8"}, "unknown precision 'int8'; choose one of float32, bfloat16, float16"),
    ],
)
def test_other_values_are_refused(options: dict[str, str | int], message: str) -> None:
    with pytest.raises(EngineError) as caught:
        EngineOptions(**options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_threads_are_shared_by_streams() -> None:
    assert EngineOptions().cpu_threads == cores()
    assert EngineOptions(threads=8, streams=3).threads_per_stream == 2
    assert EngineOptions(threads=2, streams=3).threads_per_stream == 1


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("a.onnx", EngineOptions("torch"), "torch runs NAME.pt2, not a.onnx; choose --engine openvino or onnxruntime"),
        (
            "a.pt2",
            EngineOptions("openvino"),
            f"openvino runs {OPENVINO.files}, not a.pt2; choose --engine torch",
        ),
        ("a.onnx", EngineOptions("openvino", "cuda:1"), "openvino runs on cpu, gpu, npu, auto, not on cuda:1"),
        ("a.pt2", EngineOptions(device="npu"), "no engine runs a.pt2 on npu, which runs NAME.onnx"),
        ("a.onnx", EngineOptions(device="mps"), "no engine runs a.onnx on mps, which runs NAME.pt2"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused(path: str, options: EngineOptions, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(Path(path), read_card(DEFAULT_WEIGHTS), options)
    assert str(caught.value).startswith(message)


def test_the_first_engine_that_knows_the_device_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    for name in ("openvino", "onnxruntime", "torch"):
        monkeypatch.setattr(
            f"streetseg.runtime.engines.{name}.open_artefact",
            lambda path, card, options, name=name: opened.append(name),
        )
    card = read_card(DEFAULT_WEIGHTS)
    given = (
        ("a.onnx", None),
        ("a.onnx", "auto"),
        ("a.onnx", "cuda:1"),
        ("a.pt2", "cuda"),
        ("a.pt2", None),
    )
    for path, device in given:
        open_engine(Path(path), card, EngineOptions(device=device))
    assert opened == ["openvino", "openvino", "onnxruntime", "torch", "torch"]
