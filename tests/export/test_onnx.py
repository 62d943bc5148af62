"""The artefact is the network: any size, both engines, and a wrong one never takes its name."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from streetseg.cli import main
from streetseg.data.camvid import LABELS
from streetseg.errors import ArtefactError, UsageError, VerificationError
from streetseg.export import onnx as exporter
from streetseg.measure.evaluation import Evaluation, FrameScore, Setup
from streetseg.measure.evaluation_json import read_accuracy
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.weights import open_weights, save_weights
from streetseg.runtime.artefact import METADATA_KEY, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engines import ENGINES, open_engine
from streetseg.runtime.engines.options import EngineOptions


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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def artefact(weights: Path) -> Path:
    out = weights.with_suffix(".onnx")
    card, difference = exporter.export_onnx(weights, out)
    assert 0 < difference <= 2e-2
    assert card == read_card(out)
    return out


@pytest.mark.parametrize("engine", [engine for engine, kind in ENGINES.items() if kind.suffix == ".onnx"])
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


def test_an_artefact_that_differs_from_its_network_is_not_written(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = exporter.to_onnx

    def wrong(network: Network, card: ModelCard) -> onnx.ModelProto:
        return real(network, dataclasses.replace(card, mean=(0.0, 0.0, 0.0)))

    monkeypatch.setattr(exporter, "to_onnx", wrong)
    with pytest.raises(VerificationError, match="differs from the network"):
        exporter.export_onnx(weights, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


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
        exporter.export_onnx(tmp_path / "a.safetensors", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def evaluated(present: str, absent: str) -> dict[str, Any]:
    """What `streetseg evaluate --json` says of a frame of one class, half of it taken for nothing that is judged."""
    matrix = np.array([[5, 5], [0, 0]])
    frame = FrameScore("f0", np.array([[0, 0, 5], [0, 1, 5]]), 0.5, 0.5)
    setup = Setup(measured_on="x", weights="0f", engine="e", command="c")
    result = Evaluation((present, absent), np.array([True, False]), (), matrix, 0, (frame,), setup=setup)
    found: dict[str, Any] = json.loads(result.to_json())
    return found


def test_figures_of_other_classes_are_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "cats.json").write_text(json.dumps(evaluated("road", "cat")))
    with pytest.raises(UsageError, match="figures of 'cat', no class of "):
        exporter.export_onnx(weights, tmp_path / "a.onnx", accuracy=[read_accuracy(tmp_path / "cats.json")])
    assert not (tmp_path / "a.onnx").exists()


def test_weights_of_another_network_are_told(weights: Path, tmp_path: Path) -> None:
    network, card = open_weights(weights)
    tensors = {key: value for key, value in network.state_dict().items() if not key.startswith("context.")}
    save_weights(tmp_path / "a.safetensors", tensors, card)
    with pytest.raises(ArtefactError, match="missing") as caught:
        exporter.export_onnx(tmp_path / "a.safetensors", tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)


def test_what_was_measured_goes_on_the_card(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "val.json"
    good_facts = evaluated("road", "sky")
    path.write_text(json.dumps(good_facts))
    out, took = tmp_path / "a.onnx", "1.2 hours on one core"
    assert main(["export", str(weights), "--out", str(out), "--accuracy", str(path), "--training-time", took]) == 0
    card = read_card(out)
    on = "x; not judged: sky"
    assert [(entry.measured_on, entry.iou) for entry in card.accuracy] == [(on, {"road": 0.5, "sky": None})]
    assert card.training_time == took
    errors = capsys.readouterr().err
    assert errors == f"streetseg: note: {path} is of other weights than {out}: {on}\n"
    path.write_text(json.dumps({**good_facts, "weights": card.content_hash}))
    took = os.fsdecode(b"1 h, \xff")  # no UTF-8
    assert main(["export", str(weights), "--out", str(out), "--accuracy", str(path), "--training-time", took]) == 0
    assert capsys.readouterr().err == ""
    assert read_card(out).training_time == "1 h, ?"
    good = out.read_bytes()
    for wrong, complaint in (
        ({"miou": 74.5}, "of 74.5, allowed are 0 to 1"),
        ({"miou": None}, "miou is not of its type"),
        ({"iou": [0.5]}, "iou is not of its type"),
        ({"iou": {"road": -0.1}}, "of -0.1, allowed"),
        ({"engine": 1}, "engine is not of its type"),
        ({"confusion": [[1, 2], [0, 0]]}, "do not add up to the confusion matrix"),
    ):
        path.write_text(json.dumps({**good_facts, **wrong}))
        with pytest.raises(UsageError, match=f"no result of streetseg evaluate.*{complaint}"):
            read_accuracy(path)
    path.write_text(json.dumps({**good_facts, "miou": 0.99}))
    with pytest.raises(UsageError, match="scores that are not those of its confusion matrix; evaluate anew"):
        read_accuracy(path)
    path.write_text(json.dumps({**good_facts, "views": "scale 1, 1.5, mirrored too"}))
    assert read_accuracy(path).measured_on == "x; scale 1, 1.5, mirrored too; not judged: sky"
    path.write_text("{}")
    with pytest.raises(UsageError, match="no result of streetseg evaluate"):
        read_accuracy(path)
    unfit = dataclasses.replace(card.accuracy[0], miou=74.5)
    with pytest.raises(VerificationError, match=r"a\.onnx was not written, .* an accuracy beyond 0 to 1") as caught:
        exporter.export_onnx(weights, out, [unfit])
    assert "\n" not in str(caught.value)
    assert out.read_bytes() == good
