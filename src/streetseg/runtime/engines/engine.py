"""The contract of an engine."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError
from streetseg.runtime.card import ModelCard


class Engine(Protocol):
    """An artefact that is loaded and ready to run. Several threads may call it at once; those beyond its streams wait.

    Attributes:
        name: The engine's name in `ENGINES`.
        precision: Precision of its arithmetic: "float32", "bfloat16" or "float16".
    """

    name: str
    precision: str

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame.

        Args:
            frame: H x W x 3 uint8 RGB; H and W are multiples of the card's size_multiple.

        Returns:
            h x w x C float32, C-contiguous. The array is the caller's to keep.
        """
        ...


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_logits(shape: tuple[int | None, ...], path: Path, card: ModelCard) -> None:
    """Raise ArtefactError if the graph's output is not what its card says; None stands for a dynamic size."""
    shape = card.form.shape_of_logits(shape, len(card.classes))
    if len(shape) != 4 or shape[3] != len(card.classes):
        raise ArtefactError(
            f"{path} disagrees with its card: the graph puts out {shape}, the card names {len(card.classes)} classes; "
            "get the file again, or export it again"
        )


def check_device(engine: str, device: str, available: Collection[str]) -> None:
    """Raise EngineError if the device is not available."""
    if device not in available:
        raise EngineError(f"{engine} finds no {device} on this machine; there is {', '.join(available)}")


def choose_precision(engine: str, device: str, available: Sequence[str], given: str | None) -> str:
    """Return the given precision, or the device's first if None is given; EngineError if the device lacks it."""
    if given not in (None, *available):
        raise EngineError(
            f"{engine} computes in {' or '.join(available)} on this machine's {device}, not in {given}; "
            "choose one of these, or another engine"
        )
    return given or available[0]
