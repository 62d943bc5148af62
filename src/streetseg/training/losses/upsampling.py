"""Logits at full-size pixels without the full-size logits.

Upsampling C channels to full size, its softmax and its backward cost more than a small network on a CPU. The
interpolation is linear and separable, so the exact values on any grid of rows and columns are two small matrix
products, and a loss over a random quarter of the pixels has the full loss as its expectation.
"""

from __future__ import annotations

import torch
from torch import Tensor


def upsample_at(logits: Tensor, size: tuple[int, int], rows: Tensor, columns: Tensor, align_corners: bool) -> Tensor:
    """Bilinear upsampling of logits (N x C x h x w) to `size` (H, W), only at those rows and columns.

    Returns N x C x len(rows) x len(columns), equal to `interpolate(logits, size)[..., rows, :][..., columns]`.
    """
    down = interpolation_matrix(rows, size[0], logits.shape[-2], align_corners).to(logits)
    across = interpolation_matrix(columns, size[1], logits.shape[-1], align_corners).to(logits)
    return down @ logits @ across.mT


def interpolation_matrix(positions: Tensor, size: int, source: int, align_corners: bool) -> Tensor:
    """The weights, len(positions) x source, with which `source` samples make the samples at `positions` of `size`."""
    if align_corners:
        at = positions * ((source - 1) / max(size - 1, 1))
    else:
        at = ((positions + 0.5) * (source / size) - 0.5).clamp(min=0)
    low = at.floor().clamp(max=source - 1)
    weight = (at - low).unsqueeze(1)
    index = low.long().unsqueeze(1)
    matrix = torch.zeros(len(positions), source)
    matrix.scatter_add_(1, index, 1 - weight)
    matrix.scatter_add_(1, (index + 1).clamp(max=source - 1), weight)
    return matrix
