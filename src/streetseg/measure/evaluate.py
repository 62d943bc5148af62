"""Evaluate an artefact on a dataset in one call: `streetseg.evaluate`."""

from __future__ import annotations

from pathlib import Path

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.frames import evaluate_frames
from streetseg.runtime.segmenter import Segmenter


def evaluate(
    artefact: Path | str | None = None, *, data: Dataset | Path | str, split: str = "val", engine: str | None = None
) -> Evaluation:
    """Return the accuracy of an artefact (by default, of the weights that come with the package) on a split of a
    dataset."""
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    segmenter = Segmenter.open(artefact, engine=engine)
    return evaluate_frames(lambda frame: segmenter(frame).classmap, segmenter.card.classes, dataset, split)
