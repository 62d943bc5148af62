"""Networks as they are initialised, for what must hold of every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from streetseg.data.camvid import LABELS
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.weights import save_weights
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


def settle(network: Network) -> Network:
    """Give the norms parameters and statistics of their own, so that folding them matters."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    network.train()
    for _ in range(3):
        network(torch.randn(4, 3, 64, 96))
    return network.eval()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = settle(build("ddrnet_23_slim", 11))
    card = ModelCard(
        network="ddrnet_23_slim", classes=LABELS.names, colours=LABELS.colours, mean=(120.0, 115.0, 100.0),
        std=(58.0, 57.0, 56.0), output_stride=8, size_multiple=8, align_corners=False, native_short_side=360,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, network.state_dict(), card)
    return path
