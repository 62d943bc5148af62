"""Light-weight ImageNet classifiers as BiSeNetV2's semantic branch (Table 6 of its paper).

ResNet-18 (He et al., arXiv 1512.03385), MobileNetV2 (Sandler et al., arXiv 1801.04381) and ShuffleNetV2 1.5x (Ma et
al., arXiv 1807.11164), without their classifiers. Module names are torchvision's, so that its published ImageNet
checkpoints load: see `TORCHVISION` in origins/bisenetv2.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.models.layers import conv_bn, conv_bn_relu


class SemanticBackbone(nn.Module):
    """Base of the networks that can serve as a semantic branch's stages.

    channels: of the four maps that `forward` returns for N x channels x H x W, at 1/4, 1/8, 1/16 and 1/32.
    """

    channels: tuple[int, int, int, int]

    if TYPE_CHECKING:
        __call__: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]


class ResNet18(SemanticBackbone):
    """The residual network of 18 layers (Table 1 of its paper)."""

    channels = (64, 128, 256, 512)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = nn.Sequential(ResidualBlock(64, 64, 1), ResidualBlock(64, 64, 1))
        self.layer2 = nn.Sequential(ResidualBlock(64, 128, 2), ResidualBlock(128, 128, 1))
        self.layer3 = nn.Sequential(ResidualBlock(128, 256, 2), ResidualBlock(256, 256, 1))
        self.layer4 = nn.Sequential(ResidualBlock(256, 512, 2), ResidualBlock(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))  # 1/2
        stage2 = self.layer1(self.maxpool(x))  # 1/4
        stage3 = self.layer2(stage2)  # 1/8
        stage4 = self.layer3(stage3)  # 1/16
        return stage2, stage3, stage4, self.layer4(stage4)  # 1/32


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 projection where stride or channels change."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(cin, cout, 3, stride)
        self.conv2, self.bn2 = conv_bn(cout, cout, 3)
        self.downsample = conv_bn(cin, cout, 1, stride) if stride != 1 or cin != cout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class MobileNetV2(SemanticBackbone):
    """Inverted residuals with linear bottlenecks (Table 2 of its paper)."""

    channels = (24, 32, 96, 1280)
    # Expansion, channels, blocks, stride of the first.
    settings = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        cin = 32
        layers: list[nn.Module] = [relu6(conv_bn(in_channels, cin, 3, stride=2))]
        for expansion, cout, blocks, stride in self.settings:
            for block in range(blocks):
                layers.append(InvertedResidual(cin, cout, stride if block == 0 else 1, expansion))
                cin = cout
        layers.append(relu6(conv_bn(cin, self.channels[-1], 1)))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stage2 = self.features[:4](x)  # 1/4, after the blocks of 24 channels
        stage3 = self.features[4:7](stage2)  # 1/8, 32
        stage4 = self.features[7:14](stage3)  # 1/16, 96
        return stage2, stage3, stage4, self.features[14:](stage4)  # 1/32


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depth-wise, 1x1 linear projection; a shortcut where the shape stays."""

    def __init__(self, cin: int, cout: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = cin * expansion
        expand = [relu6(conv_bn(cin, width, 1))] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand, relu6(conv_bn(width, width, 3, stride, groups=width)), *conv_bn(width, cout, 1)
        )
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


def relu6(layers: nn.Sequential) -> nn.Sequential:
    """Return the layers, followed by a ReLU that is capped at 6."""
    return nn.Sequential(*layers, nn.ReLU6(inplace=True))


class ShuffleNetV2(SemanticBackbone):
    """ShuffleNetV2 at 1.5 times the width (Table 5 of its paper)."""

    channels = (24, 176, 352, 1024)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(in_channels, 24, 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.stage2 = shuffle_stage(24, 176, units=4)
        self.stage3 = shuffle_stage(176, 352, units=8)
        self.stage4 = shuffle_stage(352, 704, units=4)
        self.conv5 = conv_bn_relu(704, 1024, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # The paper of ShuffleNetV2 counts its stages from 1/8, one less than BiSeNetV2's.
        quarter = self.maxpool(self.conv1(x))  # 1/4
        eighth = self.stage2(quarter)  # 1/8
        sixteenth = self.stage3(eighth)  # 1/16
        return quarter, eighth, sixteenth, self.conv5(self.stage4(sixteenth))  # 1/32


def shuffle_stage(cin: int, cout: int, units: int) -> nn.Sequential:
    """Return shuffle units in sequence, the first at stride 2."""
    return nn.Sequential(ShuffleUnit(cin, cout, 2), *(ShuffleUnit(cout, cout, 1) for _ in range(units - 1)))


class ShuffleUnit(nn.Module):
    """Two branches and a channel shuffle (Fig. 3c and d of its paper); at stride 1 the first half passes as it is."""

    interleaved: Tensor

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        half = cout // 2
        self.branch1 = (
            nn.Sequential(*conv_bn(cin, cin, 3, stride, groups=cin), *conv_bn_relu(cin, half, 1))
            if stride > 1
            else nn.Identity()
        )
        self.branch2 = nn.Sequential(
            *conv_bn_relu(cin if stride > 1 else half, half, 1),
            *conv_bn(half, half, 3, stride, groups=half),
            *conv_bn_relu(half, half, 1),
        )
        self.split = stride == 1
        self.register_buffer("interleaved", torch.arange(cout).view(2, half).T.flatten(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x cout x h/stride x w/stride, two halves interleaved, for x, N x cin x h x w."""
        left, right = x.chunk(2, 1) if self.split else (x, x)
        return torch.cat([self.branch1(left), self.branch2(right)], 1).index_select(1, self.interleaved)


SEMANTIC_BACKBONES: dict[str, Callable[[int], SemanticBackbone]] = {
    "resnet18": ResNet18,
    "mobilenet_v2": MobileNetV2,
    "shufflenet_v2_x1_5": ShuffleNetV2,
}
