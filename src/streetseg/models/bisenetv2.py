"""BiSeNetV2: bilateral segmentation network with guided aggregation (Yu, Gao, Wang, Yu, Shen, Sang, arXiv 2004.02147).

Read top-down: the variants, the paper's ablations, the network (Fig. 3), the detail branch, the semantic branch
(Table 1) with its stem, gather-and-expansion layer and context embedding (Figs. 4 and 5), the aggregations (Fig. 6),
the heads (Fig. 7).

            ┌─ detail: stage1 1/2 ── stage2 1/4 ── stage3 1/8 ─────────────────────────────────┐
    input ──┤                                                                                  ├─ aggregation ─ head 1/8
            └─ semantic: stem 1/4 ─┬─ stage3 1/8 ─┬─ stage4 1/16 ─┬─ stage5 1/32 ─┬─ context ──┘
                                 stage2         stage3          stage4         stage5_4          boosters, in training

Differs from the paper, as the public code does. The authors published no code; tests/models/test_reference.py compares
this file with CoinCheung/BiSeNet and mmsegmentation.
- ReLUs that the figures lack: after the last depth-wise convolution of a gather-and-expansion layer, and after the last
  convolutions of the context embedding (there with a batch norm) and of the aggregation;
- the depth-wise convolution expands the channels. In the paper's text the gather convolution does, and its GFLOPs agree
  with its text (0.67 G for each step of Table 3c, 4.1 G for each of Table 5b): `gather_expands`;
- the aggregation upsamples to the nearest neighbour, as CoinCheung does. mmsegmentation and Fig. 6 upsample bilinearly,
  and mmsegmentation's last 1x1 convolutions there have a bias: `interpolation`, `aggregation_bias`;
- the head is 1024 wide. The paper gives no width; its 21.15 G would take about 660, or 340 with `gather_expands`;
- boosters are CoinCheung's: upsampled by 2 inside, with stride^2 channels before the classes. Fig. 7 has neither.
  mmsegmentation has other boosters, which are not built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.layers import (
    check_batch,
    check_size,
    conv_bn,
    conv_bn_relu,
    init_kaiming,
    resize,
    resize_nearest,
)
from streetseg.models.outputs import Network, Outputs
from streetseg.models.semantic_backbones import SEMANTIC_BACKBONES, SemanticBackbone

Booster = Literal["stage2", "stage3", "stage4", "stage5_4", "stage5_5"]
Interpolation = Literal["nearest", "bilinear"]


def bisenetv2(num_classes: int, *, in_channels: int = 3, aux: bool = False, **switches: Any) -> BiSeNetV2:
    """BiSeNetV2. The paper: 21.15 GMACs at 512 x 1024, 73.4 mIoU on Cityscapes val at that size (Table 7), 72.4 on
    CamVid test (Table 8). Counted: 3.4 M parameters, 24.6 GMACs.

    switches: fields of Design, the paper's ablations.
    """
    return BiSeNetV2(num_classes, Design(**switches), in_channels=in_channels, aux=aux)


def bisenetv2_large(num_classes: int, *, in_channels: int = 3, aux: bool = False) -> BiSeNetV2:
    """BiSeNetV2-Large: twice as wide, three times as deep in the semantic branch. The paper: 118.51 GMACs at
    512 x 1024, 75.8 mIoU on Cityscapes val at that size (Tables 6 and 7), 73.2 on CamVid test (Table 8)."""
    return bisenetv2(num_classes, in_channels=in_channels, aux=aux, width=2.0, depth=3)


@dataclass(frozen=True)
class Design:
    """The variants of the paper's tables; the defaults are BiSeNetV2. Impossible values raise NetworkError."""

    # Table 2: one branch or both, and how both are joined.
    branches: Literal["both", "detail", "semantic"] = "both"
    aggregation: Literal["guided", "sum", "concat"] = "guided"
    # Table 3a, lambda: channels of the stem and of stage 3 relative to the detail branch.
    width_ratio: float = 1 / 4
    # Table 3b: the gather convolution's kernel; True if it expands (see the head of this file); two 3x3 depth-wise
    # convolutions at stride 2, or one 5x5; the context embedding.
    gather_kernel: Literal[1, 3] = 3
    gather_expands: bool = False
    double_depthwise: bool = True
    context: bool = True
    # Table 3c, epsilon.
    expansion: int = 6
    # Table 4: the stages of the semantic branch that a booster follows; stage5_4 is before the context embedding.
    boosters: tuple[Booster, ...] = ("stage2", "stage3", "stage4", "stage5_4")
    # Table 5, alpha (channels of every stage) and d (layers of stages 3 to 5).
    width: float = 1.0
    depth: int = 1
    # Table 6: the network that computes the semantic branch's stages.
    semantic: Literal["gather_expansion", "resnet18", "mobilenet_v2", "shufflenet_v2_x1_5"] = "gather_expansion"
    # Fig. 7, C_t of the main head.
    head_width: int = 1024
    # Differences between the public code bases.
    interpolation: Interpolation = "nearest"
    aggregation_bias: bool = False

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Design).items():
            value = getattr(self, name)
            if get_origin(hint) is Literal and value not in get_args(hint):
                allowed = ", ".join(map(str, get_args(hint)))
                raise NetworkError(f"BiSeNetV2 has no {name} {value!r}; choose of {allowed}")
            if hint is bool and not isinstance(value, bool):
                raise NetworkError(f"BiSeNetV2 takes true or false for {name}, got {value!r}")
            if hint in (int, float) and (isinstance(value, bool) or not isinstance(value, int | hint)):
                raise NetworkError(
                    f"BiSeNetV2 takes {'a whole' if hint is int else 'a'} number for {name}, got {value!r}"
                )
        stages = [stage for stage in get_args(Booster) if self.context or stage != "stage5_5"]
        wrong = [stage for stage in self.boosters if stage not in stages]
        if wrong:
            raise NetworkError(f"BiSeNetV2 has no booster after {', '.join(wrong)} here; choose of {', '.join(stages)}")
        if self.stem_channels < 2 or min(self.expansion, self.depth, self.head_width) < 1:
            raise NetworkError(
                f"BiSeNetV2 cannot be built with expansion {self.expansion}, depth {self.depth}, head_width "
                f"{self.head_width} and a stem of {self.stem_channels} channels; the first three must be 1 or more, "
                "the stem's 64 * width * width_ratio 2 or more"
            )

    @property
    def stem_channels(self) -> int:
        """Channels of stages 1 and 2 of the semantic branch."""
        return round(64 * self.width * self.width_ratio)

    @property
    def stage_channels(self) -> tuple[int, int, int]:
        """Channels of stages 3, 4 and 5 of the semantic branch; lambda changes only stage 3 (Table 3a)."""
        return round(128 * self.width * self.width_ratio), round(64 * self.width), self.out_channels

    @property
    def out_channels(self) -> int:
        """Channels at the end of both branches."""
        return round(128 * self.width)


