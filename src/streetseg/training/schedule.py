"""The optimiser, and its learning rate step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from streetseg.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate of each step; the fields are the recipe's of the same names."""

    learning_rate: float
    iterations: int
    schedule: str = "poly"
    poly_power: float = 0.9
    step_at: tuple[float, ...] = ()
    warmup: str = "linear"
    warmup_iterations: int = 0
    warmup_start: float = 0.0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        factor: float
        t = step / self.iterations
        if self.schedule == "poly":
            factor = (1 - t) ** self.poly_power
        elif self.schedule == "cosine":
            factor = (1 + math.cos(math.pi * t)) / 2
        else:
            factor = 0.1 ** sum(t >= share for share in self.step_at)
        return self.learning_rate * factor * self.warm_up(step)

    def warm_up(self, step: int) -> float:
        """Return the warm-up's factor of the rate, from warmup_start to 1."""
        done = min(1.0, (step + 1) / max(self.warmup_iterations, 1))
        if self.warmup == "exponential":
            return math.pow(self.warmup_start, 1 - done)
        return self.warmup_start + (1 - self.warmup_start) * done


def make_optimiser(
    network: nn.Module,
    *,
    optimiser: str,
    learning_rate: float,
    factors: Mapping[str, float],
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    decay_norms: bool,
) -> torch.optim.Optimizer:
    """Return an optimiser of a network's parameters; "factor" of each group is the factor of its learning rate.

    Args:
        network: The network to train.
        optimiser: "sgd" or "adamw".
        learning_rate: Highest learning rate.
        factors: Module of the network -> factor of its learning rate.
        momentum: SGD's momentum, or AdamW's first beta.
        nesterov: Nesterov's momentum, for SGD.
        weight_decay: Weight decay of convolutions and matrices.
        decay_norms: Decay norms and biases, too.

    Raises:
        RecipeError: `factors` names a module that the network does not have.
    """
    modules = {name.split(".")[0] for name, _ in network.named_parameters()}
    unknown = sorted(factors.keys() - modules)
    if unknown:
        raise RecipeError(
            f"learning_rate_factors: the network has no module {unknown[0]!r}; there are {', '.join(sorted(modules))}"
        )
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        factor = factors.get(name.split(".")[0], 1.0)
        groups.setdefault((factor, parameter.ndim > 1 or decay_norms), []).append(parameter)
    settings = [
        {"params": parameters, "factor": factor, "weight_decay": weight_decay if decayed else 0.0}
        for (factor, decayed), parameters in groups.items()
    ]
    if optimiser == "sgd":
        return torch.optim.SGD(settings, learning_rate, momentum=momentum, nesterov=nesterov)
    return torch.optim.AdamW(settings, learning_rate, betas=(momentum, 0.999), fused=True)
