"""What every network is and returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn


class Outputs(NamedTuple):
    """Logits of the main head and of the auxiliary heads.

    logits: N x C x h x w at the network's output stride, not upsampled.
    aux: head name -> N x C x h' x w' at that head's own stride; empty unless the network was built with
        `aux=True`. Loss terms use these names.
    """

    logits: Tensor
    aux: dict[str, Tensor]


class Network(nn.Module):
    """Base of the segmentation networks; `forward` takes N x channels x H x W, normalised, and returns Outputs.

    output_stride: input pixels per logit, whose number is rounded up. size_multiple: what H and W must be multiples of.
    align_corners: the convention of the upsampling from the logits to full size, which happens outside.
    """

    output_stride: int
    size_multiple: int
    align_corners: bool

    if TYPE_CHECKING:
        __call__: Callable[..., Outputs]
