"""Networks as they are initialised, for what must hold of every family."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from streetseg.data.camvid import LABELS
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.runtime.card import ModelCard


@pytest.fixture
def untrained() -> Callable[[str], tuple[Network, ModelCard]]:
    """A network by its name, and a card for it."""

    def untrained(name: str) -> tuple[Network, ModelCard]:
        torch.manual_seed(0)
        network = build(name, len(LABELS.names)).eval()
        return network, ModelCard(
            network=name, classes=LABELS.names, colours=LABELS.colours, mean=(120.0, 115.0, 100.0),
            std=(58.0, 57.0, 56.0), output_stride=network.output_stride, size_multiple=network.size_multiple,
            align_corners=network.align_corners, native_short_side=96,
        )  # fmt: skip

    return untrained
