"""The base class of the networks, and their outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn


class Outputs(NamedTuple):
    """Logits of the main head and of the auxiliary heads.

    Attributes:
        logits: N x C x h x w at the network's output stride, not upsampled.
        aux: Name of a head -> N x C x h' x w' at that head's own stride; empty unless the network was built with
            `aux=True`. Loss terms use these names.
    """

    logits: Tensor
    aux: dict[str, Tensor]


class Network(nn.Module):
    """Base of the segmentation networks; `forward` takes N x channels x H x W, normalised, and returns Outputs.

    Attributes:
        output_stride: Input pixels per logit; the number of logits is rounded up.
        size_multiple: H and W must be multiples of it.
        align_corners: Convention for upsampling the logits to full size, outside the network.
    """

    output_stride: int
    size_multiple: int
    align_corners: bool

    if TYPE_CHECKING:
        __call__: Callable[..., Outputs]
