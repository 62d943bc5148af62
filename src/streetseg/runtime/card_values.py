"""Check and convert the values of a card: JSON's lists to tuples, each value against its field's type."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from streetseg.results import JSON


def without(values: Mapping[str, JSON], names: Iterable[str]) -> dict[str, JSON]:
    """Return a mapping without some of its keys."""
    return {name: value for name, value in values.items() if name not in names}


def freeze(value: Any) -> Any:
    """Return JSON's lists as tuples, at every depth."""
    if isinstance(value, list):
        return tuple(freeze(item) for item in value)
    return value


def fits(value: object, kind: Any) -> bool:
    """Return True if a value is of a field's declared type; an int counts as a float, NaN and infinity do not."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return len(value) == len(kinds) and all(map(fits, value, kinds))
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if origin is types.UnionType:
        return any(fits(value, argument) for argument in arguments)
    if kind is float:
        return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
    if dataclasses.is_dataclass(kind) and type(value) is kind:
        return all(fits(getattr(value, name), hint) for name, hint in typing.get_type_hints(kind).items())
    return kind is Any or type(value) is kind
