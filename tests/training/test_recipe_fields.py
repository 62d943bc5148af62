"""Fields of a recipe are read by their types, and a wrong one is said in a line."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from streetseg.errors import RecipeError
from streetseg.training import recipe as recipe_module
from streetseg.training.recipe import Recipe
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import recipe_named


def test_settings_are_read_by_type() -> None:
    recipe = override(
        recipe_named("ddrnet_23_slim_camvid"),
        ["scale=0.75,1.25", "scale_list=0.5,1,2", "aux_weights=high4:0.2", "nesterov=true", "optimiser=sgd", "seed=5",
         "network_arguments=context:ppm", "init=a=b.safetensors", "detail_weights="],
    )  # fmt: skip
    assert recipe.scale == (0.75, 1.25)
    assert recipe.scale_list == (0.5, 1.0, 2.0)
    assert (recipe.aux_weights, recipe.detail_weights) == ({"high4": 0.2}, {})
    assert (recipe.nesterov, recipe.optimiser, recipe.seed) == (True, "sgd", 5)
    assert recipe.network_arguments == {"context": "ppm"}
    assert recipe.init == "a=b.safetensors"


def test_a_networks_arguments_are_what_they_look_like() -> None:
    text = "network_arguments=mda:False,head_bias:true,width:2,width_ratio:0.5,context:none"
    arguments = override(recipe_named("ddrnet_23_slim_camvid"), [text]).network_arguments
    assert arguments == {"mda": False, "head_bias": True, "width": 2, "width_ratio": 0.5, "context": "none"}
    assert [type(value) for value in arguments.values()] == [bool, bool, int, float, str]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("iteration=5", "did you mean iterations"),
        ("iterations=many", "takes int, got 'many'"),
        ("iterations=0", "iterations is 0; it must be 1 or more"),
        ("learning_rate=nan", "takes float, got 'nan'"),
        ("crop=64", r"takes tuple\[int, int\], written 1,2, got '64'"),
        ("aux_weights=high4", r"takes dict\[str, float\], written name:1,other:2, got 'high4'"),
        ("compile=maybe", "takes bool, got 'maybe'"),
        ("loss=ohm", f"takes one of {', '.join(get_args(get_type_hints(Recipe)['loss']))}, got 'ohm'"),
        ("accumulate=3", "batch 8 cannot be taken in 3 equal parts"),
        ("scale=0,1", r"scale is \(0.0, 1.0\); it must be above 0"),
        ("operating_scale=5", "must be above 0 and at most 4"),
        ("flip=50", "must be 0 to 1"),
        ("label_smoothing=0.1", "label_smoothing is for loss=cross_entropy; ohem has none"),
        ("task=classification", "class_weight_power is for segmentation; a classifier's classes weigh the same"),
        ("crop_area=0.5,1", "crop_area is for classification; segmentation has scale"),
        ("crop_aspect=2", "crop_aspect is for classification; segmentation has aspect"),
        ("warmup=exponential", "needs warmup_start above 0"),
        ("warmup=500", "takes one of linear, exponential, got '500'; the number of steps is warmup_iterations"),
        ("weight_decay=-1", "must be 0 or more"),
        ("seed=4294967296", "seed is 4294967296; it must be 0 to 4294967295"),
        ("momentum=1", "AdamW needs a momentum below 1"),
        ("loss_stride=500", "must be at most the crop's shorter side, 256"),
        ("batch", "not of the form FIELD=VALUE"),
    ],
)
def test_wrong_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        override(recipe_named("ddrnet_23_slim_camvid"), [setting])
    assert "\n" not in str(caught.value)


def test_every_field_can_be_set_and_is_described() -> None:
    recipe = recipe_named("ddrnet_23_slim_camvid")
    for field, value in dataclasses.asdict(recipe).items():
        if isinstance(value, dict):
            text = ",".join(f"{key}:{entry}" for key, entry in value.items())
        else:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert override(recipe, [f"{field}={text}"]) == recipe
    (body,) = [node for node in ast.parse(Path(recipe_module.__file__).read_text()).body
               if isinstance(node, ast.ClassDef) and node.name == "Recipe"]  # fmt: skip
    for node, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(node, ast.AnnAssign):
            assert isinstance(after, ast.Expr), f"{ast.unparse(node.target)} is not described below"
