"""Our own weights files: the same function after writing and opening; a card that does not fit is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from streetseg.data.labels import label_space
from streetseg.errors import ArtefactError
from streetseg.models.weights import open_weights, save_weights
from tests.support.checkpoints import converted, refusal
from tests.support.reference_rules import Reference


@pytest.mark.parametrize(
    ("fixture", "network", "bgr"),
    [
        pytest.param("ddrnet-23-slim", None, False, marks=pytest.mark.slow),
        pytest.param("stdc1-seg", None, False, marks=pytest.mark.slow),
        pytest.param("mmseg-stdc1", None, False, marks=pytest.mark.slow),
        pytest.param("bisenetv2", None, False, marks=pytest.mark.slow),
        pytest.param("mmseg-bisenetv2", None, False, marks=pytest.mark.slow),
        ("fassd-net", "fassd_net", True),
        pytest.param("fc-hardnet-70", None, True, marks=pytest.mark.slow),
    ],
)
def test_weights_of_ours_are_the_same_function(fixture: str, network: str | None, bgr: bool, tmp_path: Path) -> None:
    """By way of the file, whose card says how the network is built. Frames are RGB, whatever the code base was fed."""
    reference = Reference(fixture)
    _, before, card, untrained = converted(fixture, network=network)
    assert untrained == {}
    path = tmp_path / "x.safetensors"
    save_weights(path, before.state_dict(), card, precision="float32")
    net, card = open_weights(path)
    frame = reference.input()
    with torch.inference_mode():
        reference.check("main", net(frame.flip(1) if bgr else frame).logits)
    assert card.classes == label_space("cityscapes").names
    assert (card.mean[0] < 100) == (fixture == "bisenetv2")
    assert (card.align_corners, card.precision) == (net.align_corners, "float32")


@pytest.mark.slow
def test_a_card_that_the_network_does_not_take(tmp_path: Path) -> None:
    _, net, card, _ = converted("mmseg-bisenetv2")
    assert card.network_arguments == {"interpolation": "bilinear", "aggregation_bias": True}
    path = tmp_path / "x.safetensors"
    for arguments, error in (
        ({"depht": 2}, ArtefactError),
        ({"aux": 1}, ArtefactError),
        ({"context": 5}, ArtefactError),
    ):
        save_weights(path, net.state_dict(), dataclasses.replace(card, network_arguments=arguments))
        refusal(error, open_weights, path)
    for wrong, complaint in (
        ({"output_stride": 4}, "a card of output_stride 4, where bisenetv2 has 8"),
        ({"align_corners": not card.align_corners}, "a card of align_corners "),
        ({"size_multiple": 12}, "a card of size_multiple 12, where "),
        ({"network_arguments": card.network_arguments | {"in_channels": 1}}, "for 1 channels; artefacts take RGB"),
    ):
        save_weights(path, net.state_dict(), dataclasses.replace(card, **wrong))
        assert complaint in refusal(ArtefactError, open_weights, path)
