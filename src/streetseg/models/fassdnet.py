"""FASSD-Net: fast and accurate semantic segmentation with dilated asymmetric convolutions (Rosas-Arias, Benitez-Garcia,
Portillo-Portillo, Sanchez-Perez, Yanai, ICPR 2020).

Read top-down: the variants, the network (Fig. 2, Table II), the contexts DAPF and ASPP (Fig. 3), the MDA module
(Fig. 4). Encoder, decoder and harmonic dense block are FC-HarDNet's, without its fifth level.

    stem 1/4 ── level 1 1/4 ── level 2 1/8 ── level 3 1/16 ── level 4 1/32
                    │              │               │               │
      head 1/4 ─── MDA 1/4 ────── MDA 1/8 ─────── MDA 1/16 ────── DAPF

The network has no auxiliary heads: `aux` is part of every variant's signature and changes nothing.

Differs from the paper, as the official code does (GibranBenitez/FASSD-Net; tests/models/test_reference.py compares this
file with it):
- MDA sums its two branches; the text and Fig. 4 concatenate them;
- a PReLU with one slope a channel follows MDA's convolutions, and MDA's batch norms have an eps of 1e-3;
- the sum of the branches, and MDA's fused input before the 3x3 convolution, pass a batch norm and a PReLU of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.hardnet import (
    LEVELS,
    STEM_STRIDES,
    STEM_STRIDES_L1,
    STEM_STRIDES_L2,
    Decoder,
    Fusion,
    HarDNetEncoder,
)
from streetseg.models.layers import check_batch, check_size, conv_bn_relu, init_kaiming, resize
from streetseg.models.outputs import Network, Outputs

Context = Literal["dapf", "aspp", "none"]

PYRAMID_DILATIONS = (12, 24, 36)
MDA_DILATIONS = (8, 4, 2)  # from the deepest level of the decoder to the finest
MDA_EPS = 1e-3


def fassd_net(
    num_classes: int, *, in_channels: int = 3, aux: bool = False, context: Context = "dapf", mda: bool = True
) -> FASSDNet:
    """FASSD-Net. The paper: 2.85 M parameters, 45.1 GMACs at 1024 x 2048, 78.8 mIoU on Cityscapes val (Table IV).

    context, mda: the ablation of Table I. Its mIoU on Cityscapes val, before fine-tuning, of the six combinations:
        "none", False, the baseline: 75.2; "aspp", False: 75.8; "dapf", False: 77.7;
        "none", True: 77.4; "aspp", True: 76.8; "dapf", True: 78.2.
        All but the last are not checked against a reference.
    """
    return FASSDNet(num_classes, context=context, mda=mda, in_channels=in_channels)


def fassd_net_l1(num_classes: int, *, in_channels: int = 3, aux: bool = False) -> FASSDNet:
    """FASSD-Net-L1: a first convolution of stride 3. The paper: 2.85 M parameters, 20.0 GMACs at 1024 x 2048, 76.3 mIoU
    on Cityscapes val (Table IV)."""
    return FASSDNet(num_classes, stem_strides=STEM_STRIDES_L1, in_channels=in_channels)


def fassd_net_l2(num_classes: int, *, in_channels: int = 3, aux: bool = False) -> FASSDNet:
    """FASSD-Net-L2: a second convolution of stride 2 and a light decoder. The paper: 2.3 M parameters, 8.7 GMACs at
    1024 x 2048, 74.1 mIoU on Cityscapes val (Table IV)."""
    return FASSDNet(num_classes, stem_strides=STEM_STRIDES_L2, light_decoder=True, in_channels=in_channels)


class FASSDNet(Network):
    """Segmentation form (Fig. 2): four encoder levels, context at the deepest, three decoder levels.

    stem_strides: strides of the stem's four convolutions; their product is the output stride.
    light_decoder: one 3x3 convolution in place of each harmonic dense block of the decoder.
    context: the module at the encoder's end. mda: fuse by MDA; else by FC-HarDNet's 1x1 convolution alone.
    """

    align_corners = True

    def __init__(
        self,
        num_classes: int,
        *,
        stem_strides: tuple[int, int, int, int] = STEM_STRIDES,
        light_decoder: bool = False,
        context: Context = "dapf",
        mda: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if context not in CONTEXTS:
            raise NetworkError(f"FASSD-Net has no context {context!r}; there are {', '.join(CONTEXTS)}")
        self.encoder = HarDNetEncoder(in_channels, stem_strides, LEVELS[:4])
        self.output_stride, self.size_multiple = self.encoder.output_stride, self.encoder.size_multiple
        self.context = CONTEXTS[context](self.encoder.width)
        fusions: list[Callable[[int], Fusion]] = [
            partial(MDA, dilation=dilation) if mda else Fusion for dilation in MDA_DILATIONS
        ]
        self.decoder = Decoder(self.encoder.width, self.encoder.skip_widths, fusions, light_decoder)
        self.head = nn.Conv2d(self.decoder.width, num_classes, 1)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return the logits of x, N x 3 x H x W, normalised; H and W multiples of `size_multiple`.

        They are N x C x h x w: H and W over the output stride (4, or 6 for L1, 8 for L2), rounded up.
        """
        check_size(x, self.size_multiple, "FASSD-Net")
        deep, skips = self.encoder(x)
        return Outputs(self.head(self.decoder(self.context(deep), skips)), {})


