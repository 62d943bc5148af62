"""The recipes keep their numbers and the papers', name what exists, and are read and changed field by field."""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from streetseg.cli import main
from streetseg.errors import RecipeError
from streetseg.models.networks import CLASSIFIERS, MODELS
from streetseg.models.outputs import Network, Outputs
from streetseg.runtime.artefact import read_card
from streetseg.training import recipes
from streetseg.training.recipe import Recipe
from streetseg.training.recipes.recipes import RECIPES, RETIRED, list_recipes, recipe_named

WEIGHTS = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"

# Numbers and where they stand; sections are the papers'.
SGD = {"optimiser": "sgd", "momentum": 0.9, "schedule": "poly", "poly_power": 0.9, "flip": 0.5}
DDRNET = SGD | {  # Sections IV-B1 and III-E
    "learning_rate": 0.01, "weight_decay": 0.0005, "scale": (0.5, 2.0), "crop": (1024, 1024), "iterations": 120_000,
    "batch": 12, "sync_norms": True, "loss": "ohem", "aux_weights": {"high4": 0.4},
    "ohem_threshold": 0.9, "ohem_min_kept": 131072 / (3 * 1024 * 1024),  # mmsegmentation's ddrnet configs
}  # fmt: skip
DDRNET_CAMVID = DDRNET | {
    "learning_rate": 0.001,
    "crop": (720, 960),
    "iterations": 968 * 468 // 12,
    "split": "trainval",
    "ohem_min_kept": 131072 / (12 * 960 * 720),  # on one GPU
}
DDRNET_FROM_CITYSCAPES = DDRNET_CAMVID | {"iterations": 200 * 468 // 12}
# The last version's Section IV; scale: 0.5 to 2 of short sides enlarged from 480 to 640; mined: Cityscapes' share.
DDRNET_COCO = DDRNET | {
    "learning_rate": 0.001, "weight_decay": 0.0001, "iterations": 110 * 9000 // 12, "crop": (640, 640),
    "scale": (0.5 * 640 / 480, 2 * 640 / 480),
}  # fmt: skip
STDC: dict[str, Any] = SGD | {  # MichaelFan01/STDC-Seg: train.py, optimizer_loss.py, model_stages.py, README.md
    "learning_rate": 0.01, "weight_decay": 5e-4, "decay_norms": False, "crop": (512, 1024), "iterations": 60_000,
    "batch": 3 * 16, "warmup": "exponential", "warmup_iterations": 1000, "warmup_start": 1e-5 / 1e-2, "loss": "ohem",
    "ohem_threshold": 0.7, "ohem_min_kept": 1 / 16, "ohem_min_kept_of": "all", "operating_scale": 0.5,
    "scale_list": (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0),
    "learning_rate_factors": {"ffm": 10, "head": 10, "aux_heads": 10}, "aux_weights": {"arm16": 1, "arm32": 1},
    "detail_weights": {"detail8": 1},
}  # fmt: skip
STDC_75 = STDC | {"operating_scale": 0.75, "scale_list": tuple(scale / 1.5 for scale in STDC["scale_list"])}
STDC_CAMVID = STDC | {  # PaddleSeg's pp_liteseg_stdc1_camvid_960x720_10k.yml
    "crop": (720, 960), "iterations": 10_000, "batch": 24, "warmup_iterations": 200, "operating_scale": 1.0,
    "scale_list": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5), "split": "trainval",
}  # fmt: skip
BISENETV2 = SGD | {  # Section 5, Training
    "learning_rate": 0.05, "weight_decay": 0.0005, "decay_norms": False, "batch": 16, "iterations": 150_000,
    "scale_list": (0.75, 1.0, 1.25, 1.5, 1.75, 2.0), "crop": (1024 / 2, 2048 / 2), "operating_scale": 0.5, "init": "",
    "aux_weights": {"stage2": 1, "stage3": 1, "stage4": 1, "stage5_4": 1},  # Table 4
    "ohem_threshold": 0.7, "ohem_min_kept": 1 / 16, "ohem_min_kept_of": "counted",  # CoinCheung/BiSeNet
    "warmup_iterations": 1000,  # CoinCheung/BiSeNet, configs/bisenetv2_city.py
}  # fmt: skip
BISENETV2_CAMVID = BISENETV2 | {
    "crop": (720, 960), "iterations": 10_000, "operating_scale": 1.0, "split": "trainval", "evaluate_split": "test",
}  # fmt: skip
BISENETV2_COCO = BISENETV2 | {
    "crop": (640, 640), "iterations": 20_000, "operating_scale": 1.0, "weight_decay": 0.0001,
}  # fmt: skip
FASSD = SGD | {  # Section IV-A
    "learning_rate": 0.02, "weight_decay": 5e-4, "scale": (0.5, 2.0), "crop": (1024, 1024), "iterations": 90_000,
    "batch": 16, "loss": "bootstrapped", "aux_weights": {},
    "bootstrap_threshold": 0.3, "bootstrap_min_kept": 4096 / 1024**2,  # GibranBenitez/FASSD-Net, configs/FASSD-Net.yml
}  # fmt: skip
FASSD_FINAL = FASSD | {"learning_rate": 0.001, "iterations": 30_000, "batch": 24}
DDRNET_IMAGENET = {  # Section III-B
    "crop": (224, 224), "batch": 256, "iterations": 100 * 5005, "learning_rate": 0.1, "schedule": "step",
    "step_at": (30 / 100, 60 / 100, 90 / 100), "weight_decay": 0.0001, "momentum": 0.9, "nesterov": True,
}  # fmt: skip
STDC_IMAGENET = {  # Section 4.1
    "batch": 64, "iterations": 300 * 20_019, "learning_rate": 0.1, "schedule": "cosine", "weight_decay": 0.0001,
    "momentum": 0.9, "warmup_iterations": 5 * 20_019, "warmup_start": 0.001 / 0.1, "label_smoothing": 0.1,
}  # fmt: skip
HARDNET_IMAGENET = {  # PingoLH/Pytorch-HarDNet, imagenet/README.md
    "batch": 256, "iterations": 150 * 5005, "learning_rate": 0.05, "schedule": "cosine", "weight_decay": 6e-5,
    "nesterov": True, "label_smoothing": 0.0,
}  # fmt: skip

