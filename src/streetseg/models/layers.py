"""Blocks that several networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.errors import NetworkError


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = False, groups: int = 1) -> nn.Sequential:
    """Return a convolution with "same" padding and a batch norm, no activation; depthwise with `groups=cin`."""
    kind = StridedDepthwiseConv2d if groups == cin and stride > 1 else nn.Conv2d
    return nn.Sequential(
        kind(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=bias),
        nn.BatchNorm2d(cout),
    )


class StridedDepthwiseConv2d(nn.Conv2d):
    """nn.Conv2d that always trains in float32 on a CPU.

    PyTorch 2.13's gradient of a strided depthwise convolution takes two to eight times as long in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and x.is_cpu and torch.is_autocast_enabled("cpu")):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(x.float(), self.weight, self.bias).to(x.dtype)


def conv_bn_relu(cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Sequential:
    """Return a convolution with "same" padding, a batch norm and a ReLU."""
    return nn.Sequential(*conv_bn(cin, cout, kernel, stride, bias), nn.ReLU(inplace=True))


def bn_relu_conv(cin: int, cout: int, kernel: int) -> nn.Sequential:
    """Return a pre-activated convolution: batch norm, ReLU, convolution with "same" padding, no bias."""
    return nn.Sequential(
        nn.BatchNorm2d(cin),
        nn.ReLU(inplace=True),
        nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False),
    )


def resize(x: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """Resize x (N x C x h x w) bilinearly to the height and width of `like`."""
    if torch.onnx.is_in_onnx_export():
        return onnx_resize(x, like, mode="linear", grid="align_corners" if align_corners else "pytorch_half_pixel")
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=align_corners)


def resize_nearest(x: Tensor, like: Tensor) -> Tensor:
    """Resize x (N x C x h x w) by nearest neighbour to the height and width of `like`."""
    if torch.onnx.is_in_onnx_export():
        return onnx_resize(x, like, mode="nearest", grid="asymmetric")
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def onnx_resize(x: Tensor, like: Tensor, mode: str, grid: str) -> Tensor:
    """Resize by an ONNX operator that takes its size from `like` when the graph runs.

    So one trace at a fixed size holds for every size. Symbolic sizes would make export take four times as long.
    """
    size = torch.onnx.ops.symbolic("Shape", (like,), {"start": 2, "end": 4}, dtype=torch.int64, shape=(2,), version=18)
    return torch.onnx.ops.symbolic(
        "Resize",
        (x, None, None, size),
        {"axes": [2, 3], "mode": mode, "coordinate_transformation_mode": grid, "nearest_mode": "floor"},
        dtype=x.dtype,
        shape=(*x.shape[:2], *like.shape[2:]),
        version=18,
    )


def check_size(x: Tensor, multiple: int, network: str) -> None:
    """Refuse an input whose height or width is not a multiple of the network's `size_multiple`."""
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise NetworkError(
            f"{network} takes heights and widths that are multiples of {multiple}, got {height} x {width}; "
            "pad the input, or use Segmenter, which pads any frame"
        )


def check_batch(x: Tensor, training: bool, network: str) -> None:
    """Refuse a single image in training, for networks whose batch norms follow global pooling.

    Such a norm gets one value a channel, which has no variance.
    """
    if training and x.shape[0] == 1:
        raise NetworkError(
            f"{network} trains on batches of 2 images or more, got 1: it normalises globally pooled features over the "
            "batch; raise the batch size, or call eval() to run a single image"
        )


def init_kaiming(module: nn.Module) -> None:
    """Initialise as the papers' code bases do: convolutions He-normal (fan out, ReLU), norms to one and zero."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
