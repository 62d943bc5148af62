"""The learning rate of each step, and what the optimiser decays."""

from __future__ import annotations

import pytest
from torch import nn

from streetseg.errors import RecipeError
from streetseg.training.schedule import Schedule, make_optimiser


def test_poly_with_a_linear_warm_up() -> None:
    schedule = Schedule(learning_rate=0.1, iterations=100, poly_power=0.9, warmup_iterations=10, warmup_start=0.2)
    assert schedule.rate(0) == pytest.approx(0.1 * (0.2 + 0.8 / 10))
    assert schedule.rate(9) == pytest.approx(0.1 * 0.91**0.9)
    assert schedule.rate(50) == pytest.approx(0.1 * 0.5**0.9)
    assert schedule.rate(100) == 0


def test_an_exponential_warm_up() -> None:
    schedule = Schedule(
        learning_rate=1, iterations=100, poly_power=0, warmup="exponential", warmup_iterations=4, warmup_start=0.01
    )
    assert [schedule.rate(step) for step in (0, 1, 3, 50)] == pytest.approx([0.01**0.75, 0.1, 1, 1])


def test_cosine_and_steps() -> None:
    cosine = Schedule(learning_rate=2, iterations=8, schedule="cosine")
    assert [cosine.rate(step) for step in (0, 4, 8)] == pytest.approx([2, 1, 0])
    steps = Schedule(learning_rate=1, iterations=10, schedule="step", step_at=(0.3, 0.6))
    assert [steps.rate(step) for step in (2, 3, 5, 6, 9)] == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("decay_norms", [False, True])
def test_modules_have_their_own_rate_and_norms_their_own_decay(decay_norms: bool) -> None:
    network = nn.Sequential()
    network.add_module("body", nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    network.add_module("head", nn.Conv2d(4, 2, 1))
    settings = {"momentum": 0.9, "nesterov": False, "weight_decay": 0.5, "decay_norms": decay_norms}
    optimiser = make_optimiser(network, optimiser="sgd", learning_rate=0.1, factors={"head": 10}, **settings)  # type: ignore[arg-type]
    groups = {(group["factor"], group["weight_decay"]): len(group["params"]) for group in optimiser.param_groups}
    if decay_norms:
        assert groups == {(1, 0.5): 4, (10, 0.5): 2}
    else:
        assert groups == {(1, 0.5): 1, (1, 0): 3, (10, 0.5): 1, (10, 0): 1}
    with pytest.raises(RecipeError, match="no module 'hed'; there are body, head"):
        make_optimiser(network, optimiser="adamw", learning_rate=0.1, factors={"hed": 10}, **settings)  # type: ignore[arg-type]
