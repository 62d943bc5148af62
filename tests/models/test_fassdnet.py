"""FASSD-Net: the papers' tables, sizes, training of every ablation, compilation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.fassdnet import (
    ASPP,
    CONTEXTS,
    DAPF,
    FASSDNet,
    PReLU,
    dilated_conv,
    fassd_net,
    fassd_net_l1,
    fassd_net_l2,
)
from streetseg.models.hardnet import fc_hardnet_70, fc_hardnet_70_classifier, fc_hardnet_70_l1, fc_hardnet_70_l2
from streetseg.models.outputs import Network

VARIANTS = [fassd_net, fassd_net_l1, fassd_net_l2]
Variant = Callable[..., FASSDNet]

# network, its arguments, GFLOPs, parameters (as printed, in millions)
TABLES = [
    # Table I
    (fassd_net, {"context": "none", "mda": False}, 32.9, "1.90"),
    (fassd_net, {"context": "aspp", "mda": False}, 36.8, "3.85"),
    (fassd_net, {"context": "dapf", "mda": False}, 33.9, "2.36"),
    (fassd_net, {"context": "none", "mda": True}, 44.2, "2.38"),
    (fassd_net, {"context": "aspp", "mda": True}, 48.0, "4.33"),
    (fassd_net, {"context": "dapf", "mda": True}, 45.1, "2.85"),
    # Table IV
    (fc_hardnet_70, {}, 35.4, "4.1"),
    (fc_hardnet_70_l1, {}, 15.7, "4.1"),
    (fc_hardnet_70_l2, {}, 6.6, "2.86"),
    (fassd_net_l1, {}, 20.0, "2.85"),
    (fassd_net_l2, {}, 8.7, "2.3"),
]


@pytest.mark.parametrize(("variant", "arguments", "gflops", "parameters"), TABLES)
def test_the_papers_tables(
    variant: Callable[..., Network], arguments: dict[str, Any], gflops: float, parameters: str
) -> None:
    net = variant(19, **arguments).eval()
    decimals = len(parameters.partition(".")[2])
    assert f"{sum(p.numel() for p in net.parameters()) / 1e6:.{decimals}f}" == parameters
    # All resolutions of all variants divide 384, so that a part of the paper's frame stands for the whole.
    assert operations(net, torch.zeros(1, 3, 384, 384)) * (1024 * 2048 / 384**2) / 1e9 == pytest.approx(gflops, abs=0.1)


def operations(net: Network, frame: Tensor) -> int:
    """What the paper's GFLOPs count: multiply-adds of convolutions, two operations a normalised and one an activated
    value."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.BatchNorm2d):
            total += output.numel() * 2
        elif isinstance(module, nn.ReLU | nn.PReLU):
            total += output.numel()

    for module in net.modules():
        module.register_forward_hook(count)
    with torch.inference_mode():
        net(frame)
    return total


