"""A run starts from other weights as far as they fit, and says how far."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import pytest
import torch

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import LabelSpace
from streetseg.errors import ArtefactError, StreetsegError, TrainingError, UsageError
from streetseg.models.networks import build
from streetseg.models.weights import open_weights, save_weights
from streetseg.streets.datasets import write_folder, write_imagenet
from streetseg.training.recipe import Recipe, resolve
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.run import Run
from streetseg.training.tasks.segmentation import open_samples
from streetseg.training.train import train
from tests.support.runs import open_run
from tests.support.small_recipe import small

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"
NO_AUX = "aux_weights="
assert_close = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-3)  # the memory layouts differ, and so the sums


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own data."""
    root = tmp_path_factory.mktemp("own")
    write_folder(root, {"train": 2, "val": 1}, size=(96, 128))
    return root


def started(root: Path, recipe: Recipe, *names: str) -> tuple[Run, str]:
    """A run that has taken the recipe's weights, on data whose classes are called so."""
    dataset = open_dataset(root)
    if names:
        colours = tuple((n, 0, 0) for n in range(len(names)))
        dataset = dataclasses.replace(dataset, labels=LabelSpace(names, colours))
    run = open_run(recipe, dataset, open_samples(open_dataset(root), "train", 96, None))
    return run, run.start_from(Path(recipe.init))


def test_same_classes_start_as_the_same_network(own: Path) -> None:
    recipe = resolve(override(recipe_named("finetune"), [f"init={SHIPPED}"]))
    network, card = open_weights(SHIPPED)
    assert (recipe.network, recipe.native_short_side, recipe.mean) == ("ddrnet_23_slim", 360, card.mean)
    run, said = started(own, recipe)
    x = torch.randn(1, 3, 64, 64)
    assert_close(run.network.eval()(x).logits, network(x).logits)
    assert "at their initialisation: aux_head" in said
    assert "class" not in said


def test_other_classes_keep_the_network_and_the_rows_they_share(own: Path) -> None:
    """The head's rows go by the classes' names, also where there are as many."""
    network, card = open_weights(SHIPPED)
    names = ("tram", "sky", *card.classes[2:])
    run, said = started(own, small(f"init={SHIPPED}"), *names)
    x = torch.randn(1, 3, 64, 64)
    ours, theirs = run.network.eval()(x).logits, network(x).logits
    assert said.endswith("aux_head, class tram")
    assert_close(ours[:, 1], theirs[:, card.classes.index("sky")])
    assert_close(ours[:, 2:], theirs[:, 2:])
    assert not torch.allclose(ours[:, 0], theirs[:, 0], atol=0.1)

    run, said = started(own, small(f"init={SHIPPED}"), "lane", "road")
    assert_close(run.network.eval()(x).logits[:, 1], theirs[:, card.classes.index("road")])
    assert said.endswith("aux_head, class lane")


def test_classes_of_other_names_take_the_rows_that_they_are_said_or_known_to_be(own: Path) -> None:
    """By synonym, by spelling, and by the user's mapping; two of them may take one row."""
    network, card = open_weights(SHIPPED)
    x = torch.randn(1, 3, 64, 64)
    theirs = network(x).logits
    dataset = open_dataset(own)
    names = ("vegetation", "Traffic-Sign", "human", "truck", "bus", "lane")
    dataset = dataclasses.replace(dataset, labels=LabelSpace(names, tuple((n, 0, 0) for n in range(6))))
    run = open_run(small(f"init={SHIPPED}"), dataset, open_samples(open_dataset(own), "train", 96, None))
    run.task.mapping = {"human": "pedestrian", "truck": "car", "bus": "Car"}
    said = run.start_from(SHIPPED)
    ours = run.network.eval()(x).logits
    for row, name in enumerate(("tree", "sign", "pedestrian", "car", "car")):
        assert_close(ours[:, row], theirs[:, card.classes.index(name)])
    assert said.endswith(
        "classes = of the weights: human = pedestrian, truck = car, bus = car (by --map); vegetation = tree, "
        "Traffic-Sign = sign (synonyms); at their initialisation: aux_head, class lane"
    )


def test_a_wrong_mapping_is_refused_before_anything_is_written(own: Path, tmp_path: Path) -> None:
    for mapping, complaint in (
        ({"rod": "road"}, "the labels have no class 'rod'; did you mean 'road'?"),
        ({"road": "rood"}, "the weights have no class 'rood'; did you mean 'road'?"),
    ):
        with pytest.raises(UsageError) as caught:
            train("finetune", own, tmp_path / "run", init=SHIPPED, mapping=mapping, progress=False)
        assert complaint in str(caught.value)
    with pytest.raises(UsageError, match="--map needs weights to start from; add --init FILE"):
        train(small(), own, tmp_path / "run", mapping={"road": "road"}, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("argument", ["width:0.5", "expansion:2", "head_width:64"])
def test_another_form_of_the_network_is_told(argument: str, own: Path, tmp_path: Path) -> None:
    card = dataclasses.replace(open_weights(SHIPPED)[1], network="bisenetv2")
    save_weights(tmp_path / "b.safetensors", build("bisenetv2", len(card.classes)).state_dict(), card)
    recipe = small("network=bisenetv2", f"network_arguments={argument}", f"init={tmp_path / 'b.safetensors'}", NO_AUX)
    with pytest.raises(TrainingError, match=r"b\.safetensors holds another form of bisenetv2: \d+ tensors are of an"):
        started(own, recipe)


@pytest.mark.slow
def test_a_backbone_is_pre_trained_and_taken_over(own: Path, tmp_path: Path) -> None:
    write_imagenet(tmp_path / "imagenet", {"train": 1, "val": 1}, size=(96, 128))
    small_steps = ["iterations=2", "batch=2", "crop=64,64", "evaluate_every=2"]
    recipe = override(recipe_named("ddrnet_23_slim_imagenet"), small_steps)
    backbone = train(recipe, tmp_path / "imagenet", tmp_path / "run", progress=False).weights
    assert '"accuracy": ' in (tmp_path / "run" / "log.jsonl").read_text()
    content = backbone.read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    for spoilt in (content[: len(content) // 2], content[:-900] + bytes(800) + content[-100:]):
        damaged.write_bytes(spoilt)
        with pytest.raises(ArtefactError, match=r"damaged\.safetensors is a damaged backbone.*; get the file again"):
            started(own, small(f"init={damaged}"))
    _, said = started(own, small(f"init={backbone}"))
    assert "starting from ddrnet_23_slim_classifier" in said
    for word in ("aux_head", "context", "head"):
        assert word in said.partition("initialisation: ")[2]
    with pytest.raises(TrainingError, match="holds weights of ddrnet_23_slim_classifier, and the recipe trains stdc1"):
        started(own, small(f"init={backbone}", "network=stdc1", "aux_weights="))
    with pytest.raises(StreetsegError, match="is a backbone, for streetseg train --init"):
        open_weights(backbone)


def test_weights_that_cannot_be_taken_are_named(own: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"holds weights of ddrnet_23_slim, and the recipe trains stdc1; start from"
    ):
        started(own, small(f"init={SHIPPED}", "network=stdc1", "aux_weights="))
    with pytest.raises(TrainingError, match="which the recipe starts from, does not exist; name other weights"):
        started(own, small("init=gone.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(SHIPPED.read_bytes()[:5000])
    with pytest.raises(ArtefactError):
        started(own, small(f"init={tmp_path / 'bad.safetensors'}"))
