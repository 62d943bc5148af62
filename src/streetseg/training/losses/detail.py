"""Detail aggregation: STDC-Seg's supervision of outlines (arXiv 2104.13188, Section 3.3), its code's values."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def detail_target(label: Tensor) -> Tensor:
    """Return the pixels on an outline.

    An 8-neighbour Laplacian, zero outside the frame, runs over the class indices at strides 1, 2 and 4. It marks a
    pixel if a stride's response, by nearest neighbour, is positive. The official fusion weighs the strides 0.6, 0.3 and
    0.1 (parameters that get no gradient) and marks the pixels above 0.1. Stride 4 alone never marks a pixel, so this
    function leaves it out. Void, 255, counts as the largest class.

    Args:
        label: N x H x W, class indices or 255.

    Returns:
        N x 1 x H x W float, 0 or 1.
    """
    label = label.unsqueeze(1).float()
    # The Laplacian is positive where the pixel is above the mean of its 3 x 3; a convolution takes four times as long.
    fine, coarse = ((label[..., ::s, ::s] > F.avg_pool2d(label, 3, s, padding=1)).float() for s in (1, 2))
    return torch.maximum(fine, F.interpolate(coarse, label.shape[-2:], mode="nearest"))


def detail_losses(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the binary cross entropy, mean over all pixels, and the dice loss, mean over the samples.

    Dice is 1 - (2 intersection + 1) / (sum of probabilities + sum of targets + 1).

    Args:
        logits: N x 1 x H x W.
        target: N x 1 x H x W, 0 or 1.
    """
    bce = F.binary_cross_entropy_with_logits(logits, target)
    probability, target = logits.sigmoid().flatten(1), target.flatten(1)
    intersection, total = (probability * target).sum(1), (probability + target).sum(1)
    return bce, (1 - (2 * intersection + 1) / (total + 1)).mean()
