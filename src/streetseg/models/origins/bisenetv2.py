"""BiSeNetV2's origins, and the origins of the ImageNet backbones that can be its semantic branch."""

from __future__ import annotations

from streetseg.models.origins.origin import BLOCK_RULES, Origin, renaming
from streetseg.models.semantic_backbones import SEMANTIC_BACKBONES

COINCHEUNG = Origin(
    "CoinCheung/BiSeNet",
    ("bisenetv2",),
    ("segment.S4.0.conv1.conv.weight", "segment.S5_5.conv_last.conv.weight", "detail.S2.0.conv.weight"),
    renaming(
        [
            (r"^detail\.S", "detail.stage"),
            (r"^segment\.S1S2\.", "semantic.backbone.stem."),
            (r"^segment\.S([34])\.", r"semantic.backbone.stage\1."),
            (r"^segment\.S5_4\.", "semantic.backbone.stage5."),
            (r"^segment\.S5_5\.bn\.", "semantic.context.norm."),
            (r"^segment\.S5_5\.conv_gap\.", "semantic.context.embed."),
            (r"^segment\.S5_5\.conv_last\.", "semantic.context.fuse."),
            (r"(stage\d\.\d)\.conv1\.", r"\1.gather."),
            (r"\.dwconv1?\.", ".depthwise."),
            *((rf"\.dwconv2\.{i}\.", f".depthwise.{i + 2}.") for i in (0, 1)),
            (r"(stage\d\.\d)\.conv2\.", r"\1.project."),
            (r"^bga\.left1\.", "aggregation.detail_keep."),
            (r"^bga\.left2\.", "aggregation.detail_down."),
            (r"^bga\.right1\.", "aggregation.semantic_up."),
            (r"^bga\.right2\.", "aggregation.semantic_keep."),
            (r"^bga\.conv\.", "aggregation.fuse."),
            (r"^head\.conv\.", "head."),
            (r"^head\.conv_out\.1\.", "head.4."),
            (r"^aux(\d\w*)\.conv\.", r"boosters.stage\1."),
            *((rf"^aux(\d\w*)\.conv_out\.0\.1\.{x}\.", rf"boosters.stage\1.{i}.") for x, i in (("conv", 5), ("bn", 6))),
            (r"^aux(\d\w*)\.conv_out\.1\.", r"boosters.stage\1.8."),
            *BLOCK_RULES,
        ]
    ),
    # Cityscapes' red, green and blue (its tools/demo.py gives them from 0 to 1: 0.3257, ...).
    mean=(83.0535, 94.095, 82.1865),
    std=(53.856, 54.774, 53.9325),
)

MMSEGMENTATION = Origin(
    "open-mmlab/mmsegmentation",
    ("bisenetv2",),
    ("backbone.detail.detail_branch.1.0.conv.weight", "backbone.bga.conv.conv.weight"),
    renaming(
        [
            # Its auxiliary heads compute another function than our boosters.
            (r"^auxiliary_head\.", None),
            *((rf"^backbone\.detail\.detail_branch\.{i}\.", f"detail.stage{i + 1}.") for i in range(3)),
            (r"^backbone\.semantic\.stage1\.conv_first\.", "semantic.backbone.stem.conv."),
            (r"^backbone\.semantic\.stage1\.convs\.", "semantic.backbone.stem.left."),
            (r"^backbone\.semantic\.stage1\.fuse_last\.", "semantic.backbone.stem.fuse."),
            *((rf"^backbone\.semantic\.stage{i}\.", f"semantic.backbone.stage{i + 1}.") for i in (2, 3, 4)),
            (r"^backbone\.semantic\.stage4_CEBlock\.gap\.1\.", "semantic.context.norm."),
            (r"^backbone\.semantic\.stage4_CEBlock\.conv_gap\.", "semantic.context.embed."),
            (r"^backbone\.semantic\.stage4_CEBlock\.conv_last\.", "semantic.context.fuse."),
            (r"(stage\d\.\d)\.conv1\.", r"\1.gather."),
            (r"(stage\d\.\d)\.conv2\.0\.", r"\1.project."),
            *((rf"\.dwconv\.{i}\.conv\.", f".depthwise.{2 * i}.") for i in (0, 1)),
            *((rf"\.dwconv\.{i}\.bn\.", f".depthwise.{2 * i + 1}.") for i in (0, 1)),
            (r"^backbone\.bga\.detail_dwconv\.0\.", "aggregation.detail_keep."),
            (r"^backbone\.bga\.detail_down\.0\.", "aggregation.detail_down."),
            (r"^backbone\.bga\.semantic_conv\.0\.", "aggregation.semantic_up."),
            (r"^backbone\.bga\.semantic_dwconv\.0\.", "aggregation.semantic_keep."),
            (r"^backbone\.bga\.conv\.", "aggregation.fuse."),
            (r"\.shortcut\.0\.", ".shortcut."),
            (r"\.depthwise_conv\.conv\.", ".0."),
            (r"\.depthwise_conv\.bn\.", ".1."),
            (r"\.pointwise_conv\.conv\.", ".2."),
            (r"\.pointwise_conv\.bn\.", ".3."),
            (r"^decode_head\.convs\.0\.", "head."),
            (r"^decode_head\.conv_seg\.", "head.4."),
            *BLOCK_RULES,
        ]
    ),
    arguments={"interpolation": "bilinear", "aggregation_bias": True},
    aux_arguments={"boosters": ()},
)  # fmt: skip


LANDMARKS = {
    "resnet18": ("layer4.1.conv2.weight", "layer3.1.conv2.weight"),
    "mobilenet_v2": ("features.18.0.weight", "features.17.conv.2.weight"),
    "shufflenet_v2_x1_5": ("conv5.0.weight", "stage4.3.branch2.5.weight"),
}
# ImageNet checkpoints to start a semantic branch (Table 6): all but the classifier.
TORCHVISION = {
    name: Origin(
        "pytorch/vision",
        ("bisenetv2",),
        LANDMARKS[name],
        renaming([(r"^(?:fc|classifier)\.", None), (r"^", "semantic.backbone.")]),
        arguments={"semantic": name},
        parts=("semantic.backbone.",),
    )
    for name in SEMANTIC_BACKBONES
}

ORIGINS = (COINCHEUNG, MMSEGMENTATION, *TORCHVISION.values())
