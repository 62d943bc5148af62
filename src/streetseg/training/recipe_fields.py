"""Read a recipe's fields from --set FIELD=VALUE and from the values of a TOML file."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from streetseg.errors import RecipeError
from streetseg.training.field_names import suggest
from streetseg.training.recipe import Recipe

LEFT = ("left_to_card", "left_to_data")  # fields that list other fields, which something else fills in


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with fields replaced, each value read by its field's type.

    Args:
        recipe: A recipe.
        settings: Texts FIELD=VALUE; tuples are written 1,2 and dicts head:0.4,other:0.2.

    Raises:
        RecipeError: There is no such field, or the value is not of its type.
    """
    return replace_fields(recipe, read_settings(settings))


def read_settings(settings: Iterable[str]) -> dict[str, str]:
    """Return field -> text of settings FIELD=VALUE; RecipeError where one has another form."""
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"setting {setting!r} is not of the form FIELD=VALUE")
        values[name] = text
    return values


def replace_fields(
    recipe: Recipe, values: Mapping[str, object], epochs: Callable[[object], str] | None = None
) -> Recipe:
    """Return the recipe with fields replaced; see `read_fields`."""
    read = read_fields(values, epochs)
    left: dict[str, Any] = {
        fields: tuple(name for name in getattr(recipe, fields) if name not in read) for fields in LEFT
    }
    return dataclasses.replace(recipe, **(left | read))


def read_fields(values: Mapping[str, object], epochs: Callable[[object], str] | None = None) -> dict[str, Any]:
    """Return the values as their fields' types.

    Args:
        values: Field -> its value: text as in `override`, or a number, list or table of a TOML file.
        epochs: Returns the advice for a number of epochs, which no field takes; None: without a number of steps.

    Raises:
        RecipeError: There is no such field, or the value is not of its type.
    """
    types = typing.get_type_hints(Recipe)
    for name in values:
        if name not in types:
            hint = suggest(name, values[name], types, epochs or advise_epochs)
            raise RecipeError(f"a recipe has no field {name!r}; {hint}")
    return {name: read_field(name, value, types[name]) for name, value in values.items()}


def advise_epochs(value: object) -> str:
    """Return what to do in place of setting a number of epochs."""
    return f"a recipe counts steps: give --epochs {value}, or iterations"


def read_field(name: str, value: object, kind: Any) -> object:
    """Return a value of the field's type; RecipeError where it cannot be read as one."""
    try:
        return read_value(value, kind)
    except (ValueError, TypeError, AttributeError):
        hint = "; the number of steps is warmup_iterations" if name == "warmup" else ""
        raise RecipeError(f"field {name} takes {describe_type(kind)}, got {value!r}{hint}") from None


def read_value(value: Any, kind: Any) -> object:
    """Return the value as one of type `kind`; ValueError, TypeError or AttributeError where it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        parts = [part for part in value.split(",") if part] if isinstance(value, str) else list(value)
        if arguments[-1] is Ellipsis:
            arguments = arguments[:1] * len(parts)
        return tuple(read_value(part, argument) for part, argument in zip(parts, arguments, strict=True))
    if origin is dict:
        pairs = [item.split(":") for item in value.split(",") if item] if isinstance(value, str) else value.items()
        return {key: read_value(entry, arguments[1]) for key, entry in pairs}
    if origin is Literal:
        return arguments[[str(argument) for argument in arguments].index(str(value))]
    if kind is bool:
        return ("false", "true").index(str(value).lower()) == 1
    if kind is float and not math.isfinite(float(str(value))):
        raise ValueError(value)
    if kind is Any:
        return read_scalar(value) if isinstance(value, str) else value
    return kind(str(value))


def read_scalar(text: str) -> bool | int | float | str:
    """Return the value of a text of an untyped field: true or false, a number, or the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    with contextlib.suppress(ValueError):
        return int(text)
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    return text


def describe_type(kind: Any) -> str:
    """Return a type's name and how a value of it is written."""
    origin = typing.get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    if origin is None:
        return str(kind.__name__)
    return f"{kind}, written {'1,2' if origin is tuple else 'name:1,other:2'}"
