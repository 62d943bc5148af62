"""FC-HarDNet's origins."""

from __future__ import annotations

from streetseg.models.origins.origin import Origin, renaming

# Their names -> ours, in order. Their `base` is the whole encoder in one list: four stem convolutions, then for each
# level its block, its 1x1 convolution and the pooling before the next. Published files prefix every name by "module.".
ENCODER = [
    (r"^module\.", ""),
    *((rf"^base\.{i}\.", f"encoder.stem.{i}.") for i in range(4)),
    *((rf"^base\.{4 + 3 * i}\.", f"encoder.blocks.{i}.") for i in range(5)),
    *((rf"^base\.{5 + 3 * i}\.", f"encoder.transitions.{i}.") for i in range(5)),
]
DECODER = [
    (r"^denseBlocksUp\.", "decoder.blocks."),
    (r"^conv1x1_up\.(\d)\.", r"decoder.fusions.\1.conv."),
    (r"^finalConv\.", "head."),
    (r"\.conv\.(\w+)$", r".0.\1"),
    (r"\.norm\.(\w+)$", r".1.\1"),
]

ORIGINS = (Origin("PingoLH/FCHarDNet", ("fc_hardnet_70",), renaming([*ENCODER, *DECODER])),)
