"""Other code bases' checkpoints are recognised, and converted strictly into the same function."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from streetseg.data.labels import label_space
from streetseg.errors import CheckpointError, NetworkError
from streetseg.models import conversion
from streetseg.models.conversion import recognise_checkpoint
from streetseg.models.origins import bisenetv2
from streetseg.models.semantic_backbones import ResNet18
from tests.support.checkpoints import converted, refusal, shapes, tensors_of
from tests.support.reference_rules import FOLDER, Reference

OFFICIAL = {
    "bisenetv2": "CoinCheung/BiSeNet",
    "ddrnet": "ydhongHIT/DDRNet",
    "fassd": "GibranBenitez/FASSD-Net",
    "fc": "PingoLH/FCHarDNet",
    "mmseg": "open-mmlab/mmsegmentation",
    "stdc1": "MichaelFan01/STDC-Seg",
    "stdc2": "MichaelFan01/STDC-Seg",
}
# Networks that differ in strides only: their tensors cannot tell them apart.
ALIKE = {"fassd_net", "fassd_net_l1"}

# Recognising


@pytest.mark.slow
@pytest.mark.parametrize("fixture", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_every_fixture_is_recognised_whatever_is_around_it(fixture: str) -> None:
    theirs = shapes(fixture)
    name = fixture.removeprefix("mmseg-").removesuffix("-cls").removesuffix("-seg").replace("-", "_")
    asked = name if name in ALIKE else None
    recognised = recognise_checkpoint(theirs, fixture, asked)
    assert recognised.network == name
    for prefix, wrapper in (("", None), ("module.", "state_dict"), ("model.module.", "model_state"), ("model.", "ema")):
        wrapped = {f"{prefix}{name}": tensor for name, tensor in theirs.items()}
        content = wrapped if wrapper is None else {"epoch": 3, wrapper: wrapped, "optimizer": {"state": theirs}}
        again = recognise_checkpoint(tensors_of(content), fixture, asked)
        assert (again.network, again.origin, again.left_out) == (name, recognised.origin, recognised.left_out)
        assert again.tensors.keys() == recognised.tensors.keys()

    assert recognised.origin.name == OFFICIAL[fixture.split("-")[0]]
    assert recognised.num_classes == (None if fixture.endswith("-cls") else 19)
    if not fixture.endswith("-cls"):
        training_only = [
            beginning.removesuffix(".") for beginning in Reference(fixture).facts["training_only_prefixes"]
        ]
        assert all(any(left.startswith(beginning) for left in recognised.left_out) for beginning in training_only)


def test_networks_that_are_alike_are_asked_for() -> None:
    message = refusal(CheckpointError, recognise_checkpoint, shapes("fassd-net"), "x.pth")
    assert "fassd_net and fassd_net_l1" in message
    assert "--network" in message


def test_origins_that_are_alike_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = dataclasses.replace(bisenetv2.COINCHEUNG, name="a/fork", arguments={"interpolation": "bilinear"})
    monkeypatch.setattr(conversion, "ORIGINS", (bisenetv2.COINCHEUNG, twin))
    theirs = shapes("bisenetv2")
    message = refusal(CheckpointError, recognise_checkpoint, theirs, "x.pth", "bisenetv2")
    assert "CoinCheung/BiSeNet and a/fork" in message
    assert "--origin" in message
    assert recognise_checkpoint(theirs, "x.pth", None, "a/fork").origin is twin


def test_another_network_is_told_with_both_sides() -> None:
    message = refusal(CheckpointError, recognise_checkpoint, shapes("ddrnet-23-slim"), "x.pth", "ddrnet_23")
    assert "theirs conv1.0.weight (32, 3, 3, 3), ours trunk.stem.0.weight (64, 3, 3, 3)" in message
    assert "it fits ddrnet_23_slim (ydhongHIT/DDRNet)" in message
    assert "it fits ddrnet_23_slim" in refusal(
        CheckpointError, recognise_checkpoint, shapes("ddrnet-23-slim"), "x.pth", "stdc1"
    )
    assert "there are bisenetv2" in refusal(NetworkError, recognise_checkpoint, {}, "x.pth", "pidnet_s")
    assert "CoinCheung/BiSeNet" in refusal(CheckpointError, recognise_checkpoint, {}, "x.pth", None, "CoinCheung")


def test_every_tensor_counts() -> None:
    theirs = shapes("bisenetv2")
    theirs["detail.S4.conv.weight"] = theirs.pop("detail.S1.0.conv.weight")
    message = refusal(CheckpointError, recognise_checkpoint, theirs, "x.pth")
    assert "1 of ours missing (detail.stage1.0.0.weight); 1 of theirs left over (detail.S4.conv.weight)" in message
    assert "of no code base that is known" in refusal(
        CheckpointError, recognise_checkpoint, {"a.b": torch.zeros(1)}, "x.pth"
    )


def test_training_wrappers_of_ddrnet_pytorch() -> None:
    inner = shapes("ddrnet-23-slim")
    wrapped = {f"model.{name}": tensor for name, tensor in inner.items()} | {"loss.criterion.weight": torch.ones(19)}
    recognised = recognise_checkpoint(tensors_of({"state_dict": wrapped}), "x.pth", origin="chenjun2hao/DDRNet.pytorch")
    assert recognised.network == "ddrnet_23_slim"
    assert recognised.left_out == {"seghead_extra": 13, "loss": 1}


def test_imagenet_starts() -> None:
    """Backbones without a segmentation head: HarDNet's, for networks that share it, and torchvision's."""
    hardnet = {
        name.removeprefix("base."): tensor
        for name, tensor in shapes("fc-hardnet-70").items()
        if name.startswith("base.")
    }
    assert recognise_checkpoint(hardnet, "x.pth", "fc_hardnet_70").left_out == {}
    assert recognise_checkpoint(hardnet, "x.pth", "fassd_net_l2").left_out == {"16": 48, "17": 6}
    resnet = ResNet18().state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    recognised = recognise_checkpoint(resnet, "x.pth")
    assert (recognised.network, recognised.origin.arguments) == ("bisenetv2", {"semantic": "resnet18"})
    assert recognised.left_out == {"fc": 2}


# Converting


@pytest.mark.slow
def test_forks_of_stdc_with_ordinary_norms_keep_their_scales() -> None:
    theirs = Reference("stdc1-seg").state_dict()
    norms = [name.removesuffix("running_var") for name in theirs if name.endswith("running_var")]
    fork = theirs | {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}
    for state, expected in ((theirs, 1e-5), (fork, 0.0)):
        scale = recognise_checkpoint(state, "x.pth").tensors["ffm.conv.1.weight"]
        assert (scale - theirs["ffm.convblk.bn.weight"]).max().item() == pytest.approx(expected, rel=0.1)


@pytest.mark.slow
def test_another_class_count_keeps_all_but_the_head() -> None:
    recognised, net, card, untrained = converted("stdc1-seg", "camvid")
    assert untrained == {"head.classifier": 1}
    assert card.classes == label_space("camvid").names
    assert "head.classifier" in card.limits[0]
    state = net.state_dict()
    assert all(torch.equal(state[key], recognised.tensors[key]) for key in state if key != "head.classifier.weight")
    again = converted("stdc1-seg", "camvid")[1].state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in state.items())


def test_a_classifier_starts_a_segmentation_network() -> None:
    _, net, card, untrained = converted("ddrnet-23-slim-cls", "camvid")
    assert untrained.keys() == {"context", "head"}
    assert torch.equal(net.trunk.stem[0].weight, Reference("ddrnet-23-slim-cls").state_dict()["conv1.0.weight"])
    assert "Untrained: context, head" in card.limits[0]
