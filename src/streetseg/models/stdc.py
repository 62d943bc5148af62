"""STDC-Seg: short-term dense concatenate networks (Fan, Lai, Huang, Wei, Chai, Luo, Wei, CVPR 2021, arXiv 2104.13188).

Read top-down: the variants, the segmentation network, its context path and blocks, the backbone, the STDC module,
the classification form.

    input 1 ── conv1 1/2 ── conv2 1/4 ── stage3 1/8 ──┬── stage4 1/16 ─┬─ stage5 1/32 ─┬─ global average pooling
                   ┊            ┊             ┊       │                │               │            │
                detail2      detail4       detail8    │              ARM16           ARM32 ──────── +
                                                      │                │               │
                                           head ──── FFM ── 1/8 ────── + ─── 1/16 ─────┘

The detail heads (┊) learn the outlines of objects, in training only: Detail Guidance replaces BiSeNet's spatial path.
Seg50 and Seg75 are the same networks on frames reduced to 0.5 and 0.75.

Details that follow the official code (MichaelFan01/STDC-Seg; tests/models/test_reference.py compares this file with
it):
- two further heads supervise the context path in training;
- heads end in a convolution without bias;
- a strided STDC module concatenates its first feature after average pooling; its next convolution reads that feature
  after a strided depthwise convolution;
- features are upsampled by nearest neighbour to the size of the finer one, so frames may be multiples of 8, not of 32;
- the classifier squares its feature before global pooling.

Differs from the official code: norms outside the backbone are ordinary batch norms. The official norms scale by
|weight| + 1e-5; conversion writes that scale, so the function is the same.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.layers import check_batch, check_size, conv_bn, conv_bn_relu, init_kaiming, resize_nearest
from streetseg.models.outputs import Network, Outputs

STDC1_BLOCKS = (2, 2, 2)
STDC2_BLOCKS = (4, 5, 3)


def stdc1(
    num_classes: int,
    *,
    in_channels: int = 3,
    aux: bool = False,
    detail: Collection[int] = (8,),
    head_bias: bool = False,
) -> STDCSeg:
    """STDC1-Seg. The paper: mIoU on Cityscapes val / test 72.2 / 71.9 at 512 x 1024 (STDC1-Seg50), 74.5 / 75.3 at
    768 x 1536 (STDC1-Seg75). Counted: 8.3 M parameters, 67.5 GMACs at 1024 x 2048.

    detail, head_bias: as in STDCSeg.
    """
    return STDCSeg(num_classes, blocks=STDC1_BLOCKS, in_channels=in_channels, aux=aux, detail=detail,
                   head_bias=head_bias)  # fmt: skip


def stdc2(
    num_classes: int,
    *,
    in_channels: int = 3,
    aux: bool = False,
    detail: Collection[int] = (8,),
    head_bias: bool = False,
) -> STDCSeg:
    """STDC2-Seg. The paper: mIoU on Cityscapes val / test 74.2 / 73.4 at 512 x 1024 (STDC2-Seg50), 77.0 / 76.8 at
    768 x 1536 (STDC2-Seg75). Counted: 12.3 M parameters, 93.8 GMACs at 1024 x 2048.

    detail, head_bias: as in STDCSeg.
    """
    return STDCSeg(num_classes, blocks=STDC2_BLOCKS, in_channels=in_channels, aux=aux, detail=detail,
                   head_bias=head_bias)  # fmt: skip


def stdc1_classifier(num_classes: int = 1000, *, in_channels: int = 3) -> STDCClassifier:
    """STDC1 for ImageNet. The authors: 813 M multiply-adds at 224 x 224, top-1 73.91. Counted: 8.4 M parameters."""
    return STDCClassifier(num_classes, blocks=STDC1_BLOCKS, in_channels=in_channels)


def stdc2_classifier(num_classes: int = 1000, *, in_channels: int = 3) -> STDCClassifier:
    """STDC2 for ImageNet. The authors: 1446 M multiply-adds at 224 x 224, top-1 76.47. Counted: 12.5 M parameters."""
    return STDCClassifier(num_classes, blocks=STDC2_BLOCKS, in_channels=in_channels)


class STDCSeg(Network):
    """Segmentation form.

    blocks: STDC modules in stages 3, 4, 5.
    detail: strides at which detail heads read the backbone, of 2, 4, 8, 16. The paper chooses 8; () is the network
        without Detail Guidance. Detail heads are auxiliary heads: without `aux` there are none.
    head_bias: True if heads end with a bias, as mmsegmentation's do; the official heads do not.
    """

    output_stride = 8
    size_multiple = 8
    align_corners = True

    def __init__(
        self,
        num_classes: int,
        *,
        blocks: tuple[int, int, int],
        in_channels: int = 3,
        aux: bool = False,
        detail: Collection[int] = (8,),
        head_bias: bool = False,
    ) -> None:
        super().__init__()
        widths = dict(zip((2, 4, 8, 16, 32), Backbone.widths, strict=True))
        wrong = [stride for stride in detail if stride not in (2, 4, 8, 16)]
        if wrong:
            raise NetworkError(f"STDC-Seg has no detail head at stride {wrong[0]!r}; choose of 2, 4, 8, 16")

        self.backbone = Backbone(blocks, in_channels)
        self.context_path = ContextPath(widths[16], widths[32], 128)
        self.ffm = FeatureFusion(widths[8] + 128, 256)
        self.head = SegmentationHead(256, 256, num_classes, head_bias)
        self.aux_heads = nn.ModuleDict()
        if aux:
            for name in ("arm16", "arm32"):
                self.aux_heads[name] = SegmentationHead(128, 64, num_classes, head_bias)
            for stride in detail:
                self.aux_heads[f"detail{stride}"] = SegmentationHead(widths[stride], 64, 1, head_bias)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return logits, N x C x H/8 x W/8, of x, N x 3 x H x W, normalised; H and W multiples of 8.

        N is at least 2 in training. aux "arm16" at 1/8 and "arm32" at 1/16 are class logits from the context path's two
        features, named after their attention refinement. aux "detail2", "detail4", "detail8" and "detail16", as built,
        each at its stride, are one logit for the outline of an object.
        """
        check_size(x, self.size_multiple, "STDC-Seg")
        check_batch(x, self.training, "STDC-Seg")
        x2, x4, x8, x16, x32 = self.backbone(x)
        context8, context16 = self.context_path(x8, x16, x32)
        fused = self.ffm(x8, context8)  # 1/8
        read_by = {
            "arm16": context8, "arm32": context16, "detail2": x2, "detail4": x4, "detail8": x8, "detail16": x16,
        }  # fmt: skip
        return Outputs(self.head(fused), {name: head(read_by[name]) for name, head in self.aux_heads.items()})


