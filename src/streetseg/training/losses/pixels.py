"""The pixels of a head on which a loss is taken."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from streetseg.training.losses.upsampled_cross_entropy import upsampled_cross_entropy
from streetseg.training.losses.upsampling import interpolation_matrix


class Pixels(NamedTuple):
    """A head's logits, labels of some rows and columns of the full size, and the interpolation between them.

    Attributes:
        logits: N x C x h x w float32.
        label: N x ... x H x W, of the rows and columns.
        down: H x h, weights of the interpolation.
        across: W x w, the same across.
    """

    logits: Tensor
    label: Tensor
    down: Tensor
    across: Tensor

    def cross_entropy(self, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
        """Return the cross entropy of each pixel, N x H x W, 0 where void."""
        return upsampled_cross_entropy(*self, class_weights, label_smoothing)

    def upsampled(self) -> Tensor:
        """Return the logits at the pixels, N x C x H x W."""
        return self.down @ self.logits @ self.across.mT


def sample_pixels(logits: Tensor, label: Tensor, stride: int, align_corners: bool, generator: Generator) -> Pixels:
    """Return every stride-th row and column of the labels, from a random one on, with the head's logits.

    Args:
        logits: N x C x h x w.
        label: N x ... x H x W, at full size.
        stride: 1 takes every pixel.
        align_corners: The network's convention of upsampling.
        generator: Draws the first row and column.
    """
    size = (label.shape[-2], label.shape[-1])
    row, column = torch.randint(stride, (2,), generator=generator).tolist()
    rows, columns = torch.arange(row, size[0], stride), torch.arange(column, size[1], stride)
    logits = logits.float()
    down = interpolation_matrix(rows, size[0], logits.shape[-2], align_corners).to(logits)
    across = interpolation_matrix(columns, size[1], logits.shape[-1], align_corners).to(logits)
    return Pixels(logits, label[..., row::stride, column::stride], down, across)
