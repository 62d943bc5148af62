"""DDRNet: deep dual-resolution networks (Hong, Pan, Sun, Jia, arXiv 2101.06085).

Read top-down: the variants, the segmentation and the classification network (Fig. 4, Tables I and II), the trunk they
share, its dual stage (Fig. 3), the DAPPM (Fig. 5) and its alternatives in the paper, the head, the residual blocks.

    input ── stem 1/4 ── conv2 1/4 ── conv3 1/8 ─┬─ conv4 low 1/16 ─┬─ conv5 low 1/32 ─┬─ rbb_low 1/64 ─ DAPPM ─┐
                                                 │        ⇅ fusion  │       ⇅ fusion   │                        + head
                                                 └─ conv4 high 1/8 ─┴─ conv5 high 1/8 ─┴─ rbb_high 1/8 ─────────┘ 1/8

Differs from the paper, as the official code does (ydhongHIT/DDRNet; tests/models/test_reference.py compares this file
with it):
- the two stem convolutions have a bias although a batch norm follows;
- residual stages end without their ReLU and each reader applies it, so fusions add values without ReLU (the paper's
  equation (1), read literally);
- the bottlenecks expand by 2, not by ResNet's 4, and end without ReLU in the segmentation network.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.layers import bn_relu_conv, check_batch, check_size, conv_bn, conv_bn_relu, init_kaiming, resize
from streetseg.models.outputs import Network, Outputs

Context = Literal["dappm", "ppm", "none"]

# Residual blocks of conv2, conv3, each dual stage of conv4, and conv5 (Tables I and II).
BLOCKS_23 = (2, 2, (2,), 2)
BLOCKS_39 = (3, 4, (3, 3), 3)


def ddrnet_23_slim(num_classes: int, *, in_channels: int = 3, aux: bool = False, context: Context = "dappm") -> DDRNet:
    """DDRNet-23-slim. The paper: 5.7 M parameters, 36.3 GMACs at 1024 x 2048, 77.8 mIoU on Cityscapes val (Table V),
    74.4 on CamVid test (Table VI)."""
    return DDRNet(num_classes, width=32, blocks=BLOCKS_23, head_width=64, in_channels=in_channels, aux=aux,
                  context=context)  # fmt: skip


def ddrnet_23(num_classes: int, *, in_channels: int = 3, aux: bool = False, context: Context = "dappm") -> DDRNet:
    """DDRNet-23. The paper: 20.1 M parameters, 143.1 GMACs at 1024 x 2048, 79.5 mIoU on Cityscapes val (Table V), 76.3
    on CamVid test (Table VI)."""
    return DDRNet(num_classes, width=64, blocks=BLOCKS_23, head_width=128, in_channels=in_channels, aux=aux,
                  context=context)  # fmt: skip


def ddrnet_39(num_classes: int, *, in_channels: int = 3, aux: bool = False, context: Context = "dappm") -> DDRNet:
    """DDRNet-39. The paper: 32.3 M parameters, 281.2 GMACs at 1024 x 2048, 80.4 mIoU on Cityscapes test (Table V)."""
    return DDRNet(num_classes, width=64, blocks=BLOCKS_39, head_width=256, in_channels=in_channels, aux=aux,
                  context=context)  # fmt: skip


def ddrnet_39_1_5x(num_classes: int, *, in_channels: int = 3, aux: bool = False, context: Context = "dappm") -> DDRNet:
    """DDRNet-39 1.5x, half as wide again. The paper: 70.2 M parameters, 303.0 GMACs at 1024 x 1024, 82.4 mIoU on
    Cityscapes test with multi-scale testing (Table VII). Not checked against a reference: there is no public code, and
    the paper gives no widths for head and DAPPM. Those here have the paper's parameters; counted: 304.6 GMACs."""
    return DDRNet(num_classes, width=96, blocks=BLOCKS_39, head_width=192, context_width=96, in_channels=in_channels,
                  aux=aux, context=context)  # fmt: skip


