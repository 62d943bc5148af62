"""Fold batch norms into the convolutions before them."""

from __future__ import annotations

import copy

from torch import nn

from streetseg.models.outputs import Network


def fold_norms(network: Network) -> Network:
    """Return a copy whose batch norms are folded into the convolutions directly before them."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            fold_sequence(module)
    return network


def fold_sequence(sequence: nn.Sequential) -> None:
    """Fold each pair of convolution and norm of a sequence; an identity takes the norm's place."""
    for index in range(len(sequence) - 1):
        conv, norm = sequence[index], sequence[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index] = nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
            sequence[index + 1] = nn.Identity()
