"""A recipe refuses fields that contradict each other, and takes from a card what it leaves open."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streetseg.errors import ArtefactError, RecipeError
from streetseg.runtime.artefact import read_card
from streetseg.training.recipe import Recipe, resolve
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import recipe_named

WEIGHTS = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(RecipeError, match="nesterov needs a momentum above 0"):
        override(recipe_named("ddrnet_23_slim_camvid"), ["optimiser=sgd", "nesterov=true", "momentum=0"])


@pytest.mark.parametrize(("setting", "instead"), [("scale=0.08,1", "crop_area"), ("aspect=1.5", "crop_aspect")])
def test_a_classifiers_crops_have_fields_of_their_own(setting: str, instead: str) -> None:
    with pytest.raises(RecipeError, match=f"is for segmentation; a classifier has {instead}"):
        override(recipe_named("stdc1_imagenet"), [setting])
    assert override(recipe_named("stdc1_imagenet"), ["crop_area=0.25,1", "crop_aspect=2"]).crop_area == (0.25, 1.0)


def test_finetuning_takes_what_it_leaves_open_from_the_card(tmp_path: Path) -> None:
    card = read_card(WEIGHTS)
    recipe: Recipe = resolve(override(recipe_named("finetune"), [f"init={WEIGHTS}"]))
    assert (recipe.network, recipe.mean, recipe.std) == (card.network, card.mean, card.std)
    assert (recipe.native_short_side, recipe.operating_scale) == (card.native_short_side, card.operating_scale)
    with pytest.raises(RecipeError, match="name them: --init"):
        resolve(recipe_named("finetune"))
    with pytest.raises(RecipeError, match="is not a file here"):
        resolve(recipe_named("ddrnet_23_cityscapes"))
    (tmp_path / "some.safetensors").write_bytes(b"no weights")
    with pytest.raises(ArtefactError):
        resolve(override(recipe_named("finetune"), [f"init={tmp_path / 'some.safetensors'}"]))


def test_what_is_set_is_not_the_cards() -> None:
    """Nor where it is set to what the recipe has anyway."""
    finetune = recipe_named("finetune")
    card = read_card(WEIGHTS)
    settings = ["native_short_side=1024", "operating_scale=1", "mean=1,2,3"]
    assert (card.native_short_side, card.operating_scale) != (1024, 1)
    recipe = resolve(override(finetune, [f"init={WEIGHTS}", *settings]))
    assert (recipe.native_short_side, recipe.operating_scale, recipe.mean) == (1024, 1, (1, 2, 3))
    assert (recipe.network, recipe.std) == (card.network, card.std)
    again = override(finetune, [f"init={WEIGHTS}", *settings])
    assert resolve(again, dataclasses.asdict(recipe)) == recipe
    with pytest.raises(
        RecipeError, match=r"network_arguments are \{'context': 'ppm'\}, but recipe finetune takes"
    ) as told:
        resolve(override(finetune, [f"init={WEIGHTS}", "network_arguments=context:ppm"]))
    assert "\n" not in str(told.value)