def ddrnet_23_slim_classifier(num_classes: int = 1000, *, in_channels: int = 3) -> DDRNetClassifier:
    """DDRNet-23-slim for ImageNet. The paper: 7.57 M parameters, 0.98 GMACs, top-1 error 29.8 (Table III)."""
    return DDRNetClassifier(num_classes, width=32, blocks=BLOCKS_23, in_channels=in_channels)


def ddrnet_23_classifier(num_classes: int = 1000, *, in_channels: int = 3) -> DDRNetClassifier:
    """DDRNet-23 for ImageNet. The paper: 28.22 M parameters, 3.88 GMACs, top-1 error 24.1 (Table III)."""
    return DDRNetClassifier(num_classes, width=64, blocks=BLOCKS_23, in_channels=in_channels)


def ddrnet_39_classifier(num_classes: int = 1000, *, in_channels: int = 3) -> DDRNetClassifier:
    """DDRNet-39 for ImageNet. The paper: 40.13 M parameters, 6.95 GMACs, top-1 error 22.7 (Table III)."""
    return DDRNetClassifier(num_classes, width=64, blocks=BLOCKS_39, in_channels=in_channels)


class DDRNet(Network):
    """Segmentation form (Fig. 4).

    width: channels of the stem; the high-resolution branch has twice, the deepest stage sixteen times as many.
    blocks: see BLOCKS_23. context: the module at the deepest features: DAPPM or, for Table X, SwiftNet's PPM or none.
    head_width, context_width: channels inside the heads and the context module.
    """

    output_stride = 8
    size_multiple = 8
    align_corners = False

    def __init__(
        self,
        num_classes: int,
        *,
        width: int,
        blocks: tuple[int, int, tuple[int, ...], int],
        head_width: int,
        context_width: int = 128,
        in_channels: int = 3,
        aux: bool = False,
        context: Context = "dappm",
    ) -> None:
        super().__init__()
        if context not in CONTEXTS:
            raise NetworkError(f"DDRNet has no context {context!r}; choose of {', '.join(CONTEXTS)}")
        high = width * 2
        self.trunk = Trunk(width, blocks, in_channels)
        self.rbb_low = Bottleneck(width * 8, width * 8, stride=2)
        self.rbb_high = Bottleneck(high, high)
        self.context = CONTEXTS[context](width * 16, context_width, high * 2)
        self.head = SegmentationHead(high * 2, head_width, num_classes)
        self.aux_head = SegmentationHead(high, head_width, num_classes) if aux else None
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return the logits of x, N x 3 x H x W, normalised; H and W multiples of 8.

        N is at least 2 in training with a context. The logits are N x C x H/8 x W/8. aux "high4", at the same stride,
        reads the high-resolution branch after conv4's last fusion (Fig. 4, dashed).
        """
        check_size(x, self.size_multiple, "DDRNet")
        if not isinstance(self.context, Projection):
            check_batch(x, self.training, "DDRNet")
        low, high, high4 = self.trunk(x)  # 1/32, 1/8, 1/8
        low, high = self.rbb_low(F.relu(low)), self.rbb_high(F.relu(high))  # 1/64, 1/8
        fused = high + resize(self.context(low), like=high)
        aux = {} if self.aux_head is None else {"high4": self.aux_head(high4)}
        return Outputs(self.head(fused), aux)


class DDRNetClassifier(nn.Module):
    """Classification form (Tables I and II): the trunk, high-to-low fusion at 1/32, global average pooling."""

    size_multiple = 32

    def __init__(
        self, num_classes: int, *, width: int, blocks: tuple[int, int, tuple[int, ...], int], in_channels: int = 3
    ) -> None:
        super().__init__()
        high = width * 2
        self.trunk = Trunk(width, blocks, in_channels)
        self.rbb_low = Bottleneck(width * 8, width * 8)
        self.rbb_high = Bottleneck(high, high)
        self.high_to_low = nn.Sequential(
            *conv_bn_relu(high * 2, width * 8, 3, stride=2), *conv_bn(width * 8, width * 16, 3, stride=2)
        )
        self.last = conv_bn_relu(width * 16, width * 32, 1)
        self.fc = nn.Linear(width * 32, num_classes)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return logits, N x C, of x, N x 3 x H x W, normalised; H and W multiples of 32."""
        check_size(x, self.size_multiple, "DDRNet's classification form")
        low, high, _ = self.trunk(x)  # 1/32, 1/8
        low = F.relu(self.rbb_low(F.relu(low)))
        high = F.relu(self.rbb_high(F.relu(high)))
        x = self.last(F.relu(low + self.high_to_low(high)))  # 1/32
        return Outputs(self.fc(x.mean((2, 3))), {})


