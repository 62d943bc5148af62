"""The card keeps what the initial weights were trained on: after fine-tuning, an export, a resumed run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
import pytest
import torch

from streetseg.export.convert import convert
from streetseg.export.graph import with_card
from streetseg.export.targets import export
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import CARD_VERSION, ModelCard
from streetseg.streets.datasets import write_folder, write_imagenet
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.train import train
from tests.support.checkpoints import save
from tests.support.paths import ROOT
from tests.support.reference_rules import Reference
from tests.support.small_recipe import small

pytestmark = pytest.mark.slow

SHIPPED = ROOT / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"
STEPS = {"iterations": 1, "batch": 2, "crop": (64, 64), "evaluate_every": 0}
OWN_TERMS = "Trained on its maker's own data; ask them for its terms."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own data, in a folder that is called own."""
    root = tmp_path_factory.mktemp("data") / "own"
    write_folder(root, {"train": 4, "val": 1}, size=(96, 128))
    return root


@pytest.fixture(scope="module")
def tuned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights, fine-tuned on it."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    return train("finetune", data, out, init=SHIPPED, settings=STEPS, progress=False).weights


def check_names_camvid(card: ModelCard) -> None:
    """The card states its own data, and CamVid with the terms and limits of the initial weights' card."""
    shipped = read_card(SHIPPED)
    assert card.card_version == CARD_VERSION
    assert card.training_data.startswith("own, split train; started from weights trained on camvid, split trainval")
    assert card.terms.startswith(OWN_TERMS)
    assert shipped.terms in card.terms
    assert all(any(limit in stated for stated in card.limits) for limit in shipped.limits)
    eldest = card.ancestors[-1]
    assert (eldest.network, eldest.training_data, eldest.terms) == (
        shipped.network, shipped.training_data, shipped.terms,
    )  # fmt: skip
    assert (eldest.limits, eldest.recipe, eldest.content_hash) == (
        shipped.limits, shipped.recipe, shipped.content_hash,
    )  # fmt: skip


def test_fine_tuned_weights_and_their_export_name_the_terms_of_the_initial_weights(tuned: Path, tmp_path: Path) -> None:
    card = read_card(tuned)
    check_names_camvid(card)
    assert len(card.ancestors) == 1
    assert card.title == "finetune"
    artefact = read_card(export(tuned, out=tmp_path / "mine.onnx").path)
    check_names_camvid(artefact)
    assert artefact.title == "mine"
    check_names_camvid(read_card(export(tuned, out=tmp_path / "mine.pt2").path))
    _, int8 = with_card(onnx.load(tmp_path / "mine.onnx"), artefact, "int8", "int8")  # as quantize writes it
    check_names_camvid(int8)


def test_fine_tuning_twice_keeps_both_ancestors(tuned: Path, data: Path, tmp_path: Path) -> None:
    again = train("finetune", data, tmp_path / "run", init=tuned, settings=STEPS, progress=False).weights
    card = read_card(again)
    check_names_camvid(card)
    assert [one.content_hash for one in card.ancestors] == [
        read_card(tuned).content_hash, read_card(SHIPPED).content_hash,
    ]  # fmt: skip
    assert card.terms.count(OWN_TERMS) == 1


def test_weights_that_start_from_nothing_have_no_ancestors(data: Path, tmp_path: Path) -> None:
    card = read_card(train(small("iterations=1"), data, tmp_path / "run", progress=False).weights)
    assert card.ancestors == ()
    assert (card.training_data, card.terms) == ("own, split train", OWN_TERMS)


def test_a_resumed_run_keeps_its_ancestors(data: Path, tmp_path: Path) -> None:
    """From its checkpoint, or, where that is of version 0.1.0, from the file that it started from."""
    init = tmp_path / "init.safetensors"
    init.write_bytes(SHIPPED.read_bytes())
    settings = STEPS | {"checkpoint_every": 1}
    out, checkpoint = tmp_path / "run", tmp_path / "run" / "checkpoint.pt"

    def resumed() -> ModelCard:
        (out / "finetune.safetensors").unlink()
        run = train("finetune", data, out, init=init, settings=settings, resume=True, progress=False)
        return read_card(run.weights)

    train("finetune", data, out, init=init, settings=settings, progress=False)
    check_names_camvid(resumed())
    state = torch.load(checkpoint, weights_only=True)
    del state["ancestors"]
    torch.save(state, checkpoint)
    check_names_camvid(resumed())
    init.unlink()
    (ancestor,) = resumed().ancestors
    assert "init.safetensors, which can no longer be read" in ancestor.training_data
    assert ancestor.terms.startswith("Unknown")


def test_a_backbone_and_its_data_are_an_ancestor(data: Path, tmp_path: Path) -> None:
    write_imagenet(tmp_path / "imagenet", {"train": 1, "val": 1}, size=(96, 128))
    steps = ["iterations=1", "batch=2", "crop=64,64", "evaluate_every=0"]
    recipe = override(recipe_named("ddrnet_23_slim_imagenet"), steps)
    backbone = train(recipe, tmp_path / "imagenet", tmp_path / "backbone", progress=False).weights
    again = train(recipe, tmp_path / "imagenet", tmp_path / "again", init=backbone, progress=False).weights
    for init, stages in ((backbone, 1), (again, 2)):
        recipe_on = small("iterations=1", f"init={init}")
        card = read_card(train(recipe_on, data, tmp_path / f"run{stages}", progress=False).weights)
        assert card.training_data == "own, split train; started from weights trained on imagenet"
        assert [one.network for one in card.ancestors] == ["ddrnet_23_slim_classifier"] * stages
        assert all(len(one.content_hash) == 64 and one.terms.startswith("Unknown") for one in card.ancestors)


def test_a_converted_checkpoint_is_an_ancestor(data: Path, tmp_path: Path) -> None:
    """Its data and terms are unknown, which is what the card of weights trained from it must say."""
    checkpoint = save(tmp_path / "theirs.pth", Reference("mmseg-ddrnet-23-slim").state_dict())
    converted = convert(checkpoint, out=tmp_path / "theirs.safetensors")
    stated = dataclasses.asdict(read_card(converted.path))
    settings = STEPS | {"aux_weights": {}}
    run = train("finetune", data, tmp_path / "run", init=converted.path, settings=settings, progress=False)
    (ancestor,) = read_card(run.weights).ancestors
    assert {name: stated[name] for name in dataclasses.asdict(ancestor)} == dataclasses.asdict(ancestor)
    assert "converted from theirs.pth" in read_card(run.weights).training_data