PUBLISHED: dict[str, dict[str, Any]] = {
    "ddrnet_23_slim_cityscapes": DDRNET | {"init": "ddrnet_23_slim_imagenet.safetensors"},
    "ddrnet_23_cityscapes": DDRNET | {"init": "ddrnet_23_imagenet.safetensors"},
    "ddrnet_39_cityscapes": DDRNET | {"init": "ddrnet_39_imagenet.safetensors"},
    "ddrnet_23_slim_camvid_720": DDRNET_CAMVID | {"init": "ddrnet_23_slim_imagenet.safetensors"},
    "ddrnet_23_camvid_720": DDRNET_CAMVID | {"init": "ddrnet_23_imagenet.safetensors"},
    "ddrnet_23_slim_camvid_720_from_cityscapes": DDRNET_FROM_CITYSCAPES
    | {"init": "ddrnet_23_slim_cityscapes.safetensors"},
    "ddrnet_23_camvid_720_from_cityscapes": DDRNET_FROM_CITYSCAPES | {"init": "ddrnet_23_cityscapes.safetensors"},
    "ddrnet_23_cocostuff": DDRNET_COCO | {"init": "ddrnet_23_imagenet.safetensors"},
    "ddrnet_39_cocostuff": DDRNET_COCO | {"init": "ddrnet_39_imagenet.safetensors"},
    "stdc1_seg50_cityscapes": STDC | {"init": "stdc1_imagenet.safetensors"},
    "stdc2_seg50_cityscapes": STDC | {"init": "stdc2_imagenet.safetensors"},
    "stdc1_seg75_cityscapes": STDC_75 | {"init": "stdc1_imagenet.safetensors"},
    "stdc2_seg75_cityscapes": STDC_75 | {"init": "stdc2_imagenet.safetensors"},
    "stdc1_camvid_720": STDC_CAMVID | {"init": "stdc1_imagenet.safetensors"},
    "stdc2_camvid_720": STDC_CAMVID | {"init": "stdc2_imagenet.safetensors"},
    "bisenetv2_cityscapes": BISENETV2,
    "bisenetv2_large_cityscapes": BISENETV2,
    "bisenetv2_camvid_720": BISENETV2_CAMVID,
    "bisenetv2_large_camvid_720": BISENETV2_CAMVID,
    "bisenetv2_camvid_720_from_cityscapes": BISENETV2_CAMVID | {"init": "bisenetv2_cityscapes.safetensors"},
    "bisenetv2_large_camvid_720_from_cityscapes": BISENETV2_CAMVID | {"init": "bisenetv2_large_cityscapes.safetensors"},
    "bisenetv2_cocostuff": BISENETV2_COCO,
    "bisenetv2_large_cocostuff": BISENETV2_COCO,
    "fassd_net_cityscapes": FASSD | {"init": "fc_hardnet_70_imagenet.safetensors"},
    "fassd_net_l1_cityscapes": FASSD | {"init": "fc_hardnet_70_imagenet.safetensors"},
    "fassd_net_l2_cityscapes": FASSD | {"init": "fc_hardnet_70_imagenet.safetensors"},
    "fassd_net_cityscapes_final": FASSD_FINAL | {"init": "fassd_net_cityscapes.safetensors"},
    "fassd_net_l1_cityscapes_final": FASSD_FINAL | {"init": "fassd_net_l1_cityscapes.safetensors"},
    "fassd_net_l2_cityscapes_final": FASSD_FINAL | {"init": "fassd_net_l2_cityscapes.safetensors"},
    "ddrnet_23_slim_imagenet": DDRNET_IMAGENET,
    "ddrnet_23_imagenet": DDRNET_IMAGENET,
    "ddrnet_39_imagenet": DDRNET_IMAGENET,
    "stdc1_imagenet": STDC_IMAGENET,
    "stdc2_imagenet": STDC_IMAGENET,
    "fc_hardnet_70_imagenet": HARDNET_IMAGENET,
}
# On two cores: from scratch on CamVid, the stages of the shipped weights, and fine-tuning.
FROM_SCRATCH = {"ddrnet_23_slim_camvid", "bisenetv2_camvid", "fassd_net_l2_camvid", "stdc1_camvid"}
STAGES = {
    "ddrnet_23_slim_streets", "ddrnet_23_slim_camvid_pretrained", "ddrnet_23_slim_camvid_pretrained_restart",
    "bisenetv2_camvid_enlarged", "bisenetv2_camvid_restart", "bisenetv2_camvid_decay",
    "fassd_net_l2_streets", "fassd_net_l2_camvid_pretrained", "fassd_net_streets", "fassd_net_camvid_pretrained",
    "stdc1_streets", "stdc1_camvid_pretrained",
}  # fmt: skip

