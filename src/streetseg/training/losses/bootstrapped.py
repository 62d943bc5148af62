"""Bootstrapped cross entropy (Wu, Shen, van den Hengel, arXiv 1605.06885), as FASSD-Net has it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streetseg.data.pairs import IGNORE


def bootstrapped_cross_entropy(
    logits: Tensor, label: Tensor, *, threshold: float, min_kept: int, class_weights: Tensor | None = None
) -> Tensor:
    """The mean over the images of the mean loss of their hard pixels.

    logits: N x C x H x W; label: N x H x W, class indices or 255. Hard are an image's pixels with a loss above the
    threshold; where these are not more than min_kept, the min_kept pixels with the largest losses. Void pixels have
    loss 0 and fill up an image with less than min_kept others.
    """
    losses = F.cross_entropy(logits, label.long(), class_weights, ignore_index=IGNORE, reduction="none").flatten(1)
    means = []
    for image in losses:
        hard = image[~(image <= threshold)]  # a NaN is hard, too: it must be seen
        means.append((hard if len(hard) > min_kept else image.topk(min(min_kept, len(image))).values).mean())
    return torch.stack(means).mean()
