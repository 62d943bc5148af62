"""FASSD-Net's origins."""

from __future__ import annotations

from streetseg.models.origins.hardnet import BACKBONE_LANDMARKS, DECODER, ENCODER, LAYER
from streetseg.models.origins.origin import Origin, renaming

NETWORKS = ("fassd_net", "fassd_net_l1", "fassd_net_l2")

# Their names -> ours, for the parts of DAPF and of the MDA modules; the rest is FC-HarDNet's.
DAPF = {
    "conv1x1": "branches.0.0",
    "bn1x1": "branches.0.1",
    **{
        f"pyBranch{i + 1}.{theirs}": f"branches.{i}.{ours}"
        for i in (1, 2, 3)
        for theirs, ours in (("atrous_conv3x1", 0), ("bn3x1", 1), ("atrous_conv1x3", 3), ("bn1x3", 4))
    },
    "conv1": "projection.0",
    "bn1": "projection.1",
}
MDA = {
    "bn_relu_1.bn": "reduction.0",
    "bn_relu_1.acti": "reduction.1",
    "conv3x3.conv": "reduction.2",
    "conv3x3.bn_prelu.bn": "reduction.3",
    "conv3x3.bn_prelu.acti": "reduction.4",
    "parallel_conv3x3.conv": "detail.0",
    "parallel_conv3x3.bn_prelu.bn": "detail.1",
    "parallel_conv3x3.bn_prelu.acti": "detail.2",
    "parallel_ddconv3x1.conv": "asymmetric.0",
    "parallel_ddconv3x1.bn_prelu.bn": "asymmetric.1",
    "parallel_ddconv3x1.bn_prelu.acti": "asymmetric.2",
    "parallel_ddconv1x3.conv": "asymmetric.3",
    "parallel_ddconv1x3.bn_prelu.bn": "asymmetric.4",
    "parallel_ddconv1x3.bn_prelu.acti": "asymmetric.5",
    "bn_relu_2.bn": "expansion.0",
    "bn_relu_2.acti": "expansion.1",
    "conv1x1.conv": "expansion.2",
}

OFFICIAL = Origin(
    "GibranBenitez/FASSD-Net",
    NETWORKS,
    ("DAPF.conv1x1.weight", "mda.0.conv1x1.conv.weight", "mda.1.conv1x1.conv.weight"),
    renaming(
        [
            *ENCODER,
            *((rf"^DAPF\.{theirs}\.(\w+)$", rf"context.{ours}.\1") for theirs, ours in DAPF.items()),
            *((rf"^mda\.(\d)\.{theirs}\.(\w+)$", rf"decoder.fusions.\1.{ours}.\2") for theirs, ours in MDA.items()),
            *DECODER,
        ]
    ),
    bgr_stem="encoder.stem.0.0.weight",
)
# FC-HarDNet's ImageNet checkpoint; the encoder here ends one level earlier.
IMAGENET = Origin(
    "PingoLH/FCHarDNet",
    NETWORKS,
    BACKBONE_LANDMARKS,
    renaming([(r"^(?:base\.)?1[67]\.", None), (r"^(?=\d)", "base."), *ENCODER, *LAYER]),
    parts=("encoder.",),
)
ORIGINS = (OFFICIAL, IMAGENET)