# Every field of every recipe: what a change of the recipes' files must not change.
NUMBERS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "recipes.json").read_text())
# In the file a classifier's crops stand under the names that they had before they had fields of their own.
CLASSIFICATION_NAMES = {"scale": "crop_area", "aspect": "crop_aspect"}
# Fields that are younger than a recipe's entry in the file have their defaults there.
DEFAULTS = {
    field.name: field.default for field in dataclasses.fields(Recipe) if field.default is not dataclasses.MISSING
}

RECIPE_FILES = sorted(Path(recipes.__file__).parent.glob("*.py"))


def test_there_are_the_recipes_of_the_table() -> None:
    assert NUMBERS.keys() == RECIPES.keys()


@pytest.mark.parametrize("name", NUMBERS)
def test_a_recipe_keeps_its_numbers(name: str) -> None:
    expected = NUMBERS[name]
    if expected["task"] == "classification":
        expected = {CLASSIFICATION_NAMES.get(field, field): value for field, value in expected.items()}
    fields = json.loads(json.dumps(dataclasses.asdict(recipe_named(name))))  # lists for tuples, as in the file
    assert fields == json.loads(json.dumps(DEFAULTS)) | expected


def calls(node: ast.AST) -> list[str]:
    """Return the names of the functions that are called in a piece of source."""
    return [ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)]


