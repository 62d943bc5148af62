"""FC-HarDNet: a segmentation network of HarDNet, a low memory traffic network (Chao, Kao, Ruan, Huang, Lin, ICCV 2019).

Read top-down: the variants, the network, its encoder and decoder (which FASSD-Net shares), the harmonic dense block.

    stem 1/4 ── level 1 1/4 ── level 2 1/8 ── level 3 1/16 ── level 4 1/32 ── level 5 1/64
                    │              │               │               │               │
      head 1/4 ── fusion 1/4 ─── fusion 1/8 ──── fusion 1/16 ─── fusion 1/32 ──────┘

The network has no auxiliary heads: `aux` is part of every variant's signature and changes nothing.

Follows the official code (PingoLH/FCHarDNet; tests/models/test_reference.py compares FC-HarDNet-70 with it):
- the skip connections leave a level after its harmonic dense block, before its 1x1 convolution;
- average pooling at a level's beginning halves the resolution; it drops the last row or column of an odd map;
- bilinear resizing aligns the corners inside the network, too.

Differs from the official code: the logits stay at the output stride. The papers name no initialisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.layers import check_size, conv_bn_relu, init_kaiming, resize
from streetseg.models.outputs import Network, Outputs


class Level(NamedTuple):
    """One resolution of the encoder: a harmonic dense block, then a 1x1 convolution to `channels`."""

    layers: int
    growth: int
    channels: int


LEVELS = (Level(4, 10, 64), Level(4, 16, 96), Level(8, 18, 160), Level(8, 24, 224), Level(8, 32, 320))
STEM_WIDTHS = (16, 24, 32, 48)
# Strides of the stem's four convolutions: the network's own, and those of the light variants.
STEM_STRIDES, STEM_STRIDES_L1, STEM_STRIDES_L2 = (2, 1, 2, 1), (3, 1, 2, 1), (2, 2, 2, 1)
LIGHT_WIDTH = 64  # channels of the light decoder


def fc_hardnet_70(num_classes: int, *, in_channels: int = 3, aux: bool = False) -> FCHarDNet:
    """FC-HarDNet-70. 4.1 M parameters, 35.4 GMACs at 1024 x 2048, 77.4 mIoU on Cityscapes val (FASSD-Net, Table IV)."""
    return FCHarDNet(num_classes, in_channels=in_channels)


def fc_hardnet_70_l1(num_classes: int, *, in_channels: int = 3, aux: bool = False) -> FCHarDNet:
    """FC-HarDNet-70 (L1): a first convolution of stride 3. 4.1 M parameters, 15.7 GMACs at 1024 x 2048, 74.8 mIoU on
    Cityscapes val (FASSD-Net, Table IV). Not checked against a reference."""
    return FCHarDNet(num_classes, stem_strides=STEM_STRIDES_L1, in_channels=in_channels)


def fc_hardnet_70_l2(num_classes: int, *, in_channels: int = 3, aux: bool = False) -> FCHarDNet:
    """FC-HarDNet-70 (L2): a second convolution of stride 2 and a light decoder. 2.86 M parameters, 6.6 GMACs at
    1024 x 2048, 72.1 mIoU on Cityscapes val (FASSD-Net, Table IV). Not checked against a reference."""
    return FCHarDNet(num_classes, stem_strides=STEM_STRIDES_L2, light_decoder=True, in_channels=in_channels)


def fc_hardnet_70_classifier(num_classes: int = 1000, *, in_channels: int = 3) -> HarDNetClassifier:
    """FC-HarDNet-70's encoder with a classifier, for pre-training on ImageNet. Its tensors `encoder.*` are those of
    FC-HarDNet-70 and, but for the fifth level, FASSD-Net's. Not checked against a reference."""
    return HarDNetClassifier(num_classes, in_channels=in_channels)


