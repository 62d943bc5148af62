"""The tasks by name."""

from __future__ import annotations

from pathlib import Path

import torch

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.training.recipe import Recipe
from streetseg.training.tasks.classification import Classification
from streetseg.training.tasks.segmentation import Segmentation, build_network
from streetseg.training.tasks.task import Task

TASKS: dict[str, type[Task]] = {"segmentation": Segmentation, "classification": Classification}


def open_data(task: str, data: Dataset | LabelledImages | Path | str, dataset: str | None) -> Dataset | LabelledImages:
    """Return the data of a task; DatasetError if the folder holds none for it."""
    return TASKS[task].open_data(data, dataset) if isinstance(data, Path | str) else data


def frame_paths(data: Dataset | LabelledImages, split: str) -> list[Path]:
    """Return the frames of a split; DatasetError if there is no such split."""
    if isinstance(data, LabelledImages):
        return [path for path, _ in data.items(split)]
    return [pair.image for pair in data.pairs(split)]


def size_multiple(recipe: Recipe) -> int:
    """Return the number of pixels whose multiples the sides of the network's frames are."""
    if recipe.task != "segmentation":
        return 1
    with torch.device("meta"):
        return build_network(recipe.network, 2, recipe.network_arguments).size_multiple


def open_task(
    recipe: Recipe,
    data: Dataset | LabelledImages | Path | str,
    *,
    dataset: str | None = None,
    cache: Path | None = None,
) -> Task:
    """Return the recipe's task on a dataset.

    Args:
        recipe: A resolved recipe.
        data: A dataset, or its folder.
        dataset: Name of the dataset; None tells it by the folder's layout.
        cache: Folder of a memory-mapped cache of the decoded samples; None keeps them in memory.

    Raises:
        DatasetError: The folder holds no dataset for the task, or the dataset is another task's.
    """
    return TASKS[recipe.task].open(recipe, data, dataset=dataset, cache=cache)
