"""The recipes by name."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from pathlib import Path

from streetseg.errors import RecipeError
from streetseg.training.recipe import Recipe, replace_fields
from streetseg.training.recipes import bisenetv2, ddrnet, fassdnet, finetune, imagenet, stdc

# A recipe's name is its function's.
RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        finetune.finetune,
        # From scratch on CamVid at 360 x 480, on two CPU cores.
        bisenetv2.bisenetv2_camvid,
        bisenetv2.bisenetv2_camvid_enlarged,
        bisenetv2.bisenetv2_camvid_restart,
        bisenetv2.bisenetv2_camvid_decay,
        ddrnet.ddrnet_23_slim_camvid,
        ddrnet.ddrnet_23_slim_camvid_enlarged,
        ddrnet.ddrnet_23_slim_camvid_restart,
        ddrnet.ddrnet_23_slim_camvid_cameras,
        ddrnet.ddrnet_23_slim_camvid_decay,
        ddrnet.ddrnet_23_slim_camvid_shade,
        ddrnet.ddrnet_23_slim_streets,
        ddrnet.ddrnet_23_slim_camvid_pretrained,
        ddrnet.ddrnet_23_slim_camvid_pretrained_restart,
        fassdnet.fassd_net_l2_camvid,
        fassdnet.fassd_net_l2_camvid_enlarged,
        fassdnet.fassd_net_l2_camvid_restart,
        fassdnet.fassd_net_l2_camvid_decay,
        fassdnet.fassd_net_l2_streets,
        fassdnet.fassd_net_l2_camvid_pretrained,
        fassdnet.fassd_net_streets,
        fassdnet.fassd_net_camvid_pretrained,
        stdc.stdc1_camvid,
        stdc.stdc1_camvid_enlarged,
        stdc.stdc1_camvid_decay,
        stdc.stdc1_streets,
        stdc.stdc1_camvid_pretrained,
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


def recipe_named(name: str) -> Recipe:
    """The recipe of that name, or of a TOML file; RecipeError with the nearest name where there is none."""
    if name.endswith(".toml"):
        return recipe_from_toml(Path(name))
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}?" if near else "`streetseg recipes` lists them; a file is named NAME.toml"
        raise RecipeError(f"no recipe {name!r}; {hint}")
    return RECIPES[name]()


def recipe_from_toml(path: Path) -> Recipe:
    """The recipe in a file: `base = "NAME"` and the fields that are other than the base's. It is called as the file."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark before UTF-8
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror}); name a recipe or a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no TOML file: {error}") from None
    base = fields.pop("base", None)
    if not isinstance(base, str) or base.endswith(".toml"):
        raise RecipeError(
            f'{path} must name the recipe that it changes: base = "NAME" (`streetseg recipes` lists them)'
        )
    return replace_fields(recipe_named(base), {"name": path.stem} | fields)


def list_recipes() -> str:
    """A line a recipe: its name and the first line of its description."""
    width = max(map(len, RECIPES))
    return "\n".join(f"{name:<{width}}  {(recipe.__doc__ or '').splitlines()[0]}" for name, recipe in RECIPES.items())
