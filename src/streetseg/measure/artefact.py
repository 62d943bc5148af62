"""Judging an artefact in one call, as `streetseg.evaluate`."""

from __future__ import annotations

from pathlib import Path

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.measure import evaluate as frames
from streetseg.runtime.segmenter import Segmenter


def evaluate(
    artefact: Path | str | None = None, *, data: Dataset | Path | str, split: str = "val", engine: str | None = None
) -> frames.Evaluation:
    """The accuracy of an artefact (by default, of the weights that come with the package) on a split of a dataset or of
    the dataset in a folder, as the command of that name counts it. See Segmenter.open and measure.evaluate for errors.
    """
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    segmenter = Segmenter.open(artefact, engine=engine)
    return frames.evaluate(lambda frame: segmenter(frame).classmap, segmenter.card.classes, dataset, split)