class DAPF(nn.Module):
    """Dilated asymmetric pyramidal fusion (Section III-B, Fig. 3).

    A 1x1 branch and three dilated asymmetric branches, each to half of the channels (the paper's alpha is 2), then a
    1x1 convolution back to all channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        branch = width // 2
        self.branches = nn.ModuleList([conv_bn_relu(width, branch, 1)])
        for dilation in PYRAMID_DILATIONS:
            self.branches.append(
                nn.Sequential(
                    *dilated_conv_bn_relu(width, branch, (3, 1), dilation),
                    *dilated_conv_bn_relu(branch, branch, (1, 3), dilation),
                )
            )
        self.projection = conv_bn_relu(branch * len(self.branches), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape for x, N x width x h x w."""
        projected: Tensor = self.projection(torch.cat([branch(x) for branch in self.branches], 1))
        return projected


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling of DeepLabV3+; the paper compares DAPF with it (Fig. 3, Table I).

    A 1x1 branch, three dilated 3x3 branches and global pooling, 256 channels each, then a 1x1 convolution back to the
    width.
    """

    def __init__(self, width: int, branch: int = 256) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_bn_relu(width, branch, 1),
                *(dilated_conv_bn_relu(width, branch, (3, 3), dilation) for dilation in PYRAMID_DILATIONS),
            ]
        )
        self.pooled = conv_bn_relu(width, branch, 1)
        self.projection = conv_bn_relu(branch * (len(self.branches) + 1), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape for x, N x width x h x w.

        N is at least 2 in training, because the pooled branch has one value a channel.
        """
        check_batch(x, self.training, "ASPP")
        pooled = resize(self.pooled(x.mean((2, 3), keepdim=True)), like=x)
        projected: Tensor = self.projection(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))
        return projected


CONTEXTS: dict[str, Callable[[int], nn.Module]] = {"dapf": DAPF, "aspp": ASPP, "none": nn.Identity}


class MDA(Fusion):
    """Multi-resolution dilated asymmetric module (Section III-C, Fig. 4).

    After the fusion, two branches at half its channels, one for detail and a dilated asymmetric one for context, and a
    residual connection around both.
    """

    def __init__(self, cin: int, dilation: int) -> None:
        super().__init__(cin)
        half = self.width // 2
        self.reduction = nn.Sequential(*bn_prelu(self.width), dilated_conv(self.width, half, (3, 3)), *bn_prelu(half))
        self.detail = nn.Sequential(dilated_conv(half, half, (3, 3)), *bn_prelu(half))
        self.asymmetric = nn.Sequential(
            dilated_conv(half, half, (3, 1), dilation), *bn_prelu(half),
            dilated_conv(half, half, (1, 3), dilation), *bn_prelu(half),
        )  # fmt: skip
        self.expansion = nn.Sequential(*bn_prelu(half), dilated_conv(half, self.width, (1, 1)))

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Return N x width x h x w for deep, N x a x h' x w', and skip, N x b x h x w; a + b is cin."""
        fused = super().forward(deep, skip)
        x = self.reduction(fused)
        refined: Tensor = self.expansion(self.detail(x) + self.asymmetric(x))
        return fused + refined


def dilated_conv(cin: int, cout: int, kernel: tuple[int, int], dilation: int = 1) -> nn.Conv2d:
    """Return a convolution of kernel height x width with "same" padding, no bias."""
    padding = (kernel[0] // 2 * dilation, kernel[1] // 2 * dilation)
    kind = nn.Conv2d if dilation == 1 else DilatedConv2d
    return kind(cin, cout, kernel, padding=padding, dilation=dilation, bias=False)


class DilatedConv2d(nn.Conv2d):
    """nn.Conv2d with a correct gradient in bfloat16.

    On CPUs with AVX-512 BF16 and without AMX, PyTorch 2.13 computes a wrong gradient, or writes beyond its memory, if
    the input is channels last and the number of its channels is not a multiple of 16. This class adds channels of
    zeros.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if self.training and x.is_cpu and torch.is_autocast_enabled("cpu"):
            zeros = (0, 0, 0, 0, 0, -x.shape[1] % 16)
            x, weight = F.pad(x, zeros), F.pad(weight, zeros)
        return self._conv_forward(x, weight, self.bias)


def dilated_conv_bn_relu(cin: int, cout: int, kernel: tuple[int, int], dilation: int) -> nn.Sequential:
    """Return a dilated convolution, batch norm and ReLU."""
    return nn.Sequential(dilated_conv(cin, cout, kernel, dilation), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


def bn_prelu(width: int) -> tuple[nn.BatchNorm2d, PReLU]:
    """Return MDA's batch norm and activation."""
    return nn.BatchNorm2d(width, eps=MDA_EPS), PReLU(width)


class PReLU(nn.PReLU):
    """nn.PReLU that trains faster in bfloat16 on a CPU: it interpolates between relu(x), slope 0, and x, slope 1."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return torch.lerp(F.relu(x), x, self.weight.to(x.dtype).view(-1, 1, 1))
