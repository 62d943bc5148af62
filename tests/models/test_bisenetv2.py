"""BiSeNetV2 beyond the reference and the contract: strides, what is refused, the backbones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from streetseg.errors import NetworkError
from streetseg.models.bisenetv2 import bisenetv2, bisenetv2_large
from streetseg.models.matching import convert_tensors
from streetseg.models.origins.bisenetv2 import TORCHVISION
from streetseg.models.semantic_backbones import SEMANTIC_BACKBONES, ShuffleUnit
from streetseg.models.weights import load_tensors


def gmacs(net: nn.Module, height: int, width: int) -> float:
    """Multiply-adds of convolutions and matrix products, in 1e9."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops() / 2e9


def test_large_is_twice_as_wide_and_three_times_as_deep() -> None:
    with torch.device("meta"):
        large, same = (
            bisenetv2_large(19, in_channels=4, aux=True),
            bisenetv2(19, in_channels=4, width=2.0, depth=3, aux=True),
        )
    assert {k: v.shape for k, v in large.state_dict().items()} == {k: v.shape for k, v in same.state_dict().items()}
    assert large.detail is not None
    assert large.detail.get_parameter("stage3.0.0.weight").shape == (256, 128, 3, 3)


def test_sizes_need_only_be_multiples_of_8() -> None:
    """40 x 72 has no whole sizes at 1/16 and 1/32: features there round up, and each booster has twice its stage's."""
    net = bisenetv2(11, aux=True, boosters=("stage2", "stage3", "stage4", "stage5_4", "stage5_5")).eval()
    with torch.inference_mode():
        outputs = net(torch.randn(1, 3, 40, 72))
    assert outputs.logits.shape == (1, 11, 5, 9)
    assert {name: tuple(logits.shape) for name, logits in outputs.aux.items()} == {
        "stage2": (1, 11, 20, 36), "stage3": (1, 11, 10, 18), "stage4": (1, 11, 6, 10),
        "stage5_4": (1, 11, 4, 6), "stage5_5": (1, 11, 4, 6),
    }  # fmt: skip
    with pytest.raises(NetworkError, match="multiples of 8, got 36 x 72"):
        net(torch.randn(1, 3, 36, 72))


def test_one_image_trains_without_the_context_embedding() -> None:
    assert bisenetv2(2, head_width=8, context=False)(torch.randn(1, 3, 64, 64)).logits.shape == (1, 2, 8, 8)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"aggregation": "mean"}, "no aggregation 'mean'; choose of guided, sum, concat"),
        ({"semantic": "vgg16"}, "no semantic 'vgg16'; choose of gather_expansion, resnet18"),
        ({"gather_kernel": 5}, "no gather_kernel 5; choose of 1, 3"),
        ({"boosters": ("stage3", "stage9")}, "no booster after stage9 here; choose of stage2, .*, stage5_5"),
        ({"boosters": ("stage5_5",), "context": False}, "no booster after stage5_5 here; choose of .*, stage5_4$"),
        ({"depth": 0}, "depth 0"),
        ({"width_ratio": 1 / 64}, "a stem of 1 channels"),
    ],
)
def test_what_cannot_be_built_is_refused(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        bisenetv2(19, **switches)


# Published by torchvision for the classifiers: parameters and GFLOPs (multiply-adds) at 224 x 224; and some entries.
BACKBONES = [
    (
        "resnet18", 11_689_512, 1.81, 122, "fc",
        {"bn1.weight": (64,), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
         "layer4.1.conv2.weight": (512, 512, 3, 3)},
    ),
    (
        "mobilenet_v2", 3_504_872, 0.30, 314, "classifier.1",
        {"features.1.conv.1.weight": (16, 32, 1, 1), "features.2.conv.1.0.weight": (96, 1, 3, 3),
         "features.17.conv.3.bias": (320,), "features.18.0.weight": (1280, 320, 1, 1)},
    ),
    (
        "shufflenet_v2_x1_5", 3_503_624, 0.30, None, "fc",
        {"stage2.0.branch1.0.weight": (24, 1, 3, 3), "stage2.0.branch1.2.weight": (88, 24, 1, 1),
         "stage3.7.branch2.3.weight": (176, 1, 3, 3), "conv5.0.weight": (1024, 704, 1, 1)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters", "cost", "entries", "classifier", "some"), BACKBONES)
def test_backbones_are_torchvisions(
    name: str, parameters: int, cost: float, entries: int | None, classifier: str, some: dict[str, tuple[int, ...]]
) -> None:
    with torch.device("meta"):
        net = SEMANTIC_BACKBONES[name](3).eval()
    width = net.channels[-1]
    tensors = net.state_dict()
    assert sum(p.numel() for p in net.parameters()) + 1000 * width + 1000 == parameters
    assert gmacs(net, 224, 224) + 1e-6 * width == pytest.approx(cost, abs=0.01)
    assert entries is None or len(tensors) + 2 == entries
    assert {key: tuple(tensors[key].shape) for key in some} == some


@pytest.mark.parametrize(("name", "classifier"), [(row[0], row[4]) for row in BACKBONES])
def test_imagenet_checkpoints_start_the_semantic_branch(name: str, classifier: str) -> None:
    """An old checkpoint: with its classifier, without counts of batches."""
    origin = TORCHVISION[name]
    net = bisenetv2(19, head_width=8, **origin.arguments)
    assert net.semantic is not None
    part = net.semantic.backbone
    theirs = {key: torch.randn(tensor.shape) for key, tensor in part.state_dict().items() if tensor.is_floating_point()}
    classification = {f"{classifier}.weight": torch.zeros(1000, 8), f"{classifier}.bias": torch.zeros(1000)}
    load_tensors(net, net.state_dict() | convert_tensors(theirs | classification, origin), name)
    assert all(torch.equal(part.state_dict()[key], tensor) for key, tensor in theirs.items())


def test_backbone_strides() -> None:
    for name, backbone in SEMANTIC_BACKBONES.items():
        with torch.device("meta"):
            net = backbone(3)
            stages = net(torch.empty(2, 3, 64, 128))
        assert [tuple(stage.shape[1:]) for stage in stages] == [
            (channels, 64 // stride, 128 // stride)
            for channels, stride in zip(net.channels, (4, 8, 16, 32), strict=True)
        ], name


def test_channel_shuffle_interleaves_the_halves() -> None:
    """At stride 1 the first half of the channels passes as it is, to every second channel."""
    x = torch.randn(1, 8, 4, 4)
    with torch.inference_mode():
        y = ShuffleUnit(8, 8, 1).eval()(x)
    assert torch.equal(y[:, ::2], x[:, :4])
    assert (y[:, 1::2] >= 0).all()
