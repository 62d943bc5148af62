"""The recipes by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from streetseg.errors import RecipeError
from streetseg.training.recipe import Recipe
from streetseg.training.recipes import ddrnet

RECIPES: dict[str, Callable[[], Recipe]] = {
    "ddrnet_23_slim_camvid": ddrnet.ddrnet_23_slim_camvid,
}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name; RecipeError with the nearest name where there is none."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}"
        raise RecipeError(f"no recipe {name!r}; {hint}")
    return RECIPES[name]()
