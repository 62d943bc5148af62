"""FC-HarDNet's origins."""

from __future__ import annotations

from streetseg.models.origins.origin import Origin, Rule, renaming

# A layer's convolution and norm have names there; here they have places in a sequence.
LAYER: list[Rule] = [(r"\.conv\.(\w+)$", r".0.\1"), (r"\.norm\.(\w+)$", r".1.\1")]

# Their names -> ours, in order. Their `base` is the whole encoder in one list: four stem convolutions, then for each
# level its block, its 1x1 convolution and the pooling before the next.
ENCODER: list[Rule] = [
    *((rf"^base\.{i}\.", f"encoder.stem.{i}.") for i in range(4)),
    *((rf"^base\.{4 + 3 * i}\.", f"encoder.blocks.{i}.") for i in range(5)),
    *((rf"^base\.{5 + 3 * i}\.", f"encoder.transitions.{i}.") for i in range(5)),
]
DECODER: list[Rule] = [
    (r"^denseBlocksUp\.", "decoder.blocks."),
    (r"^conv1x1_up\.(\d)\.", r"decoder.fusions.\1.conv."),
    (r"^finalConv\.", "head."),
    *LAYER,
]

LANDMARKS = ("base.4.layers.0.conv.weight", "base.10.layers.0.conv.weight", "base.13.layers.0.conv.weight")
# With and without `base.`; the places in the list are the encoder's own.
BACKBONE_LANDMARKS = (*LANDMARKS, "10.layers.0.conv.weight", "13.layers.0.conv.weight")

OFFICIAL = Origin(
    "PingoLH/FCHarDNet",
    ("fc_hardnet_70",),
    LANDMARKS,
    renaming([*ENCODER, *DECODER]),
    bgr_stem="encoder.stem.0.0.weight",
)
# Its training starts from an ImageNet checkpoint that has only `base`, without that name in the keys.
IMAGENET = Origin(
    "PingoLH/FCHarDNet",
    ("fc_hardnet_70", "fc_hardnet_70_l1", "fc_hardnet_70_l2"),
    BACKBONE_LANDMARKS,
    renaming([(r"^(?=\d)", "base."), *ENCODER, *LAYER]),
    parts=("encoder.",),
)
ORIGINS = (OFFICIAL, IMAGENET)
