"""The table of engines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineKind:
    """An engine of the table.

    Attributes:
        module: Module with `open_artefact(path, card, options) -> Engine`.
        suffixes: Suffixes of the artefacts that it runs.
        devices: Devices that it supports. It checks for them when it opens an artefact.
    """

    module: str
    suffixes: tuple[str, ...]
    devices: tuple[str, ...]

    @property
    def files(self) -> str:
        """The artefacts that it runs, as a message names them."""
        return " or ".join(f"NAME{suffix}" for suffix in self.suffixes)


# Of the engines that run a file on a device, the first is the default.
ENGINES = {
    "openvino": EngineKind("streetseg.runtime.engines.openvino", (".onnx", ".xml"), ("cpu", "gpu", "npu", "auto")),
    "onnxruntime": EngineKind("streetseg.runtime.engines.onnxruntime", (".onnx",), ("cpu", "cuda", "tensorrt")),
    "litert": EngineKind("streetseg.runtime.engines.litert", (".tflite",), ("cpu",)),
    "torch": EngineKind("streetseg.runtime.engines.torch", (".pt2",), ("cpu", "cuda", "mps")),
    "ncnn": EngineKind("streetseg.runtime.engines.ncnn", (".param",), ("cpu",)),
}
DEVICES = tuple(dict.fromkeys(device for kind in ENGINES.values() for device in kind.devices))
