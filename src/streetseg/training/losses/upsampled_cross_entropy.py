"""The cross entropy of upsampled logits, pixel by pixel, forward and backward without the full-size logits.

The plain way writes C channels at full size to memory, and reads them again for the upsampling, the softmax, the loss
and the backward of each. Here a band of rows that fits into a core's cache goes from the logits to its losses at once.
The backward computes the band again, and carries its gradient back through the transposed products.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from streetseg.data.pairs import IGNORE

# Logits to compute at once: they fit into a CPU's second-level cache, or into a part of a GPU's memory.
BAND_VALUES = {"cpu": 1 << 17, "cuda": 1 << 26, "mps": 1 << 26}


def upsampled_cross_entropy(
    logits: Tensor,
    label: Tensor,
    down: Tensor,
    across: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return each pixel's `cross_entropy(down @ logits @ across.mT, label, class_weights, ignore_index=255, ...)`.

    Args:
        logits: N x C x h x w, float32 or float64.
        label: N x H x W, class indices, or 255, where the loss is 0.
        down: H x h, weights of the interpolation (see `interpolation_matrix`).
        across: W x w, the same across.
        class_weights: C.
        label_smoothing: Share of the target that goes to all classes alike.

    Returns:
        N x H x W.
    """
    if class_weights is None:
        class_weights = logits.new_ones(logits.shape[1])
    losses = UpsampledCrossEntropy.apply(logits, label, down, across, class_weights.to(logits), label_smoothing)  # type: ignore[no-untyped-call]
    return cast(Tensor, losses)


class UpsampledCrossEntropy(torch.autograd.Function):
    """With a pixel's target t and logits z, the loss is -t log(softmax(z)), its gradient sum(t) softmax(z) - t.

    The target t holds the weight of the pixel's class, and the smoothing's share of all classes' weights.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, label: Tensor, down: Tensor, across: Tensor, weights: Tensor, smoothing: float
    ) -> Tensor:
        losses, normalisers = logits.new_empty(label.shape), logits.new_empty(label.shape)
        parts = bands(logits, down, across)
        for n, image in enumerate(logits):
            widened = widen(image, across)
            for rows, source in parts:
                z = (down[rows, source] @ widened[source]).view(-1, len(image), len(across))
                largest = z.amax(1, keepdim=True)
                z -= largest
                log_sum = z.exp().sum(1).log_()
                index, true, rest = targets(label[n, rows], weights, smoothing)
                loss = true * (log_sum - z.gather(1, index.unsqueeze(1)).squeeze(1))
                if smoothing:
                    loss += rest * (log_sum - torch.einsum("c,hcw->hw", weights / weights.sum(), z))
                losses[n, rows] = loss
                normalisers[n, rows] = log_sum.add_(largest.squeeze(1))
        ctx.save_for_backward(logits, label, down, across, weights, normalisers)
        ctx.smoothing = smoothing
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        logits, label, down, across, weights, normalisers = ctx.saved_tensors
        result = torch.empty_like(logits)
        parts = bands(logits, down, across)
        for n, image in enumerate(logits):
            widened = widen(image, across)
            collected = torch.zeros_like(widened)
            for rows, source in parts:
                z = (down[rows, source] @ widened[source]).view(-1, len(image), len(across))
                z -= normalisers[n, rows].unsqueeze(1)
                z.exp_()
                index, true, rest = targets(label[n, rows], weights, ctx.smoothing)
                true, rest = true * gradient[n, rows], rest * gradient[n, rows]
                z *= (true + rest).unsqueeze(1)
                z.scatter_add_(1, index.unsqueeze(1), -true.unsqueeze(1))
                if ctx.smoothing:
                    z -= rest.unsqueeze(1) * (weights / weights.sum()).view(-1, 1)
                collected[source].addmm_(down[rows, source].mT, z.flatten(1))
            result[n] = (collected.view(-1, len(across)) @ across).view(-1, *result.shape[1::2]).transpose(0, 1)
        return result, None, None, None, None, None


def bands(logits: Tensor, down: Tensor, across: Tensor) -> list[tuple[slice, slice]]:
    """Return the bands: rows of the losses to compute at once, and the rows of the logits that they need."""
    height = max(1, BAND_VALUES[logits.device.type] // (logits.shape[1] * len(across)))
    parts = []
    for first in range(0, len(down), height):
        used = down[first : first + height].any(0).nonzero().flatten().tolist()
        parts.append((slice(first, first + height), slice(used[0], used[-1] + 1)))
    return parts


def widen(image: Tensor, across: Tensor) -> Tensor:
    """Return an image's logits, C x h x w, upsampled along its rows: h x (C W), so that later products are plain."""
    _, height, width = image.shape
    return (image.transpose(0, 1).reshape(-1, width) @ across.mT).view(height, -1)


def targets(label: Tensor, weights: Tensor, smoothing: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return each pixel's class, the target's value for that class, and the smoothing's sum over all classes.

    All three are 0 where the pixel is void. The target's value is without the smoothing.
    """
    counted = label != IGNORE
    index = label.long().where(counted, 0)
    return index, (1 - smoothing) * weights[index] * counted, smoothing * weights.mean() * counted
