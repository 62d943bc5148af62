"""OpenVINO's devices. Those that this machine lacks are tried with a double of `ov.Core` that records what it is asked
and computes on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from streetseg.errors import EngineError
from streetseg.runtime.engines import openvino
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import Segmenter

FRAME = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
THREADS, PRECISION = "INFERENCE_NUM_THREADS", "INFERENCE_PRECISION_HINT"
# As Intel documents them: a GPU has no CPU threads, an NPU decides on its streams itself and knows no float32.
CAPABILITIES = {
    "CPU": ["FP32", "FP16", "INT8"],
    "GPU": ["FP32", "BIN", "FP16", "INT8"],
    "NPU": ["FP16", "INT8", "EXPORT_IMPORT"],
}
SETTABLE = {
    "CPU": {"NUM_STREAMS": "RW", THREADS: "RW", PRECISION: "RW"},
    "GPU": {"NUM_STREAMS": "RW", PRECISION: "RW", "FULL_DEVICE_NAME": "RO"},
    "NPU": {"NUM_STREAMS": "RO", PRECISION: "RW"},
}


class RecordingCore:
    """A machine with a CPU, two GPUs and an NPU, as far as it is asked; computes on the CPU."""

    def __init__(self, devices: list[str]) -> None:
        self.real = ov.Core()
        self.devices = devices
        self.asked: list[str] = []
        self.compiled: list[tuple[str, dict[str, Any]]] = []

    @property
    def available_devices(self) -> list[str]:
        self.asked.append("devices")
        return self.devices

    def get_property(self, device: str, name: str) -> Any:
        self.asked.append(f"{device} {name}")
        kind = device.partition(".")[0]
        properties: dict[str, dict[str, Any]] = {
            "OPTIMIZATION_CAPABILITIES": CAPABILITIES, "SUPPORTED_PROPERTIES": SETTABLE,
        }  # fmt: skip
        return properties[name][kind]

    def read_model(self, path: Path) -> Any:
        return self.real.read_model(path)

    def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
        self.compiled.append((device, settings))
        return self.real.compile_model(model, "CPU", {PRECISION: "f32"})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> RecordingCore:
    core = RecordingCore(["CPU", "GPU.0", "GPU.1", "NPU"])
    monkeypatch.setattr(openvino, "core", lambda: core)
    return core


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "precision", "device", "settings"),
    [
        (
            EngineOptions(device="gpu", threads=3),
            "float16",
            "GPU",
            {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, PRECISION: "f16"},
        ),
        (
            EngineOptions(device="gpu", precision="float32", streams=2),
            "float32",
            "GPU",
            {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": 2, PRECISION: "f32"},
        ),
        (EngineOptions(device="npu"), "float16", "NPU", {"PERFORMANCE_HINT": "LATENCY", PRECISION: "f16"}),
        (
            EngineOptions(device="auto", threads=3),
            "float32",
            "AUTO",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "DEVICE_PROPERTIES": {
                    "CPU": {"NUM_STREAMS": 1, THREADS: 3, PRECISION: "f32"},
                    "GPU.0": {"NUM_STREAMS": 1, PRECISION: "f32"},
                    "GPU.1": {"NUM_STREAMS": 1, PRECISION: "f32"},
                },
            },
        ),
    ],
    ids=["gpu", "gpu, float32", "npu", "auto"],
)
def test_a_device_is_told_what_it_understands(
    machine: RecordingCore, options: EngineOptions, precision: str, device: str, settings: dict[str, Any]
) -> None:
    segmenter = Segmenter.open(options=options)
    assert segmenter.engine.precision == precision
    assert segmenter(FRAME).classmap.shape == (64, 96)
    assert machine.compiled == [(device, settings)]


def test_without_a_device_only_the_cpu_is_asked(machine: RecordingCore) -> None:
    segmenter = Segmenter.open(threads=2)
    segmenter(FRAME)
    assert segmenter.engine.precision == "float32"
    expected = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, THREADS: 2, PRECISION: "f32"}
    assert machine.compiled == [("CPU", expected)]
    assert machine.asked == ["CPU OPTIMIZATION_CAPABILITIES"]  # looking for other devices would take time


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("cpu", "float16", "openvino computes in float32 on this machine's cpu, not in float16"),
        ("cpu", "bfloat16", "openvino computes in float32 on this machine's cpu, not in bfloat16"),
        ("gpu", "bfloat16", "openvino computes in float16 or float32 on this machine's gpu, not in bfloat16"),
        ("npu", "float32", "openvino computes in float16 on this machine's npu, not in float32"),
        ("auto", "float16", "openvino computes in float32 on this machine's auto, not in float16"),
    ],
)
def test_a_precision_that_a_device_lacks_is_refused(
    machine: RecordingCore, device: str, precision: str, message: str
) -> None:
    with pytest.raises(EngineError) as caught:
        Segmenter.open(device=device, precision=precision)
    assert str(caught.value).startswith(message)
    assert machine.compiled == []


@pytest.mark.parametrize(
    ("there", "device", "message"),
    [
        (["CPU"], "gpu", "openvino finds no gpu on this machine; there is cpu, auto"),
        (["CPU"], "npu", "openvino finds no npu on this machine; there is cpu, auto"),
        (["CPU", "GPU.0", "GPU.1"], "npu", "openvino finds no npu on this machine; there is cpu, gpu, auto"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    machine: RecordingCore, there: list[str], device: str, message: str
) -> None:
    machine.devices = there
    with pytest.raises(EngineError) as caught:
        Segmenter.open(device=device)
    assert str(caught.value) == message


@pytest.mark.slow
def test_auto_runs_on_this_machine() -> None:
    """The real OpenVINO, whatever device it chooses."""
    exact = Segmenter.open(precision="float32", threads=1).logits(FRAME)
    automatic = Segmenter.open(device="auto", threads=1)
    assert automatic.engine.precision == "float32"
    assert np.abs(automatic.logits(FRAME) - exact).max() < 1e-3 * exact.std()
