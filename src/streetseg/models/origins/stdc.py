"""STDC's origins.

Official checkpoints have each tensor of the backbone twice: as features.N, and in slices x2 to x32 of the same
modules. Conversion leaves out the slices. It also leaves out the ImageNet tail of segmentation checkpoints, and a batch
norm in that tail that the official code never calls.
"""

from __future__ import annotations

from torch import Tensor

from streetseg.models.origins.origin import BLOCK_RULES, Origin, Rule, renaming
from streetseg.models.stdc import STDC1_BLOCKS, STDC2_BLOCKS

BACKBONE_LANDMARKS = ("features.0.conv.weight", "features.1.conv.weight")
BLOCKS = {"stdc1": STDC1_BLOCKS, "stdc2": STDC2_BLOCKS}


def backbone_rules(blocks: tuple[int, int, int], ours: str) -> list[Rule]:
    """Return the rules for features.N, whose N counts through the stages; our backbone's names begin with `ours`."""
    stages = [f"stage{stage}.{i}" for stage, n in zip((3, 4, 5), blocks, strict=True) for i in range(n)]
    return [
        (r"^x\d+\.", None),
        *((rf"^features\.{i}\.", f"{ours}{name}.") for i, name in enumerate(("conv1", "conv2", *stages))),
        (r"\.conv_list\.", ".convs."),
        (r"\.avd_layer\.", ".downsample."),
    ]


def segmentation_rules(blocks: tuple[int, int, int]) -> list[Rule]:
    """Return the rules for segmentation checkpoints of the official code."""
    return [
        (r"^cp\.backbone\.(?:conv_last|fc|bn|linear)\.", None),
        (r"^cp\.(?:backbone\.)?", ""),
        *backbone_rules(blocks, "backbone."),
        (r"^conv_avg\.", "context_path.global_context."),
        (r"^conv_head(16|32)\.", r"context_path.refine\1."),
        (r"^arm(16|32)\.conv_atten\.", r"context_path.arm\1.attention.0."),
        (r"^arm(16|32)\.bn_atten\.", r"context_path.arm\1.attention.1."),
        (r"^arm(16|32)\.", r"context_path.arm\1."),
        (r"^ffm\.convblk\.", "ffm.conv."),
        (r"^ffm\.conv1\.", "ffm.attention.0."),
        (r"^ffm\.conv2\.", "ffm.attention.2."),
        (r"^conv_out\.", "head."),
        (r"^conv_out(16|32)\.", r"aux_heads.arm\1."),
        (r"^conv_out_sp(\d+)\.", r"aux_heads.detail\1."),
        (r"\.conv_out\.", ".classifier."),
        *BLOCK_RULES,
    ]


def plain_norms(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn the official norms outside the backbone (in-place, synchronised) into ordinary batch norms.

    They scale by |weight| + 1e-5. Unlike ordinary norms, they do not count their batches. The backbone has ordinary
    norms, and forks without the compiled norms have no others.
    """

    def is_official_scale(name: str) -> bool:
        norm = name.removesuffix(".weight")
        return f"{norm}.running_var" in tensors and f"{norm}.num_batches_tracked" not in tensors

    return {
        name: tensor.abs() + 1e-5 if name.endswith(".weight") and is_official_scale(name) else tensor
        for name, tensor in tensors.items()
    }


SEGMENTATION = {
    name: Origin(
        "MichaelFan01/STDC-Seg",
        (name,),
        ("cp.backbone.features.0.conv.weight", "cp.backbone.features.1.conv.weight"),
        renaming(segmentation_rules(blocks)),
        plain_norms,
        # The official network always has the four detail heads, whichever of them its training used.
        aux_arguments={"detail": (2, 4, 8, 16)},
    )
    for name, blocks in BLOCKS.items()
}

CLASSIFIER = {
    name: Origin(
        "MichaelFan01/STDC-Seg",
        (f"{name}_classifier",),
        BACKBONE_LANDMARKS,
        renaming(
            [
                (r"^bn\.", None),
                *backbone_rules(blocks, "backbone."),
                (r"^conv_last\.", "conv6."),
                (r"^fc\.", "fc1."),
                (r"^linear\.", "fc2."),
                *BLOCK_RULES,
            ]
        ),
    )
    for name, blocks in BLOCKS.items()
}

# ImageNet checkpoints to start a segmentation network: their features only.
IMAGENET = {
    name: Origin(
        "MichaelFan01/STDC-Seg",
        (name,),
        BACKBONE_LANDMARKS,
        renaming([(r"^(?:conv_last|fc|bn|linear)\.", None), *backbone_rules(blocks, "backbone."), *BLOCK_RULES]),
        parts=("backbone.",),
    )
    for name, blocks in BLOCKS.items()
}

MMSEGMENTATION = Origin(
    "open-mmlab/mmsegmentation",
    ("stdc1", "stdc2"),
    ("backbone.backbone.stages.0.conv.weight", "backbone.backbone.stages.1.conv.weight"),
    renaming(
        [
            # Its boundary head has two classes and constants of its loss: another function than our detail head.
            (r"^auxiliary_head\.2\.", None),
            (r"^backbone\.backbone\.stages\.0\.", "backbone.conv1."),
            (r"^backbone\.backbone\.stages\.1\.", "backbone.conv2."),
            *((rf"^backbone\.backbone\.stages\.{i}\.", f"backbone.stage{i + 1}.") for i in (2, 3, 4)),
            (r"\.layers\.", ".convs."),
            (r"^backbone\.conv_avg\.", "context_path.global_context."),
            *((rf"^backbone\.arms\.{i}\.", f"context_path.arm{stride}.") for i, stride in enumerate((32, 16))),
            *((rf"^backbone\.convs\.{i}\.", f"context_path.refine{stride}.") for i, stride in enumerate((32, 16))),
            (r"\.conv_layer\.", ".conv."),
            (r"\.atten_conv_layer\.1\.", ".attention."),
            (r"^backbone\.ffm\.conv0\.", "ffm.conv."),
            (r"^backbone\.ffm\.attention\.1\.conv\.", "ffm.attention.0."),
            (r"^backbone\.ffm\.attention\.2\.conv\.", "ffm.attention.2."),
            (r"^decode_head\.", "head."),
            (r"^auxiliary_head\.0\.", "aux_heads.arm16."),
            (r"^auxiliary_head\.1\.", "aux_heads.arm32."),
            (r"^(head|aux_heads\.\w+)\.convs\.0\.", r"\1.conv."),
            (r"\.conv_seg\.", ".classifier."),
            *BLOCK_RULES,
        ]
    ),
    arguments={"head_bias": True},
    aux_arguments={"detail": ()},
)

ORIGINS = (*SEGMENTATION.values(), *CLASSIFIER.values(), *IMAGENET.values(), MMSEGMENTATION)
