"""Checkpoints of other code bases, for the tests that read and convert them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from streetseg.data.labels import label_space, likely_labels
from streetseg.errors import StreetsegError
from streetseg.models.checkpoint_contents import tensors_in
from streetseg.models.conversion import Conversion, build_converted, recognise_checkpoint
from tests.support.reference_rules import Reference


def shapes(fixture: str) -> dict[str, Tensor]:
    """The official state dict's names and shapes, without values."""
    return {name: torch.zeros(shape) for name, shape in Reference(fixture).facts["keys"].items()}


def refusal(error: type[StreetsegError], call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(error) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def save(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def converted(fixture: str, classes: str | None = None, network: str | None = None) -> tuple[Conversion, Any, Any, Any]:
    conversion = recognise_checkpoint(Reference(fixture).state_dict(), f"{fixture}.pth", network)
    labels = label_space(classes) if classes else likely_labels(conversion.num_classes or 0)
    return conversion, *build_converted(conversion, labels.names, labels.colours)


def tensors_of(content: object) -> dict[str, Tensor]:
    """The tensors of a checkpoint's content, as `convert` finds them."""
    return tensors_in(content, Path("checkpoint.pth"))


def filled(value: float, prefix: str = "", fixture: str = "fassd-net-l2") -> dict[str, Tensor]:
    """A state dict with a code base's names and shapes; all tensors are views of one storage of one value."""
    keys = Reference(fixture).facts["keys"]
    one = torch.full((max(map(math.prod, keys.values())),), value, dtype=torch.float16)
    return {
        prefix + name: one[: math.prod(shape)].view(shape) if shape else torch.tensor(0) for name, shape in keys.items()
    }
