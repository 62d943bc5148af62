"""DDRNet's origins."""

from __future__ import annotations

from torch import Tensor

from streetseg.models.origins.origin import Origin, Rule, renaming

SEGMENTATION = ("ddrnet_23_slim", "ddrnet_23", "ddrnet_39")
CLASSIFICATION = tuple(f"{name}_classifier" for name in SEGMENTATION)

# Their names -> ours, in order: stages, then the parts of blocks.
TRUNK: list[Rule] = [
    (r"^conv1\.", "trunk.stem."),
    (r"^layer1\.", "trunk.conv2."),
    (r"^layer2\.", "trunk.conv3."),
    *(
        (rf"^{theirs}{theirs_end}\.", f"trunk.conv4.{index}.{ours}.")
        # DDRNet-39 has two dual stages in conv4, the others one.
        for index, number in ((0, "3"), (0, "3_1"), (1, "3_2"))
        for theirs, theirs_end, ours in (
            (f"layer{number}", "", "low"),
            (f"layer{number}", "_", "high"),
            (f"down{number}", "", "high_to_low"),
            (f"compression{number}", "", "low_to_high"),
        )
    ),
    (r"^layer4\.", "trunk.conv5.low."),
    (r"^layer4_\.", "trunk.conv5.high."),
    (r"^down4\.", "trunk.conv5.high_to_low."),
    (r"^compression4\.", "trunk.conv5.low_to_high."),
    (r"^layer5\.0\.", "rbb_low."),
    (r"^layer5_\.0\.", "rbb_high."),
]
BLOCKS: list[Rule] = [
    (r"^((?:trunk\.conv|rbb)\S*)\.conv(\d)\.(\w+)$", r"\1.conv\2.0.\3"),
    (r"^((?:trunk\.conv|rbb)\S*)\.bn(\d)\.(\w+)$", r"\1.conv\2.1.\3"),
    (r"^((?:trunk\.conv|rbb)\S*)\.downsample\.", r"\1.shortcut."),
]
HEADS: list[Rule] = [
    (r"^spp\.scale0\.", "context.scale0."),
    # Their scales 1 to 4 begin with the pooling; our poolings are apart.
    *((rf"^spp\.scale{i}\.{j + 1}\.", f"context.scales.{i - 1}.{j}.") for i in range(1, 5) for j in range(3)),
    *((rf"^spp\.process{i}\.", f"context.processes.{i - 1}.") for i in range(1, 5)),
    (r"^spp\.(compression|shortcut)\.", r"context.\1."),
    (r"^final_layer\.", "head."),
    (r"^seghead_extra\.", "aux_head."),
    *(
        (rf"^((?:aux_)?head)\.{name}\.", rf"\1.{i}.")
        for name, i in (("bn1", 0), ("conv1", 2), ("bn2", 3), ("conv2", 5))
    ),
]
CLASSIFIER: list[Rule] = [(r"^down5\.", "high_to_low."), (r"^last_layer\.", "last."), (r"^linear\.", "fc.")]

