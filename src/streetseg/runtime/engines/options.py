"""The options of an engine as one object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streetseg.errors import EngineError
from streetseg.runtime.engines.engine import cores
from streetseg.runtime.engines.engines import DEVICES, ENGINES

PRECISIONS = ("float32", "bfloat16", "float16")  # an engine may refuse some
NUMBERED = ("cuda",)  # devices of which there may be several, named with a number: cuda:1


@dataclass(frozen=True)
class EngineOptions:
    """The options for running an artefact: engine, device, threads, precision, streams, cache.

    Args:
        engine: "openvino", "onnxruntime", "torch" or "ncnn"; None: the first that runs the file on the device.
        device: "cpu", "gpu", "npu", "auto", "cuda", "cuda:N", "tensorrt" or "mps"; None: the engine's default, which
            is the CPU, for "torch" the first of CUDA, MPS and the CPU.
        threads: Number of CPU threads, 1 or more; None: all cores.
        precision: "float32", "bfloat16" or "float16"; None: the fastest of the device.
        streams: Number of frames that the network processes at once, 1 or more. They share the threads: 1 has the
            lowest latency, one a thread the highest throughput.
        cache: Folder where an engine keeps what it compiles, so that it opens faster next time; None: nothing is kept.

    Raises:
        EngineError: If a value is none of these.
    """

    engine: str | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    streams: int = 1
    cache: str | Path | None = None

    def __post_init__(self) -> None:
        if self.engine is not None and self.engine not in ENGINES:
            raise EngineError(f"unknown engine {self.engine!r}; choose one of {', '.join(ENGINES)}")
        if self.device is not None and not is_device(self.device):
            names = [*DEVICES, *(f"{name}:N" for name in NUMBERED)]
            raise EngineError(f"unknown device {self.device!r}; choose one of {', '.join(names)}")
        if self.threads is not None and self.threads < 1:
            raise EngineError(f"threads must be at least 1, got {self.threads}")
        if self.streams < 1:
            raise EngineError(f"streams must be at least 1, got {self.streams}")
        if self.precision is not None and self.precision not in PRECISIONS:
            raise EngineError(f"unknown precision {self.precision!r}; choose one of {', '.join(PRECISIONS)}")

    @property
    def device_kind(self) -> str | None:
        """Return the device without its number."""
        return None if self.device is None else self.device.partition(":")[0]

    @property
    def cpu_threads(self) -> int:
        """Return the number of CPU threads, all cores if none is given."""
        return self.threads or cores()

    @property
    def threads_per_stream(self) -> int:
        """Return the number of CPU threads of each stream, at least 1."""
        return max(1, self.cpu_threads // self.streams)


def is_device(name: str) -> bool:
    """Return True if an engine runs on devices of this name."""
    kind, colon, number = name.partition(":")
    return kind in DEVICES if not colon else kind in NUMBERED and number.isdecimal()
