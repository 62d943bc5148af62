"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from torch import nn

from streetseg.errors import NetworkError
from streetseg.models.bisenetv2 import bisenetv2, bisenetv2_large
from streetseg.models.ddrnet import (
    ddrnet_23,
    ddrnet_23_classifier,
    ddrnet_23_slim,
    ddrnet_23_slim_classifier,
    ddrnet_39,
    ddrnet_39_1_5x,
    ddrnet_39_classifier,
)
from streetseg.models.fassdnet import fassd_net, fassd_net_l1, fassd_net_l2
from streetseg.models.hardnet import fc_hardnet_70, fc_hardnet_70_classifier, fc_hardnet_70_l1, fc_hardnet_70_l2
from streetseg.models.outputs import Network
from streetseg.models.stdc import stdc1, stdc1_classifier, stdc2, stdc2_classifier

MODELS: dict[str, Callable[..., Network]] = {
    "bisenetv2": bisenetv2,
    "bisenetv2_large": bisenetv2_large,
    "ddrnet_23": ddrnet_23,
    "ddrnet_23_slim": ddrnet_23_slim,
    "ddrnet_39": ddrnet_39,
    "ddrnet_39_1_5x": ddrnet_39_1_5x,
    "fassd_net": fassd_net,
    "fassd_net_l1": fassd_net_l1,
    "fassd_net_l2": fassd_net_l2,
    "fc_hardnet_70": fc_hardnet_70,
    "fc_hardnet_70_l1": fc_hardnet_70_l1,
    "fc_hardnet_70_l2": fc_hardnet_70_l2,
    "stdc1": stdc1,
    "stdc2": stdc2,
}

# Classification forms: the backbones as they are trained on ImageNet.
CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {
    "ddrnet_23_classifier": ddrnet_23_classifier,
    "ddrnet_23_slim_classifier": ddrnet_23_slim_classifier,
    "ddrnet_39_classifier": ddrnet_39_classifier,
    "fc_hardnet_70_classifier": fc_hardnet_70_classifier,
    "stdc1_classifier": stdc1_classifier,
    "stdc2_classifier": stdc2_classifier,
}


def descriptions() -> dict[str, str]:
    """Every name and what its builder says of it, in one line."""
    builders = MODELS | CLASSIFIERS
    return {name: " ".join((builders[name].__doc__ or "").partition("\n\n")[0].split()) for name in sorted(builders)}


def build(name: str, num_classes: int, *, aux: bool = False, **arguments: Any) -> Network:
    """The network of that name, initialised as in its paper; NetworkError where there is none, or it does not take the
    arguments.

    aux: with the auxiliary heads that training supervises.
    arguments: further ones of that network, its ablations for instance.
    """
    if name not in MODELS:
        raise NetworkError(f"no network {name!r}; there are {', '.join(MODELS)}")
    if type(num_classes) is not int or num_classes < 1:
        raise NetworkError(f"network {name} takes 1 class or more, got {num_classes!r}")
    takes = signature(MODELS[name])
    try:
        takes.bind(num_classes, aux=aux, **arguments)
    except TypeError as error:
        raise NetworkError(f"network {name} {error}; it takes {', '.join(takes.parameters)}") from None
    for argument in arguments.keys() & takes.parameters.keys():
        if isinstance(takes.parameters[argument].default, bool) and not isinstance(arguments[argument], bool):
            raise NetworkError(f"network {name} takes true or false for {argument}, got {arguments[argument]!r}")
    try:
        return MODELS[name](num_classes, aux=aux, **arguments)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError, OverflowError) as error:
        if not arguments:
            raise
        given = ", ".join(f"{argument} {value!r}" for argument, value in arguments.items())
        raise NetworkError(f"network {name} cannot be built with {given}: {error}") from error