class ContextPath(nn.Module):
    """From the global context down to 1/8, as in BiSeNet, with nearest-neighbour upsampling."""

    def __init__(self, cin16: int, cin32: int, width: int) -> None:
        super().__init__()
        self.global_context = conv_bn_relu(cin32, width, 1)
        self.arm32 = AttentionRefinement(cin32, width)
        self.arm16 = AttentionRefinement(cin16, width)
        self.refine32 = conv_bn_relu(width, width, 3)
        self.refine16 = conv_bn_relu(width, width, 3)

    def forward(self, x8: Tensor, x16: Tensor, x32: Tensor) -> tuple[Tensor, Tensor]:
        """Return the context, N x width, at 1/8 and 1/16, for the backbone's features at 1/8, 1/16 and 1/32.

        At sizes that 32 does not divide, a feature is less than twice as large as the next; therefore `like`.
        """
        context32 = self.arm32(x32) + self.global_context(x32.mean((2, 3), keepdim=True))  # 1/32
        context16 = self.refine32(resize_nearest(context32, like=x16))  # 1/16
        context8 = self.refine16(resize_nearest(self.arm16(x16) + context16, like=x8))  # 1/8
        return context8, context16


class AttentionRefinement(nn.Module):
    """ARM: a convolution whose channels are weighted by the content of the whole frame."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(cin, cout, 3)
        self.attention = nn.Sequential(*conv_bn(cout, cout, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x h x w for x, N x cin x h x w."""
        features: Tensor = self.conv(x)
        attention: Tensor = self.attention(features.mean((2, 3), keepdim=True))
        return features * attention


