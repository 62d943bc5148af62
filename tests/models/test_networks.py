"""The table of networks: each is listed with a description, and has the stages of its paper."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from streetseg.cli import main
from streetseg.models.networks import CLASSIFIERS, MODELS, build, list_networks


def test_every_network_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if not line.startswith(" ")]  # sentences fold
    assert names == sorted(MODELS | CLASSIFIERS)
    assert all(len(entry.description) > 20 for entry in list_networks().networks)


def test_the_list_is_json() -> None:
    listed = json.loads(list_networks().to_json())["networks"]
    assert [entry["name"] for entry in listed if entry["classifier"]] == sorted(CLASSIFIERS)
    assert listed[2] == {
        "name": "ddrnet_23",
        "description": "DDRNet-23. The paper: 20.1 M parameters, 143.1 GMACs at 1024 x 2048, 79.5 mIoU on Cityscapes "
        "val (Table V), 76.3 on CamVid test (Table VI).",
        "classifier": False,
    }


# Tables that give the size of each stage's output: module -> channels and height at the table's input.
STAGES = {
    "ddrnet_23_slim": (224, {"trunk.stem": (32, 56), "trunk.conv2": (32, 56), "trunk.conv3": (64, 28),
                             "trunk.conv4.0.low": (128, 14), "trunk.conv4.0.high": (64, 28),
                             "trunk.conv5.low": (256, 7), "trunk.conv5.high": (64, 28), "rbb_high": (128, 28)}),
    "ddrnet_39": (224, {"trunk.stem": (64, 56), "trunk.conv2": (64, 56), "trunk.conv3": (128, 28),
                        "trunk.conv4.1.low": (256, 14), "trunk.conv4.1.high": (128, 28),
                        "trunk.conv5.low": (512, 7), "trunk.conv5.high": (128, 28), "rbb_high": (256, 28)}),
    "fassd_net": (1024, {"encoder.stem": (48, 256), "encoder.transitions.0": (64, 256),
                         "encoder.transitions.1": (96, 128), "encoder.transitions.2": (160, 64),
                         "encoder.transitions.3": (224, 32), "context": (224, 32), "decoder.fusions.0": (192, 64),
                         "decoder.blocks.0": (160, 64), "decoder.fusions.1": (119, 128), "decoder.blocks.1": (78, 128),
                         "decoder.fusions.2": (63, 256), "decoder.blocks.2": (48, 256), "head": (19, 256)}),
    "bisenetv2": (512, {"detail.stage1": (64, 256), "detail.stage2": (64, 128), "detail.stage3": (128, 64),
                        "semantic.backbone.stem": (16, 128), "semantic.backbone.stage3": (32, 64),
                        "semantic.backbone.stage4": (64, 32), "semantic.backbone.stage5": (128, 16),
                        "semantic.context": (128, 16)}),
}  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
def test_stages_are_those_of_the_architecture_tables(name: str) -> None:
    """DDRNet, Tables I and II; FASSD-Net, Table II; BiSeNetV2, Table 1."""
    size, stages = STAGES[name]
    sizes: dict[str, tuple[int, int]] = {}
    with torch.device("meta"):
        network = build(name, 19).eval()
        for stage in stages:
            record(network.get_submodule(stage), stage, sizes)
        network(torch.empty(1, 3, size, 2 * size))
    assert sizes == stages


def record(module: nn.Module, name: str, sizes: dict[str, tuple[int, int]]) -> None:
    module.register_forward_hook(lambda _, __, output: sizes.__setitem__(name, tuple(output.shape[1:3])))
