"""The recipes hold the papers' numbers, name what exists, and can be changed field by field."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from streetseg.errors import ArtefactError, RecipeError
from streetseg.models.networks import CLASSIFIERS, MODELS
from streetseg.models.outputs import Outputs
from streetseg.runtime.card import read_card
from streetseg.training.recipe import Recipe, override, resolve
from streetseg.training.recipes.recipes import RECIPES, list_recipes, recipe_named

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
STDC = SGD | {  # MichaelFan01/STDC-Seg: train.py, optimizer_loss.py, model_stages.py, README.md
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
# From nothing, on two cores: what the shipped weights were trained by, with each family's heads.
OURS = {
    "ddrnet_23_slim_camvid", "ddrnet_23_slim_camvid_enlarged", "ddrnet_23_slim_camvid_restart",
    "ddrnet_23_slim_camvid_cameras", "ddrnet_23_slim_camvid_decay", "ddrnet_23_slim_camvid_shade",
    "ddrnet_23_slim_streets", "ddrnet_23_slim_camvid_pretrained", "ddrnet_23_slim_camvid_pretrained_restart",
    "stdc1_camvid", "stdc1_camvid_enlarged", "stdc1_camvid_decay", "stdc1_streets", "stdc1_camvid_pretrained",
    "bisenetv2_camvid", "bisenetv2_camvid_enlarged", "bisenetv2_camvid_restart",
    "bisenetv2_camvid_decay",
    "fassd_net_l2_camvid", "fassd_net_l2_camvid_enlarged", "fassd_net_l2_camvid_restart",
    "fassd_net_l2_camvid_decay", "fassd_net_l2_streets", "fassd_net_l2_camvid_pretrained",
    "fassd_net_streets", "fassd_net_camvid_pretrained",
    "finetune",
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_has_the_published_numbers(name: str) -> None:
    recipe = dataclasses.asdict(recipe_named(name))
    for field, value in PUBLISHED[name].items():
        assert recipe[field] == (pytest.approx(value) if isinstance(value, (float, tuple)) else value), field


def test_every_recipe_has_its_numbers_checked() -> None:
    assert RECIPES.keys() == PUBLISHED.keys() | OURS


@functools.cache
def network_and_heads(name: str) -> tuple[nn.Module, set[str]]:
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
    (line,) = [line for line in list_recipes().splitlines() if line.startswith(f"{name} ")]
    assert line.endswith(".")  # a whole sentence


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
        ("loss=ohm", "takes one of ohem, cross_entropy, bootstrapped, got 'ohm'"),
        ("accumulate=3", "batch 8 cannot be taken in 3 equal parts"),
        ("scale=0,1", r"scale is \(0.0, 1.0\); it must be above 0"),
        ("operating_scale=5", "must be above 0 and at most 4"),
        ("flip=50", "must be 0 to 1"),
        ("label_smoothing=0.1", "label_smoothing is for loss=cross_entropy; ohem has none"),
        ("task=classification", "class_weight_power is for segmentation; a classifier's classes weigh the same"),
        ("warmup=exponential", "needs warmup_start above 0"),
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


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(RecipeError, match="nesterov needs a momentum above 0"):
        override(recipe_named("ddrnet_23_slim_camvid"), ["optimiser=sgd", "nesterov=true", "momentum=0"])


def test_an_unknown_recipe_offers_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean ddrnet_23_slim_camvid"):
        recipe_named("ddrnet_23_slim_camvd")


def test_a_toml_file_changes_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'base = "stdc1_camvid"\niterations = 5\nlearning_rate = 1\ncrop = [64, 96]\nscale_list = [0.5, 1]\n'
        "nesterov = true\naux_weights = {arm16 = 0.4}\nnetwork_arguments = {detail = [4, 8]}\n"
    )
    expected = dataclasses.replace(
        recipe_named("stdc1_camvid"),
        name="mine", iterations=5, learning_rate=1.0, crop=(64, 96), scale_list=(0.5, 1.0), nesterov=True,
        aux_weights={"arm16": 0.4}, network_arguments={"detail": [4, 8]},
    )  # fmt: skip
    assert recipe_named(str(path)) == expected
    path.write_text(path.read_text(), encoding="utf-8-sig")  # as some editors save it
    assert recipe_named(str(path)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iterations = 5", "must name the recipe that it changes"),
        ('base = "stdc1_camvd"', "did you mean stdc1_camvid"),
        ('base = "stdc1_camvid"\niterations = 5.5', "takes int, got 5.5"),
        ('base = "stdc1_camvid"\niterations = true', "takes int, got True"),
        ('base = "stdc1_camvid"\ncrop = 5', r"takes tuple\[int, int\], written 1,2, got 5"),
        ('base = "stdc1_camvid"\naux_weights = [1]', r"takes dict\[str, float\]"),
        ('base = "stdc1_camvid"\n[crop', "is no TOML file"),
        (None, "cannot be read"),
    ],
)
def test_a_toml_file_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        recipe_named(str(path))
    assert "\n" not in str(caught.value)


def test_finetuning_fits_every_network() -> None:
    for name in MODELS:
        size_multiple = network_and_heads(name)[0].size_multiple
        assert not any(side % size_multiple for side in recipe_named("finetune").crop), name


def test_finetuning_takes_what_it_leaves_open_from_the_card(tmp_path: Path) -> None:
    card = read_card(WEIGHTS)
    recipe: Recipe = resolve(override(recipe_named("finetune"), [f"init={WEIGHTS}"]))
    assert (recipe.network, recipe.mean, recipe.std) == (card.network, card.mean, card.std)
    assert (recipe.native_short_side, recipe.operating_scale) == (card.native_short_side, card.operating_scale)
    with pytest.raises(RecipeError, match="name them: --init"):
        resolve(recipe_named("finetune"))
    with pytest.raises(RecipeError, match="is no file here"):
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