class FeatureFusion(nn.Module):
    """FFM: a fusion of detail and context, with channel attention and a residual."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(cin, cout, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(cout, cout // 4, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(cout // 4, cout, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Return N x cout x h x w for spatial and context, N x . x h x w, together cin channels."""
        features: Tensor = self.conv(torch.cat((spatial, context), 1))
        attention: Tensor = self.attention(features.mean((2, 3), keepdim=True))
        return features + features * attention


class SegmentationHead(nn.Module):
    """3x3 convolution to the head's width, 1x1 convolution to the classes."""

    def __init__(self, cin: int, width: int, num_classes: int, bias: bool) -> None:
        super().__init__()
        self.conv = conv_bn_relu(cin, width, 3)
        self.classifier = nn.Conv2d(width, num_classes, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x num_classes x h x w for x, N x cin x h x w."""
        logits: Tensor = self.classifier(self.conv(x))
        return logits


class Backbone(nn.Module):
    """The STDC network (Table 2) up to its last stage; the first module of each stage halves the resolution."""

    widths = (32, 64, 256, 512, 1024)

    def __init__(self, blocks: tuple[int, int, int], in_channels: int) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = self.widths
        self.conv1 = conv_bn_relu(in_channels, w2, 3, stride=2)
        self.conv2 = conv_bn_relu(w2, w4, 3, stride=2)
        self.stage3 = stdc_stage(w4, w8, blocks[0])
        self.stage4 = stdc_stage(w8, w16, blocks[1])
        self.stage5 = stdc_stage(w16, w32, blocks[2])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return maps of 32, 64, 256, 512, 1024 channels at 1/2, 1/4, 1/8, 1/16, 1/32 for x, N x 3 x H x W."""
        x2 = self.conv1(x)
        x4 = self.conv2(x2)
        x8 = self.stage3(x4)
        x16 = self.stage4(x8)
        x32 = self.stage5(x16)
        return x2, x4, x8, x16, x32


def stdc_stage(cin: int, cout: int, blocks: int) -> nn.Sequential:
    """Return STDC modules in sequence, the first with stride 2."""
    return nn.Sequential(STDCModule(cin, cout, stride=2), *(STDCModule(cout, cout) for _ in range(blocks - 1)))


class STDCModule(nn.Module):
    """Short-term dense concatenate module (Fig. 3): the concatenation of four convolutions in a row.

    Each of them has a larger receptive field than the one before, and fewer channels.
    """

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        half, quarter, eighth = cout // 2, cout // 4, cout // 8
        self.convs = nn.ModuleList(
            [
                conv_bn_relu(cin, half, 1),
                conv_bn_relu(half, quarter, 3),
                conv_bn_relu(quarter, eighth, 3),
                conv_bn_relu(eighth, eighth, 3),
            ]
        )
        self.downsample = conv_bn(half, half, 3, stride, groups=half) if stride > 1 else nn.Identity()
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x h/stride x w/stride, halves rounded up for x, N x cin x h x w."""
        first = self.convs[0](x)
        features = [self.pool(first)]
        x = self.downsample(first)
        for conv in self.convs[1:]:
            x = conv(x)
            features.append(x)
        return torch.cat(features, 1)


class STDCClassifier(nn.Module):
    """Classification form (Table 2); the segmentation form starts from its backbone."""

    def __init__(self, num_classes: int, *, blocks: tuple[int, int, int], in_channels: int = 3) -> None:
        super().__init__()
        width = Backbone.widths[-1]
        self.backbone = Backbone(blocks, in_channels)
        self.conv6 = conv_bn_relu(width, width, 1)
        self.fc1 = nn.Linear(width, width, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.2)
        self.fc2 = nn.Linear(width, num_classes, bias=False)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return logits, N x classes, of x, N x 3 x H x W, normalised, any size; there is no aux."""
        x = self.conv6(self.backbone(x)[-1])  # 1/32
        x = x.square().mean((2, 3))
        return Outputs(self.fc2(self.dropout(self.relu(self.fc1(x)))), {})
