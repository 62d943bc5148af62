"""An artefact's network can be had back in PyTorch, also where the export rewrote it."""

from __future__ import annotations

import pytest

from streetseg.errors import ArtefactError
from streetseg.export.source import open_source
from tests.support.paths import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bisenetv2", "stdc1"])
def test_a_network_comes_back_from_its_artefact(name: str) -> None:
    """`network` raises if it does not compute what the artefact does. Only BiSeNetV2's graph is rewritten."""
    with open_source(f"{name}-camvid") as source:
        assert source.network.size_multiple == source.card.size_multiple


def test_int8_has_no_network() -> None:
    with (
        open_source(ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx") as source,
        pytest.raises(ArtefactError, match="is int8, which no PyTorch network computes"),
    ):
        _ = source.network
