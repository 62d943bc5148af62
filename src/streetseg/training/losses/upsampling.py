"""Bilinear upsampling as two small matrix products.

Upsampling is linear and separable: `down @ logits @ across.mT`, with the weights of some rows and columns, is exactly
`interpolate` at these pixels. A loss over a random quarter of the pixels has the full loss as its expectation.
"""

from __future__ import annotations

import torch
from torch import Tensor


def interpolation_matrix(positions: Tensor, size: int, source: int, align_corners: bool) -> Tensor:
    """Return the weights that make the samples at `positions` of `size` from `source` samples.

    Args:
        positions: Indices, 0 to size - 1.
        size: Number of samples after upsampling.
        source: Number of samples before it.
        align_corners: The convention of `torch.nn.functional.interpolate`.

    Returns:
        len(positions) x source.
    """
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
