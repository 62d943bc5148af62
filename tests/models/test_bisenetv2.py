"""BiSeNetV2 beyond the reference: the paper's ablations, its GFLOPs, strides, what is refused, the backbones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from streetseg.errors import NetworkError
from streetseg.models.bisenetv2 import bisenetv2, bisenetv2_large
from streetseg.models.checkpoints import convert, load
from streetseg.models.origins.bisenetv2 import TORCHVISION
from streetseg.models.semantic_backbones import SEMANTIC_BACKBONES, ShuffleUnit

ABLATIONS: list[dict[str, Any]] = [
    {},
    {"branches": "detail"},
    {"branches": "semantic"},
    {"aggregation": "sum"},
    {"aggregation": "concat"},
    {"width_ratio": 1 / 2},
    {"width_ratio": 1 / 8},
    {"width_ratio": 1 / 16},
    {"gather_kernel": 1},
    {"gather_expands": True},
    {"gather_kernel": 1, "gather_expands": True},
    {"double_depthwise": False},
    {"context": False},
    *({"expansion": expansion} for expansion in (1, 2, 4, 8)),
    {"boosters": ("stage2", "stage3", "stage4", "stage5_4", "stage5_5")},
    {"boosters": ("stage2", "stage3", "stage4")},
    {"boosters": ("stage5_4", "stage5_5")},
    *({"width": width} for width in (1.25, 1.5, 1.75, 2.0)),
    *({"depth": depth} for depth in (2, 3, 4)),
    *({"semantic": semantic} for semantic in SEMANTIC_BACKBONES),
    {"interpolation": "bilinear", "aggregation_bias": True},
    {"in_channels": 1},
]


@pytest.mark.parametrize("ablation", ABLATIONS, ids=str)
def test_every_parameter_of_every_ablation_learns(ablation: dict[str, Any]) -> None:
    torch.manual_seed(0)
    # Half as wide with a narrow head, unless the ablation is the width: what is tested does not depend on either.
    net = bisenetv2(5, aux=True, **{"width": 0.5, "head_width": 32, **ablation})
    outputs = net(torch.randn(3, ablation.get("in_channels", 3), 32, 64))
    assert outputs.logits.shape == (3, 5, 4, 8)
    boosters = ("stage2", "stage3", "stage4", "stage5_4")
    assert tuple(outputs.aux) == (() if "detail" in ablation.values() else ablation.get("boosters", boosters))

    sum((logits.square().mean() for logits in (outputs.logits, *outputs.aux.values())), torch.tensor(0.0)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def gmacs(net: nn.Module, height: int, width: int) -> float:
    """Multiply-adds of convolutions and matrix products, in 1e9."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize(
    ("published", "ablation", "baseline"),
    [
        # Differences between rows of the paper's tables, in which the head, whose width it does not give, cancels out.
        (21.98 - 20.77, {"aggregation": "concat"}, {"aggregation": "sum"}),
        (21.15 - 20.77, {}, {"aggregation": "sum"}),
        (21.15 - 21.07, {}, {"context": False}),
        (22.49 - 17.78, {"expansion": 8}, {"expansion": 1}),
        (33.50 - 21.15, {"depth": 4}, {}),
        (118.51 - 85.94, {"width": 2.0, "depth": 3}, {"width": 2.0}),
    ],
)
def test_costs_what_the_paper_says(published: float, ablation: dict[str, Any], baseline: dict[str, Any]) -> None:
    """With the gather convolution that expands, as the paper's text has it; its count adds the norms, about 1 %."""
    with torch.device("meta"):
        one, other = (bisenetv2(19, gather_expands=True, **switches).eval() for switches in (ablation, baseline))
    assert gmacs(one, 512, 1024) - gmacs(other, 512, 1024) == pytest.approx(published, rel=0.02, abs=0.01)


def test_large_is_twice_as_wide_and_three_times_as_deep() -> None:
    with torch.device("meta"):
        large, same = (
            bisenetv2_large(19, in_channels=4, aux=True),
            bisenetv2(19, in_channels=4, width=2.0, depth=3, aux=True),
        )
    assert {k: v.shape for k, v in large.state_dict().items()} == {k: v.shape for k, v in same.state_dict().items()}
    assert large.detail is not None
    assert large.detail.stage3[0][0].weight.shape == (256, 128, 3, 3)


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


def test_without_aux_there_is_no_booster() -> None:
    net = bisenetv2(2).eval()
    with torch.inference_mode():
        assert net(torch.randn(1, 3, 32, 32)).aux == {}
    assert len(net.boosters) == 0


def test_one_image_is_refused_in_training_only_for_the_context_embedding() -> None:
    image = torch.randn(1, 3, 64, 64)
    net = bisenetv2(2)
    with pytest.raises(NetworkError, match="batches of 2 images or more, got 1") as refusal:
        net(image)
    assert "\n" not in str(refusal.value)
    with torch.inference_mode():
        assert net.eval()(image).logits.shape == (1, 2, 8, 8)
    assert bisenetv2(2, context=False)(image).logits.shape == (1, 2, 8, 8)


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
    part = net.semantic.backbone
    theirs = {key: torch.randn(tensor.shape) for key, tensor in part.state_dict().items() if tensor.is_floating_point()}
    classification = {f"{classifier}.weight": torch.zeros(1000, 8), f"{classifier}.bias": torch.zeros(1000)}
    load(net, net.state_dict() | convert(theirs | classification, origin), name)
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


def test_compiles_whole_and_exports() -> None:
    torch.manual_seed(0)
    net = bisenetv2(3, aux=True, head_width=8).eval()
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
