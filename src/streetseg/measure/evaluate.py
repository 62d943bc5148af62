"""Judging an artefact on a dataset, by the same Segmenter a user runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import Dataset, Pair, check_sizes
from streetseg.errors import DatasetError
from streetseg.measure.metrics import Scores, confusion_matrix, scores
from streetseg.runtime.frames import read_frame

Predict = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Evaluation:
    """One confusion matrix over all pixels of a split, and what it says. frames: how many were judged."""

    matrix: NDArray[np.int64]
    names: tuple[str, ...]
    frames: int
    scores: Scores


def evaluate(
    predict: Predict,
    names: tuple[str, ...],
    dataset: Dataset,
    split: str,
    progress: Callable[[Iterable[Pair]], Iterable[Pair]] = iter,
) -> Evaluation:
    """Run `predict` (frame -> class map of the frame's size) over a split.

    names: what the predicted indices mean; they must be the dataset's classes, in any order. Void pixels do not
    count. DatasetError where classes differ, or a frame or label cannot be used.
    """
    pairs = dataset.pairs(split)
    if not pairs:
        raise DatasetError(f"{dataset.root} ({dataset.name}) has no frames in split {split!r}")
    theirs = dataset.labels.names
    if set(names) != set(theirs):
        raise DatasetError(
            f"the weights know {', '.join(names)}; {dataset.root} ({dataset.name}) has {', '.join(theirs)}; "
            "take weights of the same classes"
        )
    to_ours = np.full(256, 255, np.uint8)
    to_ours[: len(theirs)] = [names.index(name) for name in theirs]

    matrix = np.zeros((len(names), len(names)), np.int64)
    for pair in progress(pairs):
        frame, label = read_frame(pair.image), dataset.read_label(pair)
        check_sizes(pair, frame, label)
        matrix += confusion_matrix(to_ours[label], predict(frame), len(names))
    if not matrix.any():
        raise DatasetError(f"{dataset.root} ({dataset.name}) has no labelled pixel in split {split!r}: all is void")
    return Evaluation(matrix, names, len(pairs), scores(matrix))
