"""The optimiser of a recipe, and its learning rate step by step."""

from __future__ import annotations

import math

import torch
from torch import nn

from streetseg.errors import RecipeError
from streetseg.training.recipe import Recipe


def make_optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser; each group's "factor" is that of its rate.

    Weight decay is on convolutions and matrices only, but where the recipe says so also on norms and biases.
    """
    modules = {name.split(".")[0] for name, _ in network.named_parameters()}
    unknown = sorted(recipe.learning_rate_factors.keys() - modules)
    if unknown:
        raise RecipeError(
            f"learning_rate_factors: {recipe.network} has no module {unknown[0]!r}; "
            f"there are {', '.join(sorted(modules))}"
        )
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        factor = recipe.learning_rate_factors.get(name.split(".")[0], 1.0)
        groups.setdefault((factor, parameter.ndim > 1 or recipe.decay_norms), []).append(parameter)
    settings = [
        {"params": parameters, "factor": factor, "weight_decay": recipe.weight_decay if decayed else 0.0}
        for (factor, decayed), parameters in groups.items()
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(settings, recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)
    return torch.optim.AdamW(settings, recipe.learning_rate, betas=(recipe.momentum, 0.999), fused=True)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The recipe's schedule at a step from 0, its warm-up in front."""
    rate: float
    t = step / recipe.iterations
    if recipe.schedule == "poly":
        rate = (1 - t) ** recipe.poly_power
    elif recipe.schedule == "cosine":
        rate = (1 + math.cos(math.pi * t)) / 2
    else:
        rate = 0.1 ** sum(t >= share for share in recipe.step_at)
    return recipe.learning_rate * rate * warm_up(recipe, step)


def warm_up(recipe: Recipe, step: int) -> float:
    """The factor of the rate, from warmup_start to 1."""
    done = min(1.0, (step + 1) / max(recipe.warmup_iterations, 1))
    if recipe.warmup == "exponential":
        return math.pow(recipe.warmup_start, 1 - done)
    return recipe.warmup_start + (1 - recipe.warmup_start) * done
