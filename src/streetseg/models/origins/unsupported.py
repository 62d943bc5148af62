"""Networks that other code bases have and this package has not, by names of their tensors.

A checkpoint of one is refused by its name, instead of as one of an unknown code base.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Network -> patterns; each must be found in some tensor's name. The first network that fits is named.
SIGNS: dict[str, tuple[str, ...]] = {
    "PIDNet": (r"\bpag(?:_?\d)\.f_[xyip]\b", r"\b(?:diff_?\d|layer\d_d|d_branch_layers)\."),
    "BiSeNetV1": (r"\b(?:sp|spatial_path)\.(?:conv1|layer1)\.", r"\barm16\."),
    "Fast-SCNN": (r"\blearning_to_downsample\.", r"\bglobal_feature_extractor\."),
    "ICNet": (r"\b(?:cff_\d\d|conv_sub\d)\.",),
    "ERFNet": (r"\b(?:conv3x1_1|conv1x3_1|convs_layer)\b|\bencoder\.initial_block\.",),
    "ENet": (r"\binitial_block\.main_branch\.",),
    "SegFormer": (r"\bpatch_embed(?:1|dings)\b|\blayers\.0\.0\.projection\.", r"\battn\.|attention\.|\bblock1\."),
    "PP-LiteSeg": (r"\bppseg_head\b|\buafm\b|\barm_list\b",),
    "RegSeg": (r"\bbody\.0\.(?:conv1|shortcut)", r"\bdecoder\.head(?:16|8|4)\."),
    "SwiftNet": (r"\bspp\.spp_bn\b|\bspp\.spp0\b", r"\bupsample(?:\.|s\.)"),
    "SFNet": (r"\bfpn_out_align\b|\bflow_make\b",),
    "CGNet": (r"\bF_loc\b", r"\bF_sur\b"),
    "DABNet": (r"\bDAB_Block_1\b",),
    "LMFFNet": (r"\bSEM_B_Block\w*\.|\bFFM_B\b",),
    "HRNet": (r"\bstage2\.0\.(?:branches|fuse_layers)\.",),
    "DeepLabV3": (r"\baspp(?:_modules)?\b|\bclassifier\.0\.convs\.\d\b",),
    "PSPNet": (r"\bpsp_modules\b|\bppm\.\w",),
    "UperNet or Swin": (r"\bfpn_bottleneck\b|\brelative_position_bias_table\b",),
    "Mask2Former or MaskFormer": (r"\bmask_embed\b|\bquery_feat\b",),
    "a U-Net of segmentation_models_pytorch": (r"\bsegmentation_head\.0\.weight$",),
    "a YOLO network of Ultralytics": (r"\bmodel\.0\.conv\.weight$", r"\bmodel\.\d+\.cv\d|\bdfl\.conv\b"),
}


def unsupported_network(names: Iterable[str]) -> str | None:
    """Return the name of the network that some tensors' names are of; None if it is not known."""
    text = "\n".join(names)
    return next(
        (network for network, signs in SIGNS.items() if all(re.search(sign, text, re.MULTILINE) for sign in signs)),
        None,
    )
