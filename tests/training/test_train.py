"""The training loop on a real dataset folder: it learns, it resumes to the bit, and it says what is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from streetseg.data.table import open_dataset
from streetseg.errors import OutputError, TrainingError
from streetseg.models.checkpoints import open_weights
from streetseg.training.checkpoint import load_checkpoint
from streetseg.training.recipe import Recipe, override
from streetseg.training.recipes.table import recipe_named
from streetseg.training.train import Run, train

SMALL = ["batch=4", "crop=64,96", "iterations=6", "checkpoint_every=3", "warmup_iterations=2"]


def small(*settings: str) -> Recipe:
    return override(recipe_named("ddrnet_23_slim_camvid"), [*SMALL, *settings])


def test_training_learns_and_writes_weights_with_their_card(camvid: Path, tmp_path: Path) -> None:
    recipe = small("iterations=25", "checkpoint_every=1", "jitter=0")
    weights = train(recipe, open_dataset(camvid), tmp_path, progress=False)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == list(range(1, 26))
    first, last = (sum(entry["main"] for entry in part) / 5 for part in (log[:5], log[-5:]))
    assert last < 0.7 * first

    network, card = open_weights(weights)
    assert card.network == recipe.network
    assert card.classes == open_dataset(camvid).labels.names
    assert card.recipe["iterations"] == 25
    assert "Cambridge" in card.terms
    assert not any(name.startswith("aux_head") for name in network.state_dict())


def test_resuming_ends_bit_identical(camvid: Path, tmp_path: Path) -> None:
    """Stopped after 3 of 6 steps (as after a kill: what was done since the checkpoint is lost) and resumed."""
    dataset, recipe = open_dataset(camvid), small()
    whole = train(recipe, dataset, tmp_path / "whole", progress=False)

    stopped = tmp_path / "stopped"
    step = Run.train_step

    def interrupted(run: Run) -> dict[str, float]:
        if run.step == 4:
            raise KeyboardInterrupt
        return step(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, dataset, stopped, progress=False)
    assert load_checkpoint(stopped / "checkpoint.pt")["step"] == 3
    resumed = train(recipe, dataset, stopped, resume=True, progress=False)
    assert whole.read_bytes() == resumed.read_bytes()


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(camvid: Path, tmp_path: Path) -> None:
    dataset = open_dataset(camvid)
    train(small("iterations=1"), dataset, tmp_path, progress=False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="--resume"):
        train(small(), dataset, tmp_path, progress=False)
    with pytest.raises(TrainingError, match="other settings of iterations, seed"):
        train(small("seed=4"), dataset, tmp_path, resume=True, progress=False)
    (tmp_path / "checkpoint.pt").write_bytes(before["checkpoint.pt"][:1000])
    with pytest.raises(TrainingError, match="damaged"):
        train(small(), dataset, tmp_path, resume=True, progress=False)
    with pytest.raises(TrainingError, match="no run to resume"):
        train(small(), dataset, tmp_path / "new", resume=True, progress=False)


def test_a_loss_that_is_no_number_stops_the_run(camvid: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step \d+: loss term '\w+' is (nan|inf); the batch was train/") as caught:
        train(small("learning_rate=1e30", "iterations=20"), open_dataset(camvid), tmp_path, progress=False)
    assert "\n" not in str(caught.value)


def test_the_sampled_loss_has_the_full_loss_as_its_mean(camvid: Path) -> None:
    """Over all offsets of the grid, with nothing mined, the mean of the sampled losses is the full-size loss."""
    from streetseg.models.outputs import Outputs

    recipe = small("loss_stride=1", "ohem_threshold=1.1", "ohem_min_kept=0", "class_weight_power=0")
    dataset = open_dataset(camvid)
    from streetseg.training.dataset import load_samples

    run = Run(recipe, load_samples(dataset, "train", 360), 11)
    logits = torch.randn(2, 11, 8, 12, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 11, (2, 64, 96), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    outputs = Outputs(logits, {"high4": logits})
    full = run.losses(outputs, labels)["main"].item()
    run.recipe = dataclasses.replace(recipe, loss_stride=2)
    sampled = []
    for run.step in range(200):
        sampled.append(run.losses(outputs, labels)["main"].item())
    assert len(set(sampled)) == 4
    assert sum(set(sampled)) / 4 == pytest.approx(full, rel=1e-5)