@pytest.mark.parametrize("path", [path for path in RECIPE_FILES if path.stem != "recipes"], ids=lambda path: path.stem)
def test_a_recipe_is_whole_or_one_step_from_a_whole_one_of_its_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "streetseg.training.recipe"}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    whole = {name for name, node in functions.items() if set(calls(node)) <= {"Recipe", "tuple", "range"}}
    for name in functions.keys() - whole:
        called = calls(functions[name])
        assert called[0] == "dataclasses.replace"
        assert set(called) - {"dataclasses.replace", "tuple", "range"} <= whole, f"{name} is more than one step away"
        assert len(set(called) & whole) == 1
    if path.stem in ("camvid", "streets", "finetune"):
        assert functions.keys() == whole


@pytest.mark.parametrize("name", sorted(FROM_SCRATCH | STAGES))
def test_our_recipes_say_how_they_were_run(name: str) -> None:
    lines = [line.strip() for line in (RECIPES[name].__doc__ or "").splitlines()]
    for label in ("Command", "Time", "Reached", "Starts from"):
        assert [line for line in lines if line.startswith(f"{label}: ")], label
    assert f"streetseg train --recipe {name} --data" in (RECIPES[name].__doc__ or "")


@pytest.mark.parametrize("path", sorted(WEIGHTS.parent.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_stage_of_a_shipped_artefact_is_a_recipe(path: Path) -> None:
    """From its card back to the stage that starts from nothing."""
    name = read_card(path).recipe["name"]
    while name:
        assert name in STAGES
        name = recipe_named(name).init.removesuffix(".safetensors")


@pytest.mark.parametrize("name", RETIRED)
def test_a_recipe_that_is_gone_names_what_took_its_place(name: str) -> None:
    assert RETIRED[name] in STAGES
    with pytest.raises(RecipeError, match=f"{name} is gone: its weights no longer ship; take {RETIRED[name]}, or"):
        recipe_named(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_has_the_published_numbers(name: str) -> None:
    recipe = dataclasses.asdict(recipe_named(name))
    for field, value in PUBLISHED[name].items():
        assert recipe[field] == (pytest.approx(value) if isinstance(value, (float, tuple)) else value), field


def test_every_recipe_has_its_numbers_checked() -> None:
    assert RECIPES.keys() == PUBLISHED.keys() | FROM_SCRATCH | STAGES | {"finetune"}


@functools.cache
def network_and_heads(name: str) -> tuple[Any, set[str]]:
    """A network without weights, and its auxiliary heads."""
    with torch.device("meta"):
        network = MODELS[name](3, aux=True) if name in MODELS else CLASSIFIERS[name](3)
        outputs: Outputs = network.eval()(torch.zeros(1, 3, 128, 128))
    return network, set(outputs.aux)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "finetune"])
def test_a_recipe_names_what_exists(name: str) -> None:
    recipe = recipe_named(name)
    assert recipe.name == name
    network, heads = network_and_heads(recipe.network)
    assert recipe.aux_weights.keys() | recipe.detail_weights.keys() <= heads
    assert recipe.learning_rate_factors.keys() <= dict(network.named_children()).keys()
    assert (recipe.network in CLASSIFIERS) == (recipe.task == "classification")
    assert not any(side % getattr(network, "size_multiple", 1) for side in recipe.crop)
    assert not recipe.init or recipe.init.removesuffix(".safetensors") in RECIPES
    (summary,) = [recipe.summary for recipe in list_recipes() if recipe.name == name]
    assert summary.endswith(".")  # a whole sentence


def test_an_unknown_recipe_offers_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean ddrnet_23_slim_camvid"):
        recipe_named("ddrnet_23_slim_camvd")


def test_listing_and_printing_recipes_needs_no_torch() -> None:
    code = "import sys; from streetseg.cli import main; main(['recipes']); main(['recipes', 'finetune']); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout


def test_the_list_of_recipes_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert set(RECIPES) <= {line.split(" ")[0] for line in lines}
    assert list(list_recipes().facts()) == list(RECIPES)


@pytest.mark.slow
def test_finetuning_fits_every_network() -> None:
    for name in MODELS:
        size_multiple = cast(Network, network_and_heads(name)[0]).size_multiple
        assert not any(side % size_multiple for side in recipe_named("finetune").crop), name
