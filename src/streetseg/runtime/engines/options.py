"""The options of an engine, which travel as one object."""

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
    """Options by which an engine runs an artefact.

    Args:
        engine: "openvino", "onnxruntime" or "torch"; None: the first that runs the file on the device.
        device: "cpu", "gpu", "npu", "auto", "cuda", "cuda:N", "tensorrt" or "mps"; None: the engine's default, which
            is the CPU, for "torch" the first of CUDA, MPS and the CPU.
        threads: CPU threads, 1 or more; None: all cores.
        precision: "float32", "bfloat16" or "float16"; None: the fastest that the device has.
        streams: Frames that the network works on at once, 1 or more. They share the threads: 1 has the least latency,
            one a thread the most frames a second.
        cache: Folder where an engine that compiles keeps what it compiled; the next opening is quicker.

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
            raise EngineError(f"no engine {self.engine!r}; there are {', '.join(ENGINES)}")
        if self.device is not None and not is_device(self.device):
            names = [*DEVICES, *(f"{name}:N" for name in NUMBERED)]
            raise EngineError(f"no device {self.device!r}; there are {', '.join(names)}")
        if self.threads is not None and self.threads < 1:
            raise EngineError(f"threads must be at least 1, got {self.threads}")
        if self.streams < 1:
            raise EngineError(f"streams must be at least 1, got {self.streams}")
        if self.precision is not None and self.precision not in PRECISIONS:
            raise EngineError(f"no precision {self.precision!r}; there are {', '.join(PRECISIONS)}")

    @property
    def device_kind(self) -> str | None:
        """The device without its number."""
        return None if self.device is None else self.device.partition(":")[0]

    @property
    def cpu_threads(self) -> int:
        """The CPU threads as a number."""
        return self.threads or cores()

    @property
    def threads_per_stream(self) -> int:
        """The CPU threads that each stream has, at least 1."""
        return max(1, self.cpu_threads // self.streams)


def is_device(name: str) -> bool:
    """Return True if an engine may know the device."""
    kind, colon, number = name.partition(":")
    return kind in DEVICES if not colon else kind in NUMBERED and number.isdecimal()