class FCHarDNet(Network):
    """Segmentation form: five encoder levels, four decoder levels.

    stem_strides: strides of the stem's four convolutions; their product is the output stride.
    light_decoder: one 3x3 convolution in place of each harmonic dense block of the decoder.
    """

    align_corners = True

    def __init__(
        self,
        num_classes: int,
        *,
        stem_strides: tuple[int, int, int, int] = STEM_STRIDES,
        light_decoder: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = HarDNetEncoder(in_channels, stem_strides, LEVELS)
        self.output_stride, self.size_multiple = self.encoder.output_stride, self.encoder.size_multiple
        fusions = [Fusion] * (len(LEVELS) - 1)
        self.decoder = Decoder(self.encoder.width, self.encoder.skip_widths, fusions, light_decoder)
        self.head = nn.Conv2d(self.decoder.width, num_classes, 1)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return the logits of x, N x 3 x H x W, normalised; H and W multiples of `size_multiple`.

        They are N x C x h x w: H and W over the output stride (4, or 6 for L1, 8 for L2), rounded up.
        """
        check_size(x, self.size_multiple, "FC-HarDNet")
        deep, skips = self.encoder(x)
        return Outputs(self.head(self.decoder(deep, skips)), {})


class HarDNetClassifier(nn.Module):
    """Classification form: the encoder, global average pooling, one linear layer."""

    def __init__(self, num_classes: int, *, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = HarDNetEncoder(in_channels, STEM_STRIDES, LEVELS)
        self.classifier = nn.Linear(self.encoder.width, num_classes)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return logits, N x C, of x, N x 3 x H x W, normalised; H and W from 64 up, usually 224."""
        least = self.encoder.size_multiple
        if min(x.shape[-2:]) < least:
            height, width = x.shape[-2:]
            raise NetworkError(
                f"the HarDNet classifier takes heights and widths from {least} up, got {height} x {width}; "
                "enlarge the input"
            )
        deep, _ = self.encoder(x)
        return Outputs(self.classifier(deep.mean((2, 3))), {})


class HarDNetEncoder(nn.Module):
    """The stem and the levels, each at half the resolution of the one before.

    output_stride: stride of the first level. width: channels of the deepest level.
    skip_widths: channels of the features that all levels but the deepest pass to a decoder.
    size_multiple: heights and widths should be multiples of it. It is the next power of two from the stride of the
        deepest level: with a smaller one, some frames would leave nothing of the deepest map.
    """

    def __init__(self, in_channels: int, stem_strides: tuple[int, int, int, int], levels: Sequence[Level]) -> None:
        super().__init__()
        self.output_stride = math.prod(stem_strides)
        self.size_multiple = 1 << (self.output_stride * 2 ** (len(levels) - 1) - 1).bit_length()

        widths = (in_channels, *STEM_WIDTHS)
        self.stem = nn.Sequential(
            *(conv_bn_relu(widths[i], widths[i + 1], 3, stride) for i, stride in enumerate(stem_strides))
        )
        self.width = widths[-1]
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        block_widths = []
        for level in levels:
            block = HarDBlock(self.width, level.growth, level.layers)
            self.blocks.append(block)
            self.transitions.append(conv_bn_relu(block.width, level.channels, 1))
            block_widths.append(block.width)
            self.width = level.channels
        self.skip_widths = block_widths[:-1]

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the deepest features of x, N x in_channels x H x W, and the features of the levels before.

        The deepest are N x width x h' x w'. The others come finest first: the i-th is N x skip_widths[i] x h/2^i x
        w/2^i, rounded down. Raises NetworkError in training if a batch of 1 leaves a map of 1 x 1, which has no
        variance.
        """
        x = self.stem(x)
        skips: list[Tensor] = []
        for block, transition in zip(self.blocks, self.transitions, strict=True):
            if skips:
                x = F.avg_pool2d(x, 2)
            if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
                raise NetworkError(
                    "HarDNet cannot normalise the 1 x 1 map that its input leaves in training of batch 1; "
                    "raise the batch size or enlarge the input"
                )
            skips.append(block(x))
            x = transition(skips[-1])
        return x, skips[:-1]


class Decoder(nn.Module):
    """The expanding path, from the deepest level to the finest.

    Each level fuses the features from below with the encoder's features of its resolution, and refines them by a block
    like the encoder's.

    width: channels at its end. fusions: builders of each level's fusion, the deepest first, called with the channels of
    both inputs together. light: one 3x3 convolution in place of each block.
    """

    def __init__(self, cin: int, skip_widths: Sequence[int], fusions: Sequence[Callable[[int], Fusion]], light: bool):
        super().__init__()
        self.width = cin
        self.fusions, self.blocks = nn.ModuleList(), nn.ModuleList()
        for i, fuse in enumerate(fusions):
            level = len(fusions) - 1 - i
            fusion = fuse(self.width + skip_widths[level])
            self.fusions.append(fusion)
            if light:
                self.blocks.append(conv_bn_relu(fusion.width, LIGHT_WIDTH, 3))
                self.width = LIGHT_WIDTH
            else:
                block = HarDBlock(fusion.width, LEVELS[level].growth, LEVELS[level].layers)
                self.blocks.append(block)
                self.width = block.width

    def forward(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return N x width x h x w, at the size of the finest features, for x, the deepest features, N x cin x h' x w'.

        skips: the features of the encoder's levels, the finest first.
        """
        for fusion, block, skip in zip(self.fusions, self.blocks, reversed(skips), strict=True):
            x = block(fusion(x, skip))
        return x


class Fusion(nn.Module):
    """Fuse two maps: enlarge the deeper features, concatenate both, halve their channels by a 1x1 convolution."""

    def __init__(self, cin: int) -> None:
        super().__init__()
        self.width = cin // 2
        self.conv = conv_bn_relu(cin, self.width, 1)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Return N x width x h x w for deep, N x a x h' x w', and skip, N x b x h x w; a + b is cin."""
        fused: Tensor = self.conv(torch.cat([resize(deep, like=skip, align_corners=True), skip], 1))
        return fused


class HarDBlock(nn.Module):
    """Harmonic dense block of 3x3 convolutions.

    The i-th convolution, counted from 1, reads the features i - 2^k for each 2^k that divides i; feature 0 is the
    input. Features that more layers read are wider. The block puts out its odd features, which few layers read, and the
    last one; the input is not among them.

    width: channels that it puts out. links: for each convolution the features that it reads, in the order of its input
    channels, the nearest first. Links and convolutions define the whole function. How the block gathers a layer's
    input, here by concatenation, is free.
    """

    def __init__(self, cin: int, growth: int, layers: int) -> None:
        super().__init__()
        self.links = [harmonic_links(i) for i in range(1, layers + 1)]
        widths = [cin] + [harmonic_width(len(links) - 1, growth) for links in self.links]
        self.layers = nn.ModuleList(
            conv_bn_relu(sum(widths[j] for j in links), cout, 3)
            for links, cout in zip(self.links, widths[1:], strict=True)
        )
        self.kept = [i for i in range(1, layers + 1) if i % 2 or i == layers]
        self.width = sum(widths[i] for i in self.kept)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x width x h x w for x, N x cin x h x w."""
        features = [x]
        for links, layer in zip(self.links, self.layers, strict=True):
            features.append(layer(concatenate([features[j] for j in links])))
        return concatenate([features[i] for i in self.kept])


def harmonic_links(i: int) -> list[int]:
    """Return the features that the i-th layer of a harmonic dense block reads."""
    return [i - 2**k for k in range(i.bit_length()) if i % 2**k == 0]


def harmonic_width(power: int, growth: int) -> int:
    """Return a layer's channels, growth x 1.7^power, made even; 2^power is the largest that divides its number."""
    return int(growth * 1.7**power + 1) // 2 * 2


def concatenate(features: list[Tensor]) -> Tensor:
    """Concatenate along the channels; a single feature is not copied."""
    return features[0] if len(features) == 1 else torch.cat(features, 1)