class BiSeNetV2(Network):
    """Segmentation form (Fig. 3)."""

    output_stride = 8
    size_multiple = 8
    align_corners = False

    def __init__(self, num_classes: int, design: Design, *, in_channels: int = 3, aux: bool = False) -> None:
        super().__init__()
        channels = design.out_channels
        self.detail = DetailBranch(in_channels, design) if design.branches != "semantic" else None
        self.semantic = SemanticBranch(in_channels, design) if design.branches != "detail" else None
        join = GuidedAggregation if design.aggregation == "guided" else PlainAggregation
        self.aggregation = join(design) if design.branches == "both" else None
        self.head = SegmentationHead(channels, design.head_width, num_classes)
        self.boosters = nn.ModuleDict()
        if aux and self.semantic is not None:
            for stage in design.boosters:
                cin, stride = self.semantic.taps[stage]
                self.boosters[stage] = BoosterHead(cin, stride, num_classes)
        init_kaiming(self)

    def forward(self, x: Tensor) -> Outputs:
        """Return the logits of x, N x channels x H x W, normalised; H and W multiples of 8.

        N is at least 2 in training with the context embedding. The logits are N x C x H/8 x W/8. aux is named after the
        booster's stage, N x C at half the stage's stride: stage2 1/2, stage3 1/4, stage4 1/8, stage5_4 and stage5_5
        1/16. The detail branch alone has none.
        """
        check_size(x, self.size_multiple, "BiSeNetV2")
        if self.semantic is not None and self.semantic.context is not None:
            check_batch(x, self.training, "BiSeNetV2")
        stages = {} if self.semantic is None else self.semantic(x)  # 1/4, 1/8, 1/16, 1/32, 1/32
        aux = {stage: booster(stages[stage]) for stage, booster in self.boosters.items()}
        if self.detail is None:
            fused = resize(deepest(stages), like=stages["stage3"])  # 1/8
        elif self.aggregation is None:
            fused = self.detail(x)  # 1/8
        else:
            fused = self.aggregation(self.detail(x), deepest(stages))  # 1/8
        return Outputs(self.head(fused), aux)


def deepest(stages: dict[str, Tensor]) -> Tensor:
    """Return the last stage's output, after the context embedding if there is one."""
    return stages["stage5_5"] if "stage5_5" in stages else stages["stage5_4"]


