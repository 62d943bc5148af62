"""Runs that tests take step by step."""

from __future__ import annotations

from pathlib import Path

import torch

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.training.dataset import Samples
from streetseg.training.recipe import Recipe
from streetseg.training.run import Run
from streetseg.training.tasks.tasks import open_task

CPU = torch.device("cpu")


def open_run(
    recipe: Recipe,
    data: Dataset | LabelledImages | Path,
    samples: Samples | None = None,
    device: torch.device = CPU,
) -> Run:
    """Return a run before its first step, on these samples or its own."""
    return Run.open(open_task(recipe, data), device, samples=samples)
