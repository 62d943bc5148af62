"""The tasks by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.training.recipe import Recipe
from streetseg.training.tasks.classification import Classification
from streetseg.training.tasks.segmentation import Segmentation
from streetseg.training.tasks.task import Task

TASKS: dict[str, Any] = {"segmentation": Segmentation, "classification": Classification}


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
        DatasetError: The folder holds no dataset for the task.
    """
    kind = TASKS[recipe.task]
    if isinstance(data, str | Path):
        data = kind.open_data(Path(data), dataset)
    task: Task = kind(recipe, data, cache)
    return task
