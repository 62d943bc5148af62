"""Bootstrapped cross entropy (Wu, Shen, van den Hengel, arXiv 1605.06885), as FASSD-Net uses it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streetseg.training.losses.pixels import Pixels


@dataclass(frozen=True)
class Bootstrapped:
    """Bootstrapped cross entropy of one head.

    Attributes:
        threshold: Pixels with a loss above it are hard.
        min_kept: Least share of an image's pixels to average, 0 to 1.
    """

    threshold: float
    min_kept: float

    def __call__(self, pixels: Pixels, class_weights: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        min_kept = max(1, int(self.min_kept * pixels.label[0].numel()))
        losses = pixels.cross_entropy(class_weights)
        return bootstrapped_cross_entropy(losses, threshold=self.threshold, min_kept=min_kept)


def bootstrapped_cross_entropy(losses: Tensor, *, threshold: float, min_kept: int) -> Tensor:
    """Return the mean over the images of the mean loss of their hard pixels.

    An image's hard pixels have a loss above the threshold. If these are at most min_kept, the hard pixels are the
    min_kept ones with the largest losses; void pixels fill up an image with fewer others.

    Args:
        losses: N x H x W, each pixel's cross entropy, 0 where void.
        threshold: Loss of a pixel.
        min_kept: Number of pixels of an image.
    """
    means = []
    for image in losses.flatten(1):
        hard = image[~(image <= threshold)]  # a NaN is hard, too: it must be seen
        means.append((hard if len(hard) > min_kept else image.topk(min(min_kept, len(image))).values).mean())
    return torch.stack(means).mean()
