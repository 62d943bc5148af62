"""Parameters and multiply-adds of the networks, counted."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from streetseg.models.networks import CLASSIFIERS, MODELS


class Counted(NamedTuple):
    """Parameters in millions, without and with what only training needs; multiply-adds of convolutions and matrix
    products in billions."""

    parameters: float
    training_parameters: float
    gmacs: float


def count(network: str, arguments: tuple[tuple[str, Any], ...], classes: int, size: tuple[int, int]) -> Counted:
    """The figures of a network or classifier as built with those arguments, at H x W rounded up to its size_multiple;
    nothing is computed or allocated."""
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
    return Counted(parameters, training_parameters, counter.get_total_flops() / 2e9)


def leave_out_norms(network: nn.Module) -> None:
    """Batch norms count for nothing, and take most of the time when nothing is computed."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
