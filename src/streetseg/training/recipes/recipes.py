"""The recipes by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from streetseg.errors import RecipeError
from streetseg.results import Facts, Printable, text_list
from streetseg.training.recipe import Recipe
from streetseg.training.recipe_file import read_recipe
from streetseg.training.recipes import bisenetv2, camvid, ddrnet, fassdnet, finetune, imagenet, stdc, streets

# A recipe's name is its function's.
RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        finetune.finetune,
        # On two CPU cores: CamVid at 360 x 480, and the stages of the shipped weights.
        camvid.ddrnet_23_slim_camvid,
        camvid.ddrnet_23_slim_camvid_pretrained,
        camvid.ddrnet_23_slim_camvid_pretrained_restart,
        camvid.bisenetv2_camvid,
        camvid.bisenetv2_camvid_enlarged,
        camvid.bisenetv2_camvid_restart,
        camvid.bisenetv2_camvid_decay,
        camvid.fassd_net_l2_camvid,
        camvid.fassd_net_l2_camvid_pretrained,
        camvid.fassd_net_camvid_pretrained,
        camvid.stdc1_camvid,
        camvid.stdc1_camvid_pretrained,
        streets.ddrnet_23_slim_streets,
        streets.fassd_net_l2_streets,
        streets.fassd_net_streets,
        streets.stdc1_streets,
        # The papers' experiments.
        bisenetv2.bisenetv2_cityscapes,
        bisenetv2.bisenetv2_large_cityscapes,
        ddrnet.ddrnet_23_slim_cityscapes,
        ddrnet.ddrnet_23_cityscapes,
        ddrnet.ddrnet_39_cityscapes,
        fassdnet.fassd_net_cityscapes,
        fassdnet.fassd_net_cityscapes_final,
        fassdnet.fassd_net_l1_cityscapes,
        fassdnet.fassd_net_l1_cityscapes_final,
        fassdnet.fassd_net_l2_cityscapes,
        fassdnet.fassd_net_l2_cityscapes_final,
        stdc.stdc1_seg50_cityscapes,
        stdc.stdc1_seg75_cityscapes,
        stdc.stdc2_seg50_cityscapes,
        stdc.stdc2_seg75_cityscapes,
        bisenetv2.bisenetv2_camvid_720,
        bisenetv2.bisenetv2_camvid_720_from_cityscapes,
        bisenetv2.bisenetv2_large_camvid_720,
        bisenetv2.bisenetv2_large_camvid_720_from_cityscapes,
        ddrnet.ddrnet_23_slim_camvid_720,
        ddrnet.ddrnet_23_slim_camvid_720_from_cityscapes,
        ddrnet.ddrnet_23_camvid_720,
        ddrnet.ddrnet_23_camvid_720_from_cityscapes,
        stdc.stdc1_camvid_720,
        stdc.stdc2_camvid_720,
        bisenetv2.bisenetv2_cocostuff,
        bisenetv2.bisenetv2_large_cocostuff,
        ddrnet.ddrnet_23_cocostuff,
        ddrnet.ddrnet_39_cocostuff,
        imagenet.ddrnet_23_slim_imagenet,
        imagenet.ddrnet_23_imagenet,
        imagenet.ddrnet_39_imagenet,
        imagenet.stdc1_imagenet,
        imagenet.stdc2_imagenet,
        imagenet.fc_hardnet_70_imagenet,
    )
}

# Stages of weights that no longer ship, and the recipe that took the place of each. The repository's history has them.
RETIRED = {
    "ddrnet_23_slim_camvid_enlarged": "ddrnet_23_slim_camvid_pretrained",
    "ddrnet_23_slim_camvid_restart": "ddrnet_23_slim_camvid_pretrained_restart",
    "ddrnet_23_slim_camvid_cameras": "ddrnet_23_slim_camvid_pretrained_restart",
    "ddrnet_23_slim_camvid_decay": "ddrnet_23_slim_camvid_pretrained_restart",
    "ddrnet_23_slim_camvid_shade": "ddrnet_23_slim_camvid_pretrained_restart",
    "fassd_net_l2_camvid_enlarged": "fassd_net_l2_camvid_pretrained",
    "fassd_net_l2_camvid_restart": "fassd_net_l2_camvid_pretrained",
    "fassd_net_l2_camvid_decay": "fassd_net_l2_camvid_pretrained",
    "stdc1_camvid_enlarged": "stdc1_camvid_pretrained",
    "stdc1_camvid_decay": "stdc1_camvid_pretrained",
}


@dataclass(frozen=True)
class RecipeSummary:
    """A recipe in the list.

    Attributes:
        name: Its name.
        summary: One sentence: what it trains.
    """

    name: str
    summary: str


@dataclass(frozen=True, repr=False)
class RecipeList(Printable):
    """The recipes, each with one sentence.

    Attributes:
        recipes: In the order of the table RECIPES.
    """

    recipes: tuple[RecipeSummary, ...]

    def __iter__(self) -> Iterator[RecipeSummary]:
        return iter(self.recipes)

    def __len__(self) -> int:
        return len(self.recipes)

    def facts(self) -> Facts:
        """Convert the list to JSON's types.

        Returns:
            Name of each recipe -> its sentence.
        """
        return {recipe.name: recipe.summary for recipe in self.recipes}

    def table(self) -> str:
        """Lay the list out for a terminal.

        Returns:
            A row a recipe; sentences fold at the terminal's width, names do not.
        """
        return text_list({recipe.name: recipe.summary for recipe in self.recipes})


def list_recipes() -> RecipeList:
    """List the recipes.

    Returns:
        Name and one sentence of each, in the order of RECIPES.
    """
    return RecipeList(
        tuple(RecipeSummary(name, (recipe.__doc__ or "").splitlines()[0]) for name, recipe in RECIPES.items())
    )


def recipe_named(name: str) -> Recipe:
    """Return the recipe of a name, or of a TOML file.

    Args:
        name: A name in RECIPES, or the path of a file, NAME.toml (see `read_recipe`).

    Returns:
        The recipe, possibly with a network that it leaves to weights (see `resolve`).

    Raises:
        RecipeError: There is no such recipe, or the file cannot be used.
    """
    if name.endswith(".toml"):
        return read_recipe(Path(name), recipe_named)
    if name in RETIRED:
        raise RecipeError(
            f"recipe {name} is gone: its weights no longer ship; take {RETIRED[name]}, or the recipe from the "
            "repository's history"
        )
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}?" if near else "`streetseg recipes` lists them; a file is named NAME.toml"
        raise RecipeError(f"no recipe {name!r}; {hint}")
    return RECIPES[name]()
