"""Cross entropy over the pixels that are not void."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from streetseg.data.pairs import IGNORE
from streetseg.training.losses.processes import mean_over_processes


def cross_entropy(
    logits: Tensor, label: Tensor, *, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross entropy of the counted pixels of all processes, 0 where there is none.

    logits: N x C x H x W; label: N x H x W, class indices or 255. class_weights: C; the mean is not divided by them.
    """
    losses = F.cross_entropy(
        logits, label.long(), class_weights, ignore_index=IGNORE, reduction="none", label_smoothing=label_smoothing
    )
    return mean_over_processes(losses, (label != IGNORE).sum())
