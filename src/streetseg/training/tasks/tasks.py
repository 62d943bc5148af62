"""The tasks by name."""

from __future__ import annotations

from pathlib import Path

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.training.recipe import Recipe
from streetseg.training.tasks.classification import Classification
from streetseg.training.tasks.segmentation import Segmentation
from streetseg.training.tasks.task import Task

TASKS: dict[str, type[Task]] = {"segmentation": Segmentation, "classification": Classification}


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