# mmsegmentation's names -> the official ones. Only its stem differs in more than names: see `add_stem_biases`.
MMSEGMENTATION: list[Rule] = [
    # Names of the official code do not occur in mmsegmentation's checkpoints.
    (r"^(?!backbone\.|decode_head\.)", "foreign."),
    (r"^backbone\.stem\.0\.conv\.", "conv1.0."),
    (r"^backbone\.stem\.0\.bn\.", "conv1.1."),
    (r"^backbone\.stem\.1\.conv\.", "conv1.3."),
    (r"^backbone\.stem\.1\.bn\.", "conv1.4."),
    (r"^backbone\.stem\.2\.", "layer1."),
    (r"^backbone\.stem\.4\.", "layer2."),
    *((rf"^backbone\.context_branch_layers\.{i}\.", f"layer{i + 3}.") for i in range(3)),
    *((rf"^backbone\.spatial_branch_layers\.{i}\.", f"layer{i + 3}_.") for i in range(3)),
    *((rf"^backbone\.compression_{i}\.conv\.", f"compression{i + 2}.0.") for i in (1, 2)),
    *((rf"^backbone\.compression_{i}\.bn\.", f"compression{i + 2}.1.") for i in (1, 2)),
    (r"^backbone\.down_1\.conv\.", "down3.0."),
    (r"^backbone\.down_1\.bn\.", "down3.1."),
    *((rf"^backbone\.down_2\.{i}\.conv\.", f"down4.{3 * i}.") for i in (0, 1)),
    *((rf"^backbone\.down_2\.{i}\.bn\.", f"down4.{3 * i + 1}.") for i in (0, 1)),
    (r"^(layer\S*\.conv(\d))\.conv\.", r"\1."),
    (r"^(layer\S*)\.conv(\d)\.bn\.", r"\1.bn\2."),
    (r"^backbone\.spp\.scales\.0\.bn\.", "spp.scale0.0."),
    (r"^backbone\.spp\.scales\.0\.conv\.", "spp.scale0.2."),
    *((rf"^backbone\.spp\.scales\.{i}\.1\.bn\.", f"spp.scale{i}.1.") for i in range(1, 5)),
    *((rf"^backbone\.spp\.scales\.{i}\.1\.conv\.", f"spp.scale{i}.3.") for i in range(1, 5)),
    *((rf"^backbone\.spp\.processes\.{i}\.bn\.", f"spp.process{i + 1}.0.") for i in range(4)),
    *((rf"^backbone\.spp\.processes\.{i}\.conv\.", f"spp.process{i + 1}.2.") for i in range(4)),
    (r"^backbone\.spp\.(compression|shortcut)\.bn\.", r"spp.\1.0."),
    (r"^backbone\.spp\.(compression|shortcut)\.conv\.", r"spp.\1.2."),
    (r"^decode_head\.head\.0\.bn\.", "final_layer.bn1."),
    (r"^decode_head\.head\.0\.conv\.", "final_layer.conv1."),
    (r"^decode_head\.head\.1\.", "final_layer.bn2."),
    (r"^decode_head\.conv_seg\.", "final_layer.conv2."),
    (r"^decode_head\.aux_head\.0\.bn\.", "seghead_extra.bn1."),
    (r"^decode_head\.aux_head\.0\.conv\.", "seghead_extra.conv1."),
    (r"^decode_head\.aux_head\.1\.", "seghead_extra.bn2."),
    (r"^decode_head\.aux_cls_seg\.", "seghead_extra.conv2."),
]


def add_stem_biases(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add biases of zero to mmsegmentation's stem convolutions, which have none: the function stays the same."""
    stem = {name: tensor for name, tensor in tensors.items() if name in ("trunk.stem.0.weight", "trunk.stem.3.weight")}
    return tensors | {name.replace("weight", "bias"): tensor.new_zeros(len(tensor)) for name, tensor in stem.items()}


LANDMARKS = ("layer5_.0.conv1.weight", "layer4_.0.conv1.weight", "layer4_.1.conv1.weight")
OFFICIAL = Origin(
    "ydhongHIT/DDRNet",
    SEGMENTATION,
    LANDMARKS,
    # DDRNet.pytorch also saves its loss's class weights; it returns main and auxiliary logits in the other order.
    renaming([(r"^loss\.", None), *TRUNK, *BLOCKS, *HEADS]),
    also=("chenjun2hao/DDRNet.pytorch",),
)
OFFICIAL_CLASSIFIER = Origin("ydhongHIT/DDRNet", CLASSIFICATION, LANDMARKS, renaming([*TRUNK, *BLOCKS, *CLASSIFIER]))
# ImageNet checkpoints to start a segmentation network: all but the classifier's tail.
IMAGENET = Origin(
    "ydhongHIT/DDRNet",
    SEGMENTATION,
    LANDMARKS,
    renaming([(r"^(?:down5|last_layer|linear)\.", None), *TRUNK, *BLOCKS]),
    parts=("trunk.", "rbb_low.", "rbb_high."),
)
MMSEG = Origin(
    "open-mmlab/mmsegmentation",
    ("ddrnet_23_slim", "ddrnet_23"),
    ("backbone.spatial_branch_layers.0.0.conv1.conv.weight", "backbone.context_branch_layers.0.0.conv1.conv.weight"),
    renaming([*MMSEGMENTATION, *TRUNK, *BLOCKS, *HEADS]),
    adapt=add_stem_biases,
)
ORIGINS = (OFFICIAL, OFFICIAL_CLASSIFIER, IMAGENET, MMSEG)