@pytest.mark.parametrize("variant", VARIANTS)
def test_size_multiple_is_the_smallest_power_of_two_that_runs(variant: Variant) -> None:
    net = variant(4, in_channels=2).eval()
    size, stride = net.size_multiple, net.output_stride
    with torch.inference_mode():
        outputs = net(torch.randn(1, 2, size, 2 * size))
        assert outputs.logits.shape == (1, 4, -(-size // stride), -(-2 * size // stride))
        assert outputs.aux == {}
        with pytest.raises(RuntimeError, match="too small"):
            net.encoder(torch.randn(1, 2, size // 2, size))


def test_other_sizes_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"multiples of 32, got 64 x 100"):
        fassd_net(4)(torch.zeros(1, 3, 64, 100))


def test_an_unknown_context_is_refused() -> None:
    with pytest.raises(NetworkError, match="no context 'psp'; there are dapf, aspp, none"):
        fassd_net(4, context="psp")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "build",
    [
        *(
            pytest.param(lambda c=context, m=mda: fassd_net(4, context=c, mda=m, aux=True), id=f"{context}-{mda}")
            for context, mda in itertools.product(CONTEXTS, (False, True))
        ),
        pytest.param(lambda: fassd_net_l1(4, aux=True), id="l1"),
        pytest.param(lambda: fassd_net_l2(4, aux=True), id="l2"),
    ],
)
def test_every_parameter_learns(build: Callable[[], FASSDNet]) -> None:
    torch.manual_seed(0)
    net = build().train()
    torch.autograd.backward(net(torch.randn(2, 3, 64, 128)).logits.square().mean())
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("channels", [28, 59])
def test_the_dilated_convolutions_have_a_gradient_in_bfloat16(channels: int) -> None:
    """PyTorch's own is not a number, or wrong, on some CPUs."""
    torch.manual_seed(0)
    conv = dilated_conv(channels, channels, (3, 1), dilation=4).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, direction = torch.randn(2, 2, channels, 32, 48)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    (expected,) = torch.autograd.grad(conv(x), conv.weight, direction)
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(x)
    assert out.dtype == torch.bfloat16
    (found,) = torch.autograd.grad(out, conv.weight, direction.bfloat16())
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * expected.abs().max().item())


def test_the_activation_trains_as_torchs() -> None:
    torch.manual_seed(0)
    ours, torchs = PReLU(6), nn.PReLU(6)
    slopes = torch.tensor([-0.5, 0.0, 0.25, 0.5, 1.0, 2.0])
    x, direction = torch.randn(2, 3, 6, 5, 7)
    x.requires_grad_()
    results = []
    for activation in (ours, torchs):
        activation.load_state_dict({"weight": slopes})
        results.append((activation(x), *torch.autograd.grad(activation(x), (x, activation.weight), direction)))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("context", [DAPF, ASPP])
def test_the_pyramid_reaches_12_24_and_36_pixels(context: type[DAPF] | type[ASPP]) -> None:
    """The reference's deepest map is too small to tell these dilations."""
    centre = 40
    x = torch.zeros(1, 4, 2 * centre + 1, 2 * centre + 1)
    x[..., centre, centre] = 1
    for branch, reach in zip(context(4).branches, (0, 12, 24, 36), strict=True):
        y = x
        for conv in branch.modules():
            if isinstance(conv, nn.Conv2d):
                y = conv(y)
        touched = y.abs().sum((0, 1)).nonzero()
        offsets = [centre - reach, centre, centre + reach] if reach else [centre]
        assert touched.tolist() == [[row, column] for row in offsets for column in offsets]


def test_a_single_image_trains_unless_its_deepest_map_is_one_pixel() -> None:
    net = fassd_net(4).train()
    assert net(torch.randn(1, 3, 32, 64)).logits.isfinite().all()
    with pytest.raises(NetworkError, match="1 x 1 map"):
        net(torch.randn(1, 3, 32, 32))


def test_aspp_pools_to_one_value_a_channel() -> None:
    net = fassd_net(4, context="aspp")
    with pytest.raises(NetworkError, match="2 images or more"):
        net.train()(torch.randn(1, 3, 64, 64))
    assert net.eval()(torch.randn(1, 3, 64, 64)).logits.isfinite().all()


def test_compile_and_export() -> None:
    """With L1, the hardest: its strides do not divide its sizes."""
    net = fassd_net_l1(4).eval()
    x = torch.randn(1, 3, 64, 128)
    with torch.inference_mode():
        expected = net(x).logits
        torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(x).logits, expected)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x).logits, expected)


def test_the_classifier_holds_the_encoder() -> None:
    pretrained = fc_hardnet_70_classifier().state_dict()
    encoder = {key: tensor for key, tensor in fassd_net(4).state_dict().items() if key.startswith("encoder.")}
    assert encoder
    assert all(pretrained[key].shape == tensor.shape for key, tensor in encoder.items())
