"""Cross entropy with online hard example mining.

One definition serves three code bases. HRNet and DDRNet keep the pixels whose true class has a probability below a
threshold (0.9). STDC-Seg and CoinCheung's BiSeNet keep those with a loss above the threshold's (-log 0.7), which is the
same. If that leaves fewer pixels than a minimum, all three keep that many of the hardest pixels. The minimum differs:
131072 pixels a process, a sixteenth of all pixels, a sixteenth of those that are not void. (If fewer pixels than its
minimum are not void, STDC-Seg also divides by void ones; this does not.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streetseg.data.pairs import IGNORE
from streetseg.training.losses.pixels import Pixels
from streetseg.training.losses.processes import mean_over_processes, sum_over_processes


@dataclass(frozen=True)
class Ohem:
    """Cross entropy of one head's hard pixels.

    Attributes:
        threshold: Pixels whose true class has a lower probability are hard.
        min_kept: Least share of the pixels to average, 0 to 1.
        min_kept_of: The pixels of which min_kept is a share: "all", or "counted", those that are not void.
    """

    threshold: float
    min_kept: float
    min_kept_of: str

    def __call__(self, pixels: Pixels, class_weights: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        count = pixels.label.numel() if self.min_kept_of == "all" else (pixels.label != IGNORE).sum().item()
        return ohem_cross_entropy(
            pixels.cross_entropy(),
            pixels.label,
            threshold=self.threshold,
            min_kept=self.min_kept * count,
            class_weights=class_weights,
        )


def ohem_cross_entropy(
    losses: Tensor, label: Tensor, *, threshold: float, min_kept: float, class_weights: Tensor | None = None
) -> Tensor:
    """Return the mean cross entropy of the hard pixels of all processes; 0 if no pixel counts.

    A hard pixel's true class has a probability below max(threshold, the min_kept-th smallest of these probabilities,
    counted from 0). The mean is over the hard pixels; class weights do not divide it.

    Args:
        losses: N x H x W float32, each pixel's cross entropy without class weights.
        label: N x H x W, class indices or 255.
        threshold: Probability, 0 to 1.
        min_kept: This process's part of the minimum of pixels; the sum of the parts is rounded down.
        class_weights: One weight a class.
    """
    counted = label != IGNORE
    losses, label = losses[counted], label[counted].long()
    probability = (-losses.detach()).exp()
    bound = hard_bound(probability, threshold, min_kept)
    kept = ~(probability >= bound)  # a NaN is hard, too: it must be seen
    loss = losses[kept]
    if class_weights is not None:
        loss = loss * class_weights[label[kept]]
    return mean_over_processes(loss, len(loss))


def hard_bound(probability: Tensor, threshold: float, min_kept: float) -> float:
    """Return the threshold, or, if fewer than min_kept pixels are below it, a bound that min_kept pixels are below."""
    below = (probability < threshold).sum()
    hard, wanted, counted = sum_over_processes(below, min_kept, len(probability))
    if hard >= int(wanted) or counted == 0:
        return threshold
    return max(threshold, kth_smallest(probability, int(min(wanted, counted - 1)) + 1))


def kth_smallest(values: Tensor, k: int) -> float:
    """Return the k-th smallest (from 1) of all processes' values, float32 and not negative.

    Such numbers have the order of their bits. So bisection over the bits needs counts only, and no process needs
    another's values.
    """
    bits = values.view(torch.int32)
    low, high = 0, torch.iinfo(torch.int32).max
    while low < high:
        middle = (low + high) // 2
        if sum_over_processes((bits <= middle).sum())[0] >= k:
            high = middle
        else:
            low = middle + 1
    return torch.tensor(low, dtype=torch.int32).view(torch.float32).item()
