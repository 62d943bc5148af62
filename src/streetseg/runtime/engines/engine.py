"""The contract of an engine, and the table of engines."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError
from streetseg.runtime.card import ModelCard

PRECISIONS = ("float32", "bfloat16", "float16")  # of which an engine may refuse some


class Engine(Protocol):
    """Runs one artefact. Several threads may call it at once: with as many streams, or the rest wait.

    precision: the arithmetic it was opened with, one of PRECISIONS.
    """

    name: str
    precision: str

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """frame: H x W x 3 uint8 RGB, H and W multiples of the card's size_multiple. Returns logits
        h x w x C float32, C-contiguous, which are the caller's to keep."""
        ...


# Each opens an artefact with the arguments of `open_engine`.
ENGINES = {
    "openvino": "streetseg.runtime.engines.openvino",
    "onnxruntime": "streetseg.runtime.engines.onnxruntime",
    "torch": "streetseg.runtime.engines.torch",
}
# The artefacts that each engine runs; of a file's engines the first is the default.
FORMATS = {"openvino": ".onnx", "onnxruntime": ".onnx", "torch": ".pt2"}


def open_engine(
    name: str | None,
    path: Path,
    card: ModelCard,
    *,
    threads: int | None = None,
    precision: str | None = None,
    streams: int = 1,
    cache: Path | None = None,
) -> Engine:
    """The engine of that name with the artefact loaded; EngineError where that cannot be.

    name: None: the default one for the file. threads: CPU threads, None: all cores. precision: None: the fastest the
    machine has. streams: frames to work on at once, which share the threads: 1 has the least latency, one a thread the
    most frames a second. cache: folder where an engine that compiles may keep what it compiled.
    """
    fitting = [engine for engine, suffix in FORMATS.items() if suffix == path.suffix]
    if name is None:
        name = fitting[0]
    if name not in ENGINES:
        raise EngineError(f"no engine {name!r}; there are {', '.join(ENGINES)}")
    if name not in fitting:
        raise EngineError(f"{name} runs NAME{FORMATS[name]}, not {path}; take --engine {' or '.join(fitting)}")
    if threads is not None and threads < 1:
        raise EngineError(f"threads must be at least 1, got {threads}")
    if streams < 1:
        raise EngineError(f"streams must be at least 1, got {streams}")
    if precision is not None and precision not in PRECISIONS:
        raise EngineError(f"no precision {precision!r}; there are {', '.join(PRECISIONS)}")
    opener: Callable[..., Engine] = importlib.import_module(ENGINES[name]).open_artefact
    return opener(path, card, threads or cores(), precision, streams, cache)


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_logits(shape: tuple[int | None, ...], path: Path, card: ModelCard) -> None:
    """Refuse an artefact whose graph does not put out what its card says; None stands for a dynamic size."""
    if len(shape) != 4 or shape[3] != len(card.classes):
        raise ArtefactError(
            f"{path} disagrees with its card: the graph puts out {shape}, the card names {len(card.classes)} classes; "
            "get the file again, or export it again"
        )
