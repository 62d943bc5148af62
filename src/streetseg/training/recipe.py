"""A recipe: every number of a training run, flat and frozen. No torch here, so that listing recipes is quick."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from streetseg.errors import RecipeError

# Statistics of ImageNet in units of 0 to 255, the input convention of all four papers' code.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Recipe:
    """What `train` needs to know. Sizes are in pixels, rates per step, probabilities 0 to 1.

    aux_weights: auxiliary head -> weight of its loss.
    class_weight_power: classes weigh (1 / ln(1.02 + share of the class)) ** power, divided by their mean: 1 is
        ENet's weighting, 0 none.
    loss_stride: the main loss is taken on every loss_stride-th row and column, at a random offset that changes
        from step to step; logits are interpolated exactly there. 1 is the plain full-size loss. aux_loss_stride
        is the same for auxiliary heads.
    ohem_min_kept: the share of the counted pixels that is kept at least.
    jitter: strength of the colour augmentation, 0 (none) to 1.
    ema_decay: of the averaged weights, which are what is judged and exported.
    """

    name: str
    network: str
    split: str
    native_short_side: int

    iterations: int
    batch: int
    crop: tuple[int, int]
    scale: tuple[float, float]
    aspect: float
    jitter: float

    optimiser: str
    learning_rate: float
    weight_decay: float
    momentum: float
    warmup_iterations: int
    poly_power: float
    ema_decay: float

    aux_weights: dict[str, float]
    class_weight_power: float
    ohem_threshold: float
    ohem_min_kept: float
    loss_stride: int
    aux_loss_stride: int

    seed: int
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    checkpoint_every: int = 100


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with fields replaced by "FIELD=VALUE" settings, each read by the field's own type."""
    types = typing.get_type_hints(Recipe)
    values: dict[str, object] = {}
    for setting in settings:
        field, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"setting {setting!r} is not of the form FIELD=VALUE")
        if field not in types:
            near = difflib.get_close_matches(field, types, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(types)}"
            raise RecipeError(f"a recipe has no field {field!r}; {hint}")
        values[field] = parse(field, text, types[field])
    return dataclasses.replace(recipe, **values)  # type: ignore[arg-type]


def parse(field: str, text: str, kind: object) -> object:
    """`text` as a value of the field's type; tuples are written 1,2 and dicts head:0.4,other:0.2."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    try:
        if origin is tuple:
            parts = text.split(",")
            if len(parts) != len(arguments):
                raise ValueError
            return tuple(argument(part) for argument, part in zip(arguments, parts, strict=True))
        if origin is dict:
            items = (item.split(":") for item in text.split(",") if item)
            return {key: float(value) for key, value in items}
        return typing.cast(Callable[[str], object], kind)(text)
    except ValueError:
        wanted = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
        raise RecipeError(f"field {field} takes {wanted}, got {text!r}") from None
