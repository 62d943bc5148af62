"""Checkpoints of earlier versions are read under today's names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from streetseg.training.checkpoint import STATE, load_checkpoint, save_checkpoint
from streetseg.training.recipes.recipes import recipe_named


def test_a_classifiers_crops_of_before_they_had_fields_of_their_own(tmp_path: Path) -> None:
    recipe = dataclasses.asdict(recipe_named("stdc1_imagenet"))
    before = recipe | {"scale": recipe["crop_area"], "aspect": recipe["crop_aspect"]}
    for name in ("crop_area", "crop_aspect"):
        del before[name]
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, dict.fromkeys(STATE) | {"recipe": before})
    read = load_checkpoint(path)["recipe"]
    assert read == {name: value for name, value in recipe.items() if name not in ("scale", "aspect")}


def test_recipes_of_segmentation_are_read_as_they_are(tmp_path: Path) -> None:
    recipe = dataclasses.asdict(recipe_named("stdc1_camvid"))
    before = {name: value for name, value in recipe.items() if not name.startswith("crop_")}
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, dict.fromkeys(STATE) | {"recipe": before})
    assert load_checkpoint(path)["recipe"] == before
