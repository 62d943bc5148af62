"""The table of networks: look one up by name and build it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
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
from streetseg.results import Facts, Printable, text_list

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

# Classification forms: backbones to train on ImageNet.
CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {
    "ddrnet_23_classifier": ddrnet_23_classifier,
    "ddrnet_23_slim_classifier": ddrnet_23_slim_classifier,
    "ddrnet_39_classifier": ddrnet_39_classifier,
    "fc_hardnet_70_classifier": fc_hardnet_70_classifier,
    "stdc1_classifier": stdc1_classifier,
    "stdc2_classifier": stdc2_classifier,
}


@dataclass(frozen=True)
class NetworkEntry:
    """A network in the list.

    Attributes:
        name: Its name, as recipes and cards have it.
        description: The paper's figures for it, in one line.
        classifier: True for a classification form, which is a backbone for pre-training on ImageNet.
    """

    name: str
    description: str
    classifier: bool


@dataclass(frozen=True, repr=False)
class NetworkList(Printable):
    """The networks.

    Attributes:
        networks: Sorted by name.
    """

    networks: tuple[NetworkEntry, ...]

    def facts(self) -> Facts:
        """Return the list as JSON's types.

        Returns:
            Name, description and `classifier` of each network.
        """
        return {"networks": [dataclasses.asdict(entry) for entry in self.networks]}

    def table(self) -> str:
        """Return the list as text.

        Returns:
            Names and descriptions, which fold at the terminal's width.
        """
        return text_list({entry.name: entry.description for entry in self.networks})


def list_networks() -> NetworkList:
    """List the networks and classifiers that this package has.

    Returns:
        Name and description of each network, sorted by name.
    """
    builders = MODELS | CLASSIFIERS
    return NetworkList(
        tuple(NetworkEntry(name, summary(builders[name]), name in CLASSIFIERS) for name in sorted(builders))
    )


def summary(builder: Callable[..., nn.Module]) -> str:
    """Return the first paragraph of a builder's docstring as one line."""
    return " ".join((builder.__doc__ or "").partition("\n\n")[0].split())


def build(name: str, num_classes: int, *, aux: bool = False, **arguments: Any) -> Network:
    """Build a network, initialised as in its paper.

    Args:
        name: A name in MODELS.
        num_classes: Number of classes, 1 or more.
        aux: True builds the auxiliary heads, which only training uses.
        arguments: Further arguments of that network, such as its ablations.

    Returns:
        The network, in training mode.

    Raises:
        NetworkError: No network has that name, or it does not take the arguments.
    """
    if name not in MODELS:
        raise NetworkError(f"no network {name!r}; there are {', '.join(MODELS)}")
    if type(num_classes) is not int or num_classes < 1:
        raise NetworkError(f"network {name} takes 1 class or more, got {num_classes!r}")
    accepted = signature(MODELS[name])
    try:
        accepted.bind(num_classes, aux=aux, **arguments)
    except TypeError as error:
        raise NetworkError(f"network {name} {error}; it takes {', '.join(accepted.parameters)}") from None
    for argument in arguments.keys() & accepted.parameters.keys():
        if isinstance(accepted.parameters[argument].default, bool) and not isinstance(arguments[argument], bool):
            raise NetworkError(f"network {name} takes true or false for {argument}, got {arguments[argument]!r}")
    try:
        return MODELS[name](num_classes, aux=aux, **arguments)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError, OverflowError) as error:
        if not arguments:
            raise
        given = ", ".join(f"{argument} {value!r}" for argument, value in arguments.items())
        raise NetworkError(f"network {name} cannot be built with {given}: {error}") from error