class Trunk(nn.Module):
    """From the input to the end of conv5: both forms share it, and ImageNet pre-training initialises it."""

    def __init__(self, width: int, blocks: tuple[int, int, tuple[int, ...], int], in_channels: int) -> None:
        super().__init__()
        high = width * 2
        self.stem = nn.Sequential(
            *conv_bn_relu(in_channels, width, 3, stride=2, bias=True),
            *conv_bn_relu(width, width, 3, stride=2, bias=True),
        )
        self.conv2 = residual_stage(width, width, blocks[0])
        self.conv3 = residual_stage(width, width * 2, blocks[1], stride=2)
        self.conv4 = nn.ModuleList(
            DualStage(width * 4 if i else width * 2, width * 4, high, n, stride=1 if i else 2, shrink=1)
            for i, n in enumerate(blocks[2])
        )
        self.conv5 = DualStage(width * 4, width * 8, high, blocks[3], stride=2, shrink=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return three maps of x, N x 3 x H x W, all without their last ReLU.

        They are the low branch at 1/32, the high branch at 1/8, and the high branch after conv4.
        """
        x = self.stem(x)  # 1/4
        x = F.relu(self.conv2(x))  # 1/4
        low = high = self.conv3(x)  # 1/8
        for stage in self.conv4:
            low, high = stage(low, high)  # 1/16, 1/8
        high4 = high
        low, high = self.conv5(low, high)  # 1/32, 1/8
        return low, high, high4


class DualStage(nn.Module):
    """Residual blocks in both branches and the bilateral fusion at their end (Fig. 3, equation (1)).

    shrink: the number of strided convolutions from the high to the low branch.
    """

    def __init__(self, cin: int, low: int, high: int, blocks: int, *, stride: int, shrink: int) -> None:
        super().__init__()
        self.low = residual_stage(cin, low, blocks, stride)
        self.high = residual_stage(high, high, blocks)
        self.high_to_low = nn.Sequential(
            *(layer for _ in range(shrink - 1) for layer in conv_bn_relu(high, low // 2, 3, stride=2)),
            *conv_bn(low // 2 if shrink > 1 else high, low, 3, stride=2),
        )
        self.low_to_high = conv_bn(low, high, 1)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return both branches, fused, for low, N x cin x h' x w', and high, N x high x H/8 x W/8; all before ReLU."""
        low, high = self.low(F.relu(low)), self.high(F.relu(high))
        return (
            low + self.high_to_low(F.relu(high)),
            high + resize(self.low_to_high(F.relu(low)), like=high),
        )


class DAPPM(nn.Module):
    """Deep aggregation pyramid pooling module (Section III-C, Fig. 5, equation (2)), at 1/64."""

    def __init__(self, cin: int, width: int, cout: int) -> None:
        super().__init__()
        self.poolings = nn.ModuleList([nn.AvgPool2d(k, stride=s, padding=k // 2) for k, s in ((5, 2), (9, 4), (17, 8))])
        self.scale0 = bn_relu_conv(cin, width, 1)
        self.scales = nn.ModuleList([bn_relu_conv(cin, width, 1) for _ in range(4)])
        self.processes = nn.ModuleList([bn_relu_conv(width, width, 3) for _ in range(4)])
        self.compression = bn_relu_conv(width * 5, cout, 1)
        self.shortcut = bn_relu_conv(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x h x w for x, N x cin x h x w, N at least 2 in training."""
        pooled = [pool(x) for pool in self.poolings] + [x.mean((2, 3), keepdim=True)]
        branches = [self.scale0(x)]
        for pyramid, scale, process in zip(pooled, self.scales, self.processes, strict=True):
            branches.append(process(resize(scale(pyramid), like=x) + branches[-1]))
        return self.compression(torch.cat(branches, 1)) + self.shortcut(x)


class PPM(nn.Module):
    """SwiftNet's simplified pyramid pooling module, for the comparison in Table X. Not checked against a reference.

    After a reduction, it pools to grids of 8, 4, 2 and 1 and fuses all by one 1x1 convolution.
    """

    grids = (8, 4, 2, 1)

    def __init__(self, cin: int, width: int, cout: int) -> None:
        super().__init__()
        self.reduction = bn_relu_conv(cin, width, 1)
        self.scales = nn.ModuleList([bn_relu_conv(width, width // len(self.grids), 1) for _ in self.grids])
        self.fusion = bn_relu_conv(width * 2, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x h x w for x, N x cin x h x w, N at least 2 in training."""
        x = self.reduction(x)
        pooled = [grid_means(x, grid) for grid in self.grids]
        scaled = [resize(scale(y), like=x) for scale, y in zip(self.scales, pooled, strict=True)]
        return self.fusion(torch.cat([x, *scaled], 1))


def grid_means(x: Tensor, grid: int) -> Tensor:
    """Pool x (N x C x h x w) adaptively, by averages, to N x C x grid x grid.

    Two matrix products do it, because ONNX has no operator that does it at any size.
    """
    return bins(x[0, 0, :, 0], grid) @ x @ bins(x[0, 0, 0], grid).mT


def bins(line: Tensor, grid: int) -> Tensor:
    """Return the weights (grid x n) by which a line of n values gives the means over `grid` equal parts.

    Parts that end within a value share it, as in PyTorch.
    """
    ones = torch.ones_like(line)
    n, end = ones.sum(), ones.cumsum(0)
    first = torch.arange(grid, device=line.device).unsqueeze(1)
    inside = (end > (first * n / grid).floor()) & (end <= ((first + 1) * n / grid).ceil())
    weights = inside.to(line.dtype)
    return weights / weights.sum(1, keepdim=True)


class Projection(nn.Sequential):
    """No context (Table X, first row): a 1x1 convolution to the channels that the sum needs."""

    def __init__(self, cin: int, width: int, cout: int) -> None:
        super().__init__(*bn_relu_conv(cin, cout, 1))


CONTEXTS: dict[Context, type[DAPPM] | type[PPM] | type[Projection]] = {"dappm": DAPPM, "ppm": PPM, "none": Projection}


class SegmentationHead(nn.Sequential):
    """3x3 convolution to the head's width, 1x1 convolution to the classes (Section III-D), pre-activated."""

    def __init__(self, cin: int, width: int, num_classes: int) -> None:
        super().__init__(
            *bn_relu_conv(cin, width, 3),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, num_classes, 1),
        )


def residual_stage(cin: int, cout: int, blocks: int, stride: int = 1) -> nn.Sequential:
    """Return basic blocks in sequence; the readers of the last one apply its ReLU."""
    return nn.Sequential(
        BasicBlock(cin, cout, stride, relu=blocks > 1),
        *(BasicBlock(cout, cout, relu=i < blocks - 1) for i in range(1, blocks)),
    )


class BasicBlock(nn.Module):
    """RB of Fig. 4: two 3x3 convolutions and a shortcut; a 1x1 projection where stride or channels change."""

    def __init__(self, cin: int, cout: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(cin, cout, 3, stride)
        self.conv2 = conv_bn(cout, cout, 3)
        self.shortcut = conv_bn(cin, cout, 1, stride) if stride != 1 or cin != cout else nn.Identity()
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x)) + self.shortcut(x)
        return F.relu(y) if self.relu else y


class Bottleneck(nn.Module):
    """RBB of Fig. 4: 1x1, 3x3, 1x1 to twice the channels, and a projection; no ReLU at its end."""

    def __init__(self, cin: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(cin, width, 1)
        self.conv2 = conv_bn_relu(width, width, 3, stride)
        self.conv3 = conv_bn(width, width * 2, 1)
        self.shortcut = conv_bn(cin, width * 2, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.conv1(x))) + self.shortcut(x)
