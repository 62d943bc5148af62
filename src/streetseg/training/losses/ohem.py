"""Cross entropy with online hard example mining.

One definition serves three code bases. HRNet's and DDRNet's keep the pixels whose true class has a probability below a
threshold (0.9), STDC-Seg's and CoinCheung's BiSeNet those with a loss above the threshold's (-log 0.7): the same. Where
that leaves fewer than a minimum, all three keep the minimum's hardest pixels. They differ in what the minimum is:
131072 pixels a process, a sixteenth of all pixels, a sixteenth of those not void. (STDC-Seg's, where fewer pixels
than its minimum are not void, also divides by void ones; this does not.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from streetseg.data.pairs import IGNORE
from streetseg.training.losses.processes import mean_over_processes, sum_over_processes


def ohem_cross_entropy(
    losses: Tensor, label: Tensor, *, threshold: float, min_kept: float, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy of the hard pixels of all processes.

    losses: N x H x W, each pixel's cross entropy without class weights, float32; label: N x H x W, class indices or
    255. Hard are the pixels whose probability of
    the true class is below max(threshold, the min_kept-th smallest of these probabilities, counted from 0). min_kept is
    this process's part of the minimum; the parts' sum is rounded down. The mean is over the kept pixels, not divided
    by the class weights. Without a counted pixel the loss is 0.
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
    """The threshold; where fewer than min_kept pixels are below it, the bound that min_kept pixels are below."""
    below = (probability < threshold).sum()
    hard, wanted, counted = sum_over_processes(below, min_kept, len(probability))
    if hard >= int(wanted) or counted == 0:
        return threshold
    return max(threshold, kth_smallest(probability, int(min(wanted, counted - 1)) + 1))


def kth_smallest(values: Tensor, k: int) -> float:
    """The k-th smallest (from 1) of all processes' values, float32 and not negative.

    Such numbers are ordered as their bits are, so halving the range of bits finds it by counts alone: no process
    needs another's values.
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
