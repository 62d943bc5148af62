"""Blocks that two or more networks use."""

from __future__ import annotations

import torch
from torch import nn

from streetseg.models.layers import conv_bn


def test_a_strided_depthwise_convolution_keeps_its_function_and_gradient_in_bfloat16() -> None:
    torch.manual_seed(0)
    ours = conv_bn(24, 24, 3, stride=2, groups=24)[0]
    plain = nn.Conv2d(24, 24, 3, 2, 1, groups=24, bias=False)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 24, 13, 18).bfloat16()
    gradient = torch.randn(2, 24, 7, 9).bfloat16()
    theirs = plain(x.float())
    theirs.backward(gradient.float())
    with torch.autocast("cpu", torch.bfloat16):
        output = ours(x)
    output.backward(gradient)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output, theirs.bfloat16())
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad)
