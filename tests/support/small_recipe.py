"""The recipe that the tests of training run: its steps take a blink."""

from __future__ import annotations

from streetseg.training.recipe import Recipe
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import recipe_named

SMALL = ["batch=4", "crop=64,64", "iterations=6", "checkpoint_every=3", "warmup_iterations=2"]
FLOAT32 = ["precision=float32"]


def small(*settings: str) -> Recipe:
    """It with these fields changed."""
    return override(recipe_named("ddrnet_23_slim_camvid"), [*SMALL, *settings])
