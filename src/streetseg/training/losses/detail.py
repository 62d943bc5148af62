"""Detail aggregation: STDC-Seg's supervision of outlines (arXiv 2104.13188, Section 3.3), in its code's numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def detail_target(label: Tensor) -> Tensor:
    """Where an outline passes. label: N x H x W, class indices or 255. Returns N x 1 x H x W float, 0 or 1.

    An 8-neighbour Laplacian, zero outside the frame, over the class indices as they are, at strides 1, 2 and 4; a
    pixel is marked where a stride's response, nearest neighbour, is positive. The official fusion weighs the strides
    0.6, 0.3 and 0.1 (parameters that get no gradient) and keeps what is above 0.1, so stride 4 alone never marks: it
    is left out. Void, 255, is to this the largest class.
    """
    label = label.unsqueeze(1).float()
    # The Laplacian is positive where the pixel is above the mean of its 3 x 3; a convolution takes four times as long.
    fine, coarse = ((label[..., ::s, ::s] > F.avg_pool2d(label, 3, s, padding=1)).float() for s in (1, 2))
    return torch.maximum(fine, F.interpolate(coarse, label.shape[-2:], mode="nearest"))


def detail_losses(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross entropy, mean over all pixels, and dice loss, mean over the samples.

    logits, target: N x 1 x H x W. Dice is 1 - (2 intersection + 1) / (sum of probabilities + sum of targets + 1).
    """
    bce = F.binary_cross_entropy_with_logits(logits, target)
    probability, target = logits.sigmoid().flatten(1), target.flatten(1)
    intersection, total = (probability * target).sum(1), (probability + target).sum(1)
    return bce, (1 - (2 * intersection + 1) / (total + 1)).mean()
