"""Count the networks' parameters and multiply-adds."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from streetseg.models.networks import CLASSIFIERS, MODELS


class NetworkCost(NamedTuple):
    """A network's parameters and multiply-adds.

    Attributes:
        parameters: In millions, without the auxiliary heads.
        training_parameters: In millions, with the auxiliary heads.
        gmacs: Multiply-adds of convolutions and matrix products, in billions.
    """

    parameters: float
    training_parameters: float
    gmacs: float


def network_cost(
    network: str, arguments: tuple[tuple[str, Any], ...], classes: int, size: tuple[int, int]
) -> NetworkCost:
    """Count the parameters and multiply-adds of a network or classifier; nothing is computed or allocated.

    Args:
        network: A name in MODELS or CLASSIFIERS.
        arguments: Its further arguments, as pairs of name and value.
        classes: Number of classes.
        size: Height and width of the frame; each is rounded up to the network's `size_multiple`.

    Returns:
        The counts.
    """
    with torch.device("meta"):
        if network in CLASSIFIERS:
            net = training = CLASSIFIERS[network](classes, **dict(arguments))
        else:
            net, training = (MODELS[network](classes, aux=aux, **dict(arguments)) for aux in (False, True))
    parameters, training_parameters = (sum(p.numel() for p in each.parameters()) / 1e6 for each in (net, training))
    leave_out_norms(net)
    multiple = getattr(net, "size_multiple", 1)  # most classifiers take any size
    height, width = (-side // multiple * -multiple for side in size)
    with FlopCounterMode(display=False) as counter:
        net.eval()(torch.empty(1, 3, height, width, device="meta"))
    return NetworkCost(parameters, training_parameters, counter.get_total_flops() / 2e9)


def leave_out_norms(network: nn.Module) -> None:
    """Replace batch norms by identities: they add nothing to the count and take most of its time."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
