"""STDC beyond the reference: ablations, strides, what is refused, and what conversion does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from reference_rules import Reference
from torch import nn

from streetseg.errors import NetworkError
from streetseg.models.checkpoints import convert, load
from streetseg.models.origins import stdc
from streetseg.models.stdc import STDCClassifier, STDCSeg, stdc1, stdc1_classifier, stdc2, stdc2_classifier
from streetseg.models.table import MODELS


def assert_every_parameter_learns(net: nn.Module) -> None:
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        *((stdc1, {"detail": detail}) for detail in ((), (2,), (2, 4), (2, 4, 8), (8,), (16,))),
        (stdc1, {"head_bias": True, "in_channels": 1}),
        (stdc2, {}),
    ],
)
def test_every_parameter_of_every_ablation_learns(network: Callable[..., STDCSeg], arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = network(5, aux=True, **arguments)
    outputs = net(torch.randn(4, arguments.get("in_channels", 3), 32, 64))
    assert set(outputs.aux) == {"arm16", "arm32", *(f"detail{stride}" for stride in arguments.get("detail", (8,)))}

    sum((logits.square().mean() for logits in (outputs.logits, *outputs.aux.values())), torch.tensor(0.0)).backward()
    assert_every_parameter_learns(net)


@pytest.mark.parametrize("classifier", [stdc1_classifier, stdc2_classifier])
def test_every_parameter_of_the_classifiers_learns(classifier: Callable[..., STDCClassifier]) -> None:
    torch.manual_seed(0)
    net = classifier(7, in_channels=4)
    outputs = net(torch.randn(2, 4, 64, 64))
    assert outputs.logits.shape == (2, 7)
    outputs.logits.square().mean().backward()
    assert_every_parameter_learns(net)


def test_sizes_need_only_be_multiples_of_8() -> None:
    """40 x 72 has no whole sizes at 1/16 and 1/32: features there round up, and every head stays on its own grid."""
    net = stdc1(11, aux=True, detail=(2, 4, 8, 16)).eval()
    with torch.inference_mode():
        outputs = net(torch.randn(1, 3, 40, 72))
    assert outputs.logits.shape == (1, 11, 5, 9)
    assert {name: tuple(logits.shape[1:]) for name, logits in outputs.aux.items()} == {
        "arm16": (11, 5, 9), "arm32": (11, 3, 5),
        "detail2": (1, 20, 36), "detail4": (1, 10, 18), "detail8": (1, 5, 9), "detail16": (1, 3, 5),
    }  # fmt: skip
    with pytest.raises(NetworkError, match="multiples of 8, got 36 x 72"):
        net(torch.randn(1, 3, 36, 72))


def test_without_aux_there_is_no_further_head() -> None:
    net = stdc1(2, detail=(2, 4, 8, 16)).eval()
    with torch.inference_mode():
        assert net(torch.randn(1, 3, 32, 32)).aux == {}
    assert len(net.aux_heads) == 0


def test_one_image_is_refused_in_training_only() -> None:
    net = stdc1(2)
    image = torch.randn(1, 3, 64, 64)
    with pytest.raises(NetworkError, match="batches of 2 images or more, got 1") as refusal:
        net(image)
    assert "\n" not in str(refusal.value)
    with torch.inference_mode():
        assert net.eval()(image).logits.shape == (1, 2, 8, 8)


def test_a_detail_head_where_there_is_none_is_refused() -> None:
    with pytest.raises(NetworkError, match="no detail head at stride 3; choose of 2, 4, 8, 16"):
        stdc2(19, aux=True, detail=(8, 3))


def test_the_sign_of_official_scales_is_lost_outside_the_backbone() -> None:
    reference, origin = Reference("stdc1-seg"), stdc.SEGMENTATION["stdc1"]
    theirs = reference.state_dict()
    outside = {key: value for key, value in theirs.items() if "backbone" not in key}
    scales = [key for key, value in outside.items() if value.ndim == 1 and key.endswith("weight")]
    assert len(scales) == 15
    ours = convert(theirs, origin)
    flipped = convert(theirs | {key: -theirs[key] for key in scales}, origin)
    assert all(torch.equal(ours[name], flipped[name]) for name in ours)
    torch.testing.assert_close(ours["ffm.conv.1.weight"], theirs["ffm.convblk.bn.weight"].abs() + 1e-5, rtol=0, atol=0)
    assert torch.equal(ours["backbone.conv1.1.weight"], theirs["cp.backbone.features.0.bn.weight"])


@pytest.mark.parametrize("name", ["stdc1", "stdc2"])
def test_imagenet_checkpoints_start_the_segmentation_form(name: str) -> None:
    reference, origin = Reference(f"{name}-cls"), stdc.IMAGENET[name]
    net = MODELS[name](19).eval()
    load(net, net.state_dict() | convert(reference.state_dict(), origin), name)
    with torch.inference_mode():
        feature = net.backbone(reference.input())[-1][0]
    theirs = reference.arrays["mid__features__mean"]
    assert np.abs(feature.mean((1, 2)).numpy() - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_compiles_whole_and_exports() -> None:
    torch.manual_seed(0)
    net = stdc1(3, aux=True).eval()
    image = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        expected = net(image)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    exported = torch.export.export(net, (image,)).module()
    for network in (compiled, exported):
        with torch.no_grad():
            outputs = network(image)
        torch.testing.assert_close(outputs.logits, expected.logits)
        torch.testing.assert_close(outputs.aux, expected.aux)
