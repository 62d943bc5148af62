"""Names of other training codes lead to the field, or to the option, that means the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from streetseg.cli import main
from streetseg.errors import RecipeError
from streetseg.streets.datasets import write_folder
from streetseg.training.field_names import ELSEWHERE, EPOCHS, MEANINGS, suggest
from streetseg.training.recipe import Recipe
from streetseg.training.recipes.recipes import recipe_named

NAMES = [field.name for field in fields(Recipe)]


def hint(name: str, value: object = 5) -> str:
    return suggest(name, value, NAMES, lambda epochs: f"epochs {epochs}")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("lr", "learning_rate"), ("LR", "learning_rate"), ("base_lr", "learning_rate"), ("lr0", "learning_rate"),
        ("optimizer.lr", "learning_rate"), ("learningRate", "learning_rate"), ("learning-rate", "learning_rate"),
        ("learing_rate", "learning_rate"), ("wd", "weight_decay"), ("l2", "weight_decay"), ("bs", "batch"),
        ("batch_size", "batch"), ("samples_per_gpu", "batch"), ("img_size", "crop"), ("imgsz", "crop"),
        ("crop_size", "crop"), ("max_iters", "iterations"), ("num_steps", "iterations"), ("iteration", "iterations"),
        ("optimizer", "optimiser"), ("optim", "optimiser"), ("lr_scheduler", "schedule"), ("power", "poly_power"),
        ("milestones", "step_at"), ("warmup_steps", "warmup_iterations"), ("warmup_iters", "warmup_iterations"),
        ("eval_interval", "evaluate_every"), ("val_freq", "evaluate_every"), ("save_interval", "checkpoint_every"),
        ("early_stopping", "patience"), ("fp16", "precision"), ("amp", "precision"), ("sync_bn", "sync_norms"),
        ("pretrained", "init"), ("weights", "init"), ("model", "network"), ("backbone", "network"),
        ("class_weights", "class_weight_power"), ("label_smooth", "label_smoothing"), ("max_grad_norm", "clip_norm"),
        ("grad_accum", "accumulate"), ("ema", "ema_decay"), ("hflip", "flip"), ("color_jitter", "jitter"),
        ("criterion", "loss"), ("ohem_thresh", "ohem_threshold"), ("aux_loss_weight", "aux_weights"),
        ("beta1", "momentum"), ("random_seed", "seed"), ("val_split", "evaluate_split"), ("torch_compile", "compile"),
        ("max_batch", "batch"), ("checkpoint_frequency", "checkpoint_every"), ("base_learning_rate", "learning_rate"),
        ("batch_size_train", "batch"), ("use_lr", "learning_rate"), ("input_res", "crop"), ("val", "evaluate_split"),
        ("freeze_backbone", "learning_rate_factors"),
    ],
)  # fmt: skip
def test_names_of_other_codes(name: str, field: str) -> None:
    assert hint(name).startswith(f"did you mean {field}"), hint(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("epochs", "epochs 5"), ("max_epochs", "epochs 5"), ("numEpochs", "epochs 5"),
        ("warmup_epochs", "did you mean warmup_iterations, counted in steps?"),
        ("bs", "did you mean batch (--batch N)?"), ("img_size", "did you mean crop (--crop HxW)?"),
        ("num_workers", "give it as --workers N"), ("device", "give it as --device; "), ("resume", "add --resume; "),
        ("num_classes", "the dataset's class file says it"), ("gamma", "the schedule says how the rate falls"),
        ("mosaic", "there is no such augmentation; there are "),
        ("quux", "`streetseg recipes NAME` prints"),
    ],
)  # fmt: skip
def test_names_that_are_no_field(name: str, said: str) -> None:
    assert hint(name).startswith(said)


def test_the_tables_name_fields_and_say_each_name_once() -> None:
    assert MEANINGS.keys() <= set(NAMES)
    names = [
        name for table in (MEANINGS.values(), ELSEWHERE.keys(), [EPOCHS]) for each in table for name in each.split()
    ]
    assert not [name for name, times in Counter(names).items() if times > 1]
    assert not set(names) & set(NAMES)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A user's data: 4 frames to train on."""
    write_folder(tmp_path / "data", {"train": 4, "val": 1}, size=(48, 64))
    return tmp_path / "data"


def test_the_command_line_says_it_in_a_line_with_the_steps_worked_out(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*settings: str) -> str:
        options = [part for setting in settings for part in ("--set", setting)]
        command = ["train", "--recipe", "finetune", "--data", str(few), "--out", str(tmp_path / "run"), *options]
        assert main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "no field 'lr'; did you mean learning_rate?" in said("lr=0.01")
    assert "--epochs 5, or iterations=3 (4 frames in batches of 8: an epoch is 0.5 steps)" in said("epochs=5")
    assert "iterations=10 (4 frames in batches of 2: an epoch is 2 steps)" in said("epochs=5", "batch=2")
    assert "give --epochs many, or iterations" in said("epochs=many")
    assert not (tmp_path / "run").exists()


def test_a_toml_file_is_told_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "finetune"\nbatch_size = 4\n')
    with pytest.raises(RecipeError, match="no field 'batch_size'; did you mean batch "):
        recipe_named(str(path))
