"""FASSD-Net and FC-HarDNet: the paper's figures as the paper counts them; the contexts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from streetseg.bench.subject import Subject
from streetseg.errors import NetworkError
from streetseg.models.fassdnet import ASPP, DAPF, PReLU, dilated_conv, fassd_net
from streetseg.models.hardnet import fc_hardnet_70_classifier
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.papers.printed import PaperRow, table_named

SIZES = [
    (row.subject, row) for name in ("fassd_net-I", "fassd_net-IV") for row in table_named(name).rows if row.subject
]


@pytest.mark.parametrize(("subject", "row"), SIZES, ids=[row.model for _, row in SIZES])
def test_the_papers_tables(subject: Subject, row: PaperRow) -> None:
    arguments: dict[str, Any] = dict(subject.arguments)
    with torch.device("meta"):
        net = build(subject.network, subject.classes, **arguments).eval()
        assert operations(net, torch.empty(1, 3, *subject.size)) / 1e9 == pytest.approx(row.number("gmacs"), abs=0.1)


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


def test_an_unknown_context_is_refused() -> None:
    with pytest.raises(NetworkError, match="no context 'psp'; there are dapf, aspp, none"):
        fassd_net(4, context="psp")  # type: ignore[arg-type]


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
    (gradient,) = torch.autograd.grad(out, conv.weight, direction.bfloat16())
    torch.testing.assert_close(gradient, expected, rtol=0, atol=0.02 * expected.abs().max().item())


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


def test_aspp_pools_to_one_value_a_channel() -> None:
    net = fassd_net(4, context="aspp")
    with pytest.raises(NetworkError, match="2 images or more"):
        net.train()(torch.randn(1, 3, 64, 64))
    assert net.eval()(torch.randn(1, 3, 64, 64)).logits.isfinite().all()


def test_the_classifier_holds_the_encoder() -> None:
    pretrained = fc_hardnet_70_classifier().state_dict()
    encoder = {key: tensor for key, tensor in fassd_net(4).state_dict().items() if key.startswith("encoder.")}
    assert encoder
    assert all(pretrained[key].shape == tensor.shape for key, tensor in encoder.items())
