"""STDC beyond the reference and the contract: strides, what is refused, and what conversion does."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from streetseg.errors import NetworkError
from streetseg.models.matching import convert_tensors
from streetseg.models.networks import MODELS
from streetseg.models.origins import stdc
from streetseg.models.stdc import stdc1, stdc2
from streetseg.models.weights import load_tensors
from tests.support.reference_rules import Reference


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


def test_a_detail_head_where_there_is_none_is_refused() -> None:
    with pytest.raises(NetworkError, match="no detail head at stride 3; choose of 2, 4, 8, 16"):
        stdc2(19, aux=True, detail=(8, 3))


def test_the_sign_of_official_scales_is_lost_outside_the_backbone() -> None:
    reference, origin = Reference("stdc1-seg"), stdc.SEGMENTATION["stdc1"]
    theirs = reference.state_dict()
    outside = {key: value for key, value in theirs.items() if "backbone" not in key}
    scales = [key for key, value in outside.items() if value.ndim == 1 and key.endswith("weight")]
    assert len(scales) == 15
    ours = convert_tensors(theirs, origin)
    flipped = convert_tensors(theirs | {key: -theirs[key] for key in scales}, origin)
    assert all(torch.equal(ours[name], flipped[name]) for name in ours)
    torch.testing.assert_close(ours["ffm.conv.1.weight"], theirs["ffm.convblk.bn.weight"].abs() + 1e-5, rtol=0, atol=0)
    assert torch.equal(ours["backbone.conv1.1.weight"], theirs["cp.backbone.features.0.bn.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stdc1", "stdc2"])
def test_imagenet_checkpoints_start_the_segmentation_form(name: str) -> None:
    reference, origin = Reference(f"{name}-cls"), stdc.IMAGENET[name]
    net = MODELS[name](19).eval()
    load_tensors(net, net.state_dict() | convert_tensors(reference.state_dict(), origin), name)
    with torch.inference_mode():
        feature = cast(Any, net).backbone(reference.input())[-1][0]
    theirs = reference.arrays["mid__features__mean"]
    assert np.abs(feature.mean((1, 2)).numpy() - theirs).max() <= 1e-4 * np.abs(theirs).max()
