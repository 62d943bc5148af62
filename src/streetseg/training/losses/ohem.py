"""Cross entropy with online hard example mining, as HRNet's and DDRNet's code bases define it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streetseg.data.pairs import IGNORE


def ohem_cross_entropy(
    logits: Tensor, label: Tensor, *, threshold: float, min_kept: int, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy of the hard pixels.

    logits: N x C x H x W; label: N x H x W, class indices or 255. Hard are the pixels whose probability of the
    true class is below max(threshold, the min_kept-th smallest of these probabilities). The mean is over the kept
    pixels, not divided by the class weights. Without a counted pixel the loss is 0.
    """
    label = label.long()
    log_probability = F.log_softmax(logits, 1).gather(1, label.where(label != IGNORE, 0).unsqueeze(1)).squeeze(1)
    counted = label != IGNORE
    log_probability, label = log_probability[counted], label[counted]
    if not len(label):
        return logits.sum() * 0
    probability = log_probability.detach().exp()
    kth = probability.kthvalue(min(min_kept, len(label) - 1) + 1).values
    kept = ~(probability >= torch.clamp(kth, min=threshold))  # a NaN is hard, too: it must be seen
    loss = -log_probability[kept]
    if class_weights is not None:
        loss = loss * class_weights[label[kept]]
    return loss.sum() / max(len(loss), 1)
