"""Cross entropy over the pixels that are not void."""

from __future__ import annotations

from torch import Tensor

from streetseg.data.pairs import IGNORE
from streetseg.training.losses.processes import mean_over_processes


def cross_entropy(losses: Tensor, label: Tensor) -> Tensor:
    """Mean cross entropy of the counted pixels of all processes, 0 where there is none.

    losses: N x H x W, each pixel's cross entropy, 0 where void; label: N x H x W, class indices or 255. With class
    weights in the losses, the mean is not divided by them.
    """
    return mean_over_processes(losses, (label != IGNORE).sum())
