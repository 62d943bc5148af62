"""Tasks by name: each opens its kind of data, and refuses the other kind in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.datasets import open_dataset
from streetseg.data.imagenet import open_imagenet
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_folder, write_imagenet
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.tasks.tasks import TASKS, open_task

SEGMENTATION, CLASSIFICATION = recipe_named("ddrnet_23_slim_camvid"), recipe_named("ddrnet_23_slim_imagenet")


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("streets")
    write_folder(root, {"train": 1}, size=(32, 48))
    return root


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    write_imagenet(root, {"train": 1}, classes=2, size=(32, 48))
    return root


def test_a_task_takes_a_folder_or_what_is_open(streets: Path, images: Path) -> None:
    for recipe, root, opened in (
        (SEGMENTATION, streets, open_dataset(streets)),
        (CLASSIFICATION, images, open_imagenet(images)),
    ):
        for data in (root, str(root), opened):
            task = open_task(recipe, data)
            assert type(task) is TASKS[recipe.task]
            assert len(task.classes) == (11 if root == streets else 2)


def test_the_data_of_another_task_is_refused(streets: Path, images: Path) -> None:
    with pytest.raises(DatasetError, match="holds images sorted by class; segmentation trains on class maps"):
        open_task(SEGMENTATION, open_imagenet(images))
    with pytest.raises(DatasetError, match="holds class maps; classification trains on images sorted by class"):
        open_task(CLASSIFICATION, open_dataset(streets))