class DetailBranch(nn.Module):
    """Wide and shallow, plain convolutions (Section 4.1, Table 1)."""

    def __init__(self, in_channels: int, design: Design) -> None:
        super().__init__()
        width, cout = round(64 * design.width), design.out_channels
        self.stage1 = nn.Sequential(conv_bn_relu(in_channels, width, 3, stride=2), conv_bn_relu(width, width, 3))
        self.stage2 = nn.Sequential(
            conv_bn_relu(width, width, 3, stride=2), conv_bn_relu(width, width, 3), conv_bn_relu(width, width, 3)
        )
        self.stage3 = nn.Sequential(
            conv_bn_relu(width, cout, 3, stride=2), conv_bn_relu(cout, cout, 3), conv_bn_relu(cout, cout, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return N x out_channels x H/8 x W/8 for x, N x channels x H x W."""
        x = self.stage1(x)  # 1/2
        x = self.stage2(x)  # 1/4
        detail: Tensor = self.stage3(x)  # 1/8
        return detail


class SemanticBranch(nn.Module):
    """Narrow and deep (Section 4.2): the stages, then the context embedding.

    A 1x1 convolution brings a backbone of Table 6 to the branch's channels; the paper does not say how it does this.
    taps: stage -> channels and stride of the features that a booster reads there.
    """

    def __init__(self, in_channels: int, design: Design) -> None:
        super().__init__()
        cout = design.out_channels
        self.backbone: SemanticBackbone = (
            GatherExpansionStages(in_channels, design)
            if design.semantic == "gather_expansion"
            else SEMANTIC_BACKBONES[design.semantic](in_channels)
        )
        stage2, stage3, stage4, stage5 = self.backbone.channels
        self.projection = conv_bn_relu(stage5, cout, 1) if stage5 != cout else nn.Identity()
        self.context = ContextEmbedding(cout) if design.context else None
        self.taps: dict[str, tuple[int, int]] = {
            "stage2": (stage2, 4),
            "stage3": (stage3, 8),
            "stage4": (stage4, 16),
            "stage5_4": (cout, 32),
            "stage5_5": (cout, 32),
        }

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the stages' outputs for x, N x channels x H x W.

        They are stage2 1/4, stage3 1/8, stage4 1/16, stage5_4 1/32 and, with the context embedding, stage5_5 1/32.
        """
        stage2, stage3, stage4, stage5 = self.backbone(x)
        stages = {"stage2": stage2, "stage3": stage3, "stage4": stage4, "stage5_4": self.projection(stage5)}
        if self.context is not None:
            stages["stage5_5"] = self.context(stages["stage5_4"])
        return stages


class GatherExpansionStages(SemanticBackbone):
    """The paper's own stages: stem, then 2, 2 and 4 gather-and-expansion layers (Table 1), times d (Table 5b)."""

    def __init__(self, in_channels: int, design: Design) -> None:
        super().__init__()
        self.channels = (design.stem_channels, *design.stage_channels)
        stem, stage3, stage4, stage5 = self.channels
        self.stem = StemBlock(in_channels, stem)
        self.stage3 = gather_expansion_stage(stem, stage3, 2 * design.depth, design)
        self.stage4 = gather_expansion_stage(stage3, stage4, 2 * design.depth, design)
        self.stage5 = gather_expansion_stage(stage4, stage5, 4 * design.depth, design)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stage2 = self.stem(x)  # 1/4
        stage3 = self.stage3(stage2)  # 1/8
        stage4 = self.stage4(stage3)  # 1/16
        return stage2, stage3, stage4, self.stage5(stage4)  # 1/32


class StemBlock(nn.Module):
    """Two ways of halving, side by side (Fig. 4a): a convolution and a max pooling."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(cin, cout, 3, stride=2)
        self.left = nn.Sequential(conv_bn_relu(cout, cout // 2, 1), conv_bn_relu(cout // 2, cout, 3, stride=2))
        self.right = nn.MaxPool2d(3, stride=2, padding=1)
        self.fuse = conv_bn_relu(cout * 2, cout, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x H/4 x W/4 for x, N x cin x H x W."""
        x = self.conv(x)  # 1/2
        fused: Tensor = self.fuse(torch.cat([self.left(x), self.right(x)], 1))  # 1/4
        return fused


def gather_expansion_stage(cin: int, cout: int, layers: int, design: Design) -> nn.Sequential:
    """Return gather-and-expansion layers in sequence, the first at stride 2."""
    return nn.Sequential(
        GatherExpansionLayer(cin, cout, 2, design),
        *(GatherExpansionLayer(cout, cout, 1, design) for _ in range(layers - 1)),
    )


class GatherExpansionLayer(nn.Module):
    """GE (Fig. 5b at stride 1, 5c at stride 2): a 3x3 convolution gathers, a depth-wise one expands, a 1x1 projects."""

    def __init__(self, cin: int, cout: int, stride: int, design: Design) -> None:
        super().__init__()
        expanded = cin * design.expansion
        gathered = expanded if design.gather_expands else cin
        self.gather = conv_bn_relu(cin, gathered, design.gather_kernel)
        if stride == 1:
            depthwise = conv_bn(gathered, expanded, 3, groups=gathered)
            self.shortcut: nn.Module = nn.Identity()
        else:
            depthwise = (
                nn.Sequential(
                    *conv_bn(gathered, expanded, 3, stride, groups=gathered),
                    *conv_bn(expanded, expanded, 3, groups=expanded),
                )
                if design.double_depthwise
                else conv_bn(gathered, expanded, 5, stride, groups=gathered)
            )
            self.shortcut = nn.Sequential(*conv_bn(cin, cin, 3, stride, groups=cin), *conv_bn(cin, cout, 1))
        self.depthwise = nn.Sequential(*depthwise, nn.ReLU(inplace=True))
        self.project = conv_bn(expanded, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x h/stride x w/stride for x, N x cin x h x w."""
        return F.relu(self.project(self.depthwise(self.gather(x))) + self.shortcut(x))


class ContextEmbedding(nn.Module):
    """CE (Fig. 4b): the embedded global mean, added to each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.embed = conv_bn_relu(channels, channels, 1)
        self.fuse = conv_bn_relu(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape for x, N x channels x h x w, N at least 2 in training."""
        context: Tensor = self.fuse(x + self.embed(self.norm(x.mean((2, 3), keepdim=True))))
        return context


class GuidedAggregation(nn.Module):
    """BGA (Fig. 6): each branch gates the other, at both resolutions."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        channels = design.out_channels
        self.detail_keep = separable_conv(channels, design.aggregation_bias)
        self.detail_down = nn.Sequential(*conv_bn(channels, channels, 3, stride=2), nn.AvgPool2d(3, 2, padding=1))
        self.semantic_up = conv_bn(channels, channels, 3)
        self.semantic_keep = separable_conv(channels, design.aggregation_bias)
        self.fuse = conv_bn_relu(channels, channels, 3)
        self.resize = RESIZES[design.interpolation]

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """Return N x c x h x w for detail, N x c x h x w, and semantic, N x c x h/4 x w/4, rounded up."""
        gate = torch.sigmoid(self.resize(self.semantic_up(semantic), detail))
        at_detail = self.detail_keep(detail) * gate  # 1/8
        at_semantic = self.detail_down(detail) * torch.sigmoid(self.semantic_keep(semantic))  # 1/32
        fused: Tensor = self.fuse(at_detail + self.resize(at_semantic, detail))
        return fused


class PlainAggregation(nn.Module):
    """The baselines of Table 2: each branch through a separable convolution, then summed or concatenated.

    The guided aggregation's 3x3 convolution follows. The paper's GFLOPs contain it: in Table 2 concatenation costs
    1.21 G more than the sum, as much as this convolution needs to read twice the channels.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        channels = design.out_channels
        self.concat = design.aggregation == "concat"
        self.detail = separable_conv(channels, design.aggregation_bias)
        self.semantic = separable_conv(channels, design.aggregation_bias)
        self.fuse = conv_bn_relu(channels * 2 if self.concat else channels, channels, 3)
        self.resize = RESIZES[design.interpolation]

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """Return N x c x h x w; shapes as in GuidedAggregation."""
        semantic = self.resize(self.semantic(semantic), detail)
        detail = self.detail(detail)
        fused: Tensor = self.fuse(torch.cat([detail, semantic], 1) if self.concat else detail + semantic)
        return fused


RESIZES: dict[Interpolation, Callable[[Tensor, Tensor], Tensor]] = {"nearest": resize_nearest, "bilinear": resize}


def separable_conv(channels: int, bias: bool) -> nn.Sequential:
    """Return a 3x3 depth-wise convolution with batch norm, then a bare 1x1 convolution."""
    return nn.Sequential(*conv_bn(channels, channels, 3, groups=channels), nn.Conv2d(channels, channels, 1, bias=bias))


class SegmentationHead(nn.Sequential):
    """3x3 convolution to the head's width, 1x1 convolution to the classes (Fig. 7)."""

    def __init__(self, cin: int, width: int, num_classes: int) -> None:
        super().__init__(*conv_bn_relu(cin, width, 3), nn.Dropout(0.1), nn.Conv2d(width, num_classes, 1))


class BoosterHead(nn.Sequential):
    """Auxiliary head after a stage of the semantic branch (Section 4.4); its logits have half the stage's stride."""

    def __init__(self, cin: int, stride: int, num_classes: int, width: int = 128) -> None:
        super().__init__(
            *conv_bn_relu(cin, width, 3),
            nn.Dropout(0.1),
            nn.Upsample(scale_factor=2),
            *conv_bn_relu(width, stride**2, 3),
            nn.Conv2d(stride**2, num_classes, 1),
        )
