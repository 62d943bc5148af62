"""The artefact is the network: any size, both engines, and a wrong one never takes its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from streetseg.errors import ArtefactError, VerificationError
from streetseg.export import onnx as exporter
from streetseg.export.targets import export
from streetseg.models.outputs import Network
from streetseg.models.weights import open_weights, save_weights
from streetseg.runtime.artefact import METADATA_KEY, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engines import ENGINES
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions


@pytest.fixture(scope="module")
def artefact(weights: Path) -> Path:
    exported = export(weights)
    assert exported.path == weights.with_suffix(".onnx")
    assert exported.difference is not None
    assert 0 < exported.difference <= 2e-2
    assert exported.card == read_card(exported.path)
    assert exported.notes == ()
    return exported.path


@pytest.mark.parametrize("engine", [engine for engine, kind in ENGINES.items() if ".onnx" in kind.suffixes])
@pytest.mark.parametrize("size", [(8, 8), (64, 96), (360, 480), (72, 8)])
def test_every_engine_computes_the_network_at_any_size(
    weights: Path, artefact: Path, engine: str, size: tuple[int, int]
) -> None:
    network, card = open_weights(weights)
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    x = (torch.from_numpy(frame) - torch.tensor(card.mean)) / torch.tensor(card.std)
    with torch.inference_mode():
        expected = network(x.permute(2, 0, 1).unsqueeze(0)).logits[0].permute(1, 2, 0).numpy()
    logits = open_engine(artefact, card, EngineOptions(engine, precision="float32"))(frame)
    assert logits.dtype == np.float32
    assert logits.shape == (size[0] // 8, size[1] // 8, 11)
    assert logits.flags.c_contiguous
    assert np.abs(logits - expected).max() <= 2e-2 * expected.std()


def test_the_graph_is_small_and_bare(weights: Path, artefact: Path) -> None:
    model = onnx.load(artefact)
    network, _ = open_weights(weights)
    assert artefact.stat().st_size < 2.1 * sum(p.numel() for p in network.parameters())
    folded = sum(node.op_type == "BatchNormalization" for node in model.graph.node)
    # Left are the norms with no convolution before them to be folded into: DAPPM's 11 and the head's first.
    assert folded == 12
    assert [entry.key for entry in model.metadata_props] == [METADATA_KEY]
    content = artefact.read_bytes()
    assert not [place for place in (str(Path.cwd()), ".py", "site-packages") if place.encode() in content]


@pytest.mark.slow
def test_an_artefact_that_differs_from_its_network_is_not_written(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = exporter.to_onnx

    def wrong(network: Network, card: ModelCard, *, halved: bool = True) -> onnx.ModelProto:
        return real(network, dataclasses.replace(card, mean=(0.0, 0.0, 0.0)))

    monkeypatch.setattr(exporter, "to_onnx", wrong)
    with pytest.raises(VerificationError, match="differs from the network"):
        export(weights, out=tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda channel: channel * 1e7, "graph puts out NaN or infinity where the network does not: .* half precision"),
        (lambda channel: channel * float("nan"), "the network puts out NaN or infinity: its weights are broken"),
    ],
)
def test_what_puts_out_no_numbers_is_not_written(
    spoil: Callable[[torch.Tensor], torch.Tensor], message: str, weights: Path, tmp_path: Path
) -> None:
    network, card = open_weights(weights)
    tensors = network.state_dict()
    large = next(tensor for tensor in tensors.values() if tensor.ndim == 4 and tensor.numel() > 5000)
    large[0] = spoil(large[0])
    save_weights(tmp_path / "a.safetensors", tensors, card, precision="float32")
    with pytest.raises(VerificationError, match=message):
        export(tmp_path / "a.safetensors", out=tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_weights_of_another_network_are_told(weights: Path, tmp_path: Path) -> None:
    network, card = open_weights(weights)
    tensors = {key: value for key, value in network.state_dict().items() if not key.startswith("context.")}
    save_weights(tmp_path / "a.safetensors", tensors, card)
    with pytest.raises(ArtefactError, match="missing") as caught:
        export(tmp_path / "a.safetensors", out=tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)
