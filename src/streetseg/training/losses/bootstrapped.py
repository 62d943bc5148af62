"""Bootstrapped cross entropy (Wu, Shen, van den Hengel, arXiv 1605.06885), as FASSD-Net has it."""

from __future__ import annotations

import torch
from torch import Tensor


def bootstrapped_cross_entropy(losses: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    """The mean over the images of the mean loss of their hard pixels.

    losses: N x H x W, each pixel's cross entropy, 0 where void. Hard are an image's pixels with a loss above the
    threshold; where these are not more than min_kept, the min_kept pixels with the largest losses. Void pixels fill up
    an image with less than min_kept others.
    """
    means = []
    for image in losses.flatten(1):
        hard = image[~(image <= threshold)]  # a NaN is hard, too: it must be seen
        means.append((hard if len(hard) > min_kept else image.topk(min(min_kept, len(image))).values).mean())
    return torch.stack(means).mean()
