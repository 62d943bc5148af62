"""The export targets: what `streetseg export --target` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streetseg.export.onnx import export_onnx
from streetseg.export.torch import export_torch
from streetseg.runtime.card import ModelCard


@dataclass(frozen=True)
class Target:
    """The suffix of a target's artefacts, and what makes one: weights, out, accuracy, training time -> card,
    difference."""

    suffix: str
    export: Callable[..., tuple[ModelCard, float]]


TARGETS: dict[str, Target] = {
    "onnx": Target(".onnx", export_onnx),
    "torch": Target(".pt2", export_torch),
}
