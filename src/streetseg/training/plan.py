"""What a run is to do: recipe, settings, weights and data put together, or taken from the run to resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.errors import StreetsegError, UsageError
from streetseg.training.initial import unfolded_weights
from streetseg.training.recipe import Recipe, resolve
from streetseg.training.recipe_fields import advise_epochs, replace_fields
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.sizing import Frames, describe, fit, measure_frames, steps_of
from streetseg.training.tasks.tasks import frame_paths, open_data, size_multiple

Data = Dataset | LabelledImages
FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


@dataclass(frozen=True)
class Plan:
    """A run before its first step.

    Attributes:
        recipe: The resolved recipe.
        asked: The recipe with the settings, before anything is worked out.
        data: The opened data.
        given: The fields that the caller set; a run that is resumed takes them from its checkpoint.
        notes: What was worked out, a line each.
    """

    recipe: Recipe
    asked: Recipe
    data: Data
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the plan beside the recipe, for `resumed`."""
        kind = self.data.kind if isinstance(self.data, Dataset) else ""
        return {"given": self.given, "data": str(self.data.root.resolve()), "dataset": kind}


def make_plan(
    recipe: Recipe | str | None,
    data: Data | Path | str | None,
    *,
    dataset: str | None = None,
    settings: Mapping[str, object] | None = None,
    epochs: float | None = None,
    begun: Mapping[str, Any] | None = None,
) -> Plan:
    """Put a run together.

    Args:
        recipe: A recipe, its name or its TOML file; None takes that of `begun`.
        data: A dataset, or its folder; None takes that of `begun`.
        dataset: Name of the dataset; None recognises it.
        settings: Field -> value that replaces it.
        epochs: Number of times that the run sees each frame, in place of `iterations`.
        begun: The checkpoint of a run to resume.

    Raises:
        StreetsegError: Something is missing, or does not fit together.
    """
    settings = dict(settings or {})
    if data is None:
        data, dataset = data_of(begun), dataset or (begun or {}).get("request", {}).get("dataset") or None
    if epochs is not None:
        check_epochs(epochs, settings)
    base = base_recipe(recipe, begun)
    if base.patience and str(settings.get("evaluate_every")) == "0":  # who wants no evaluation need not say it twice
        settings.setdefault("patience", 0)

    def advice(value: object) -> str:
        return advise_steps(value, base, settings, data, dataset)

    asked = replace_fields(base, settings, advice)
    changed = dataclasses.replace(asked, init=unfolded_weights(asked.init))
    changed = resolve(changed, begun and begun["recipe"])
    opened = open_data(changed.task, data, dataset)
    given, notes = tuple(sorted(settings)), []
    if epochs is not None:
        number = len(frame_paths(opened, changed.split))
        steps = steps_of(epochs, number, changed.batch)
        notes.append(f"--epochs {epochs:g}: {number:,} frames in batches of {changed.batch} make {steps:,} steps")
        changed = replace_fields(changed, {"iterations": steps})
        given = (*given, "iterations")
    if changed.left_to_data:
        changed, line = fitted(changed, opened, begun)
        notes += line
    if begun:
        given = tuple(begun.get("request", {}).get("given", given))
    return Plan(changed, asked, opened, given, tuple(notes))


def gather(settings: Mapping[str, object] | None, **options: object) -> dict[str, object]:
    """Return settings together with options of the same meaning; UsageError where both are given."""
    settings, given = dict(settings or {}), {name: value for name, value in options.items() if value is not None}
    if both := sorted(settings.keys() & given.keys()):
        raise UsageError(f"{both[0]} is given twice, as an option and as a setting; leave one of them out")
    return settings | given


def base_recipe(recipe: Recipe | str | None, begun: Mapping[str, Any] | None) -> Recipe:
    """Return the recipe before the settings: the one that is asked for, with what `begun` need not be told again."""
    if begun is None:
        if recipe is None:
            raise UsageError("a run needs a recipe: --recipe NAME, or FILE.toml; `streetseg recipes` lists them")
        return recipe_named(recipe) if isinstance(recipe, str) else recipe
    theirs = {name: value for name, value in begun["recipe"].items() if name in FIELDS}
    if recipe is None:
        return Recipe(**theirs)
    if not isinstance(recipe, str):
        return recipe
    ours = recipe_named(recipe)
    younger = {name: field.default for name, field in FIELDS.items() if name not in theirs and is_plain(field)}
    younger = {name: value for name, value in younger.items() if name not in ("left_to_card", "left_to_data")}
    given = {name: theirs[name] for name in begun.get("request", {}).get("given", ()) if name in theirs}
    left = {
        fields: tuple(name for name in getattr(ours, fields) if name not in given)
        for fields in ("left_to_card", "left_to_data")
    }
    return dataclasses.replace(ours, **(younger | given | left))


def is_plain(field: dataclasses.Field[Any]) -> bool:
    """Return True if a field has a default value."""
    return field.default is not dataclasses.MISSING


def data_of(begun: Mapping[str, Any] | None) -> str:
    """Return the folder of the data of a run to resume; UsageError where it is not known."""
    if begun is None:
        raise UsageError("a run needs data: --data DIR, the folder of a dataset")
    known: str = begun.get("request", {}).get("data", "")
    if not known:
        raise UsageError("the checkpoint is of an earlier version and does not name its data; give --data DIR")
    if not Path(known).is_dir():
        raise UsageError(f"the run's data are no longer in {known}; give their place: --data DIR")
    return known


def check_epochs(epochs: float, settings: Mapping[str, object]) -> None:
    """Refuse a number of epochs that cannot be, or that contradicts another setting."""
    if not 0 < epochs < float("inf"):
        raise UsageError(f"epochs must be above 0, got {epochs:g}")
    if "iterations" in settings:
        raise UsageError("epochs and iterations both set the length of the run; leave one of them out")


def advise_steps(
    value: object, base: Recipe, settings: Mapping[str, object], data: Data | Path | str, dataset: str | None
) -> str:
    """Return what to do in place of setting a number of epochs, with the steps worked out where that is possible."""
    try:
        known = replace_fields(base, {name: text for name, text in settings.items() if name in ("batch", "split")})
        frames = len(frame_paths(open_data(known.task, data, dataset), known.split))
        steps = steps_of(float(str(value)), frames, known.batch)
    except (StreetsegError, ValueError, OverflowError):
        return advise_epochs(value)
    return (
        f"a recipe counts steps: give --epochs {value}, or iterations={steps} ({frames:,} frames in batches of "
        f"{known.batch}: an epoch is {frames / known.batch:.4g} steps)"
    )


def fitted(recipe: Recipe, data: Data, begun: Mapping[str, Any] | None) -> tuple[Recipe, list[str]]:
    """Return the recipe with what it leaves to the data, or to the run to resume, and a line that says it."""
    if begun:
        taken = {name: begun["recipe"][name] for name in recipe.left_to_data}
        return dataclasses.replace(recipe, left_to_data=(), **taken), []
    frames: Frames = measure_frames(frame_paths(data, recipe.split))
    result = fit(recipe, frames, size_multiple(recipe))
    line = describe(recipe, result, frames)
    return result, [line] if line else []
