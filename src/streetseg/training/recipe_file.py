"""Recipes as TOML files: whole ones, and those that change another recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w

from streetseg.errors import RecipeError
from streetseg.runtime.documents import parse_toml, read_text
from streetseg.training.recipe import Recipe
from streetseg.training.recipe_fields import read_fields, replace_fields

REQUIRED_FIELDS = tuple(
    field.name
    for field in dataclasses.fields(Recipe)
    if field.default is field.default_factory is dataclasses.MISSING and field.name != "name"
)


def recipe_as_toml(recipe: Recipe) -> str:
    """Return the whole recipe as TOML, every field in it; `read_recipe` reads it back."""
    return tomli_w.dumps(dataclasses.asdict(recipe))


def read_recipe(path: Path, recipe_named: Callable[[str], Recipe]) -> Recipe:
    """Return the recipe in a TOML file.

    The file either names a recipe, `base = "NAME"`, and the fields in which it differs; or it is a whole recipe, as
    `streetseg recipes NAME` prints it. A recipe without a `name` takes the file's name.

    Args:
        path: NAME.toml.
        recipe_named: Returns the recipe of a name.

    Raises:
        RecipeError: The file cannot be read, is not TOML, or its fields do not make a recipe.
    """
    fields = {"name": path.stem} | read_toml(path)
    if "base" not in fields:
        return whole_recipe(path, fields)
    base = fields.pop("base")
    if not isinstance(base, str) or base.endswith(".toml"):
        raise RecipeError(
            f'{path} must name the recipe that it changes: base = "NAME" (`streetseg recipes` lists them)'
        )
    return replace_fields(recipe_named(base), fields)


def whole_recipe(path: Path, fields: dict[str, Any]) -> Recipe:
    """Return the recipe that a file's fields make; RecipeError where one without a default is missing."""
    read = read_fields(fields)
    missing = [name for name in REQUIRED_FIELDS if name not in read]
    if missing:
        raise RecipeError(
            f'{path} must name the recipe that it changes, base = "NAME" (`streetseg recipes` lists them), or be a '
            f"whole recipe, as `streetseg recipes NAME` prints it; it lacks {', '.join(missing)}"
        )
    return Recipe(**read)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file; RecipeError where it cannot be read."""
    try:
        return parse_toml(read_text(path))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror}); name a recipe or a TOML file") from None
    except ValueError as error:
        raise RecipeError(f"{path} is not a TOML file: {error}") from None
