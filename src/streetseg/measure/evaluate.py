"""Judging an artefact on a dataset, by the same Segmenter a user runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE, Dataset, Pair, check_sizes
from streetseg.errors import DatasetError
from streetseg.measure.boundary import BoundaryCounts
from streetseg.measure.metrics import Scores, confusion_matrix, scores
from streetseg.runtime.frames import read_frame

Predict = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class JudgedFrame:
    """A frame, H x W x 3, its label and prediction, H x W indices of the artefact's classes (255 in the label where a
    pixel does not count), and their confusion matrix."""

    name: str
    frame: NDArray[np.uint8]
    label: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    matrix: NDArray[np.int64]
    scores: Scores


@dataclass(frozen=True)
class FrameScore:
    """What is kept of a judged frame. cells: n x 3, its confusion matrix as (true, predicted, pixels)."""

    name: str
    cells: NDArray[np.int64]
    miou: float
    pixel_accuracy: float

    def matrix(self, classes: int) -> NDArray[np.int64]:
        """The confusion matrix, C x C; IndexError where a cell is beyond it."""
        matrix = np.zeros((classes, classes), np.int64)
        true, predicted, pixels = self.cells.T
        np.add.at(matrix, (true, predicted), pixels)
        return matrix


@dataclass(frozen=True)
class Evaluation:
    """One confusion matrix over all pixels of a split, and what it says.

    names: the artefact's classes. judged: those among them that the labels know. left_out: the labels' classes that the
    artefact does not know; their pixels do not count, nor do void ones. pixels, uncounted: how many of all pixels
    counted, and how many did not. frame_scores: one a frame. boundary: if it was asked for.
    """

    names: tuple[str, ...]
    judged: NDArray[np.bool_]
    left_out: tuple[str, ...]
    matrix: NDArray[np.int64]
    uncounted: int
    frame_scores: tuple[FrameScore, ...]
    boundary: BoundaryCounts | None

    @property
    def frames(self) -> int:
        """How many frames were judged."""
        return len(self.frame_scores)

    @property
    def pixels(self) -> int:
        """How many pixels counted."""
        return int(self.matrix.sum())

    @cached_property
    def scores(self) -> Scores:
        """What the confusion matrix says."""
        return scores(self.matrix, self.judged)


def evaluate(
    predict: Predict,
    names: tuple[str, ...],
    dataset: Dataset,
    split: str,
    progress: Callable[[Iterable[Pair]], Iterable[Pair]] = iter,
    *,
    trimap_widths: tuple[int, ...] = (),
    watch: Callable[[JudgedFrame], object] | None = None,
) -> Evaluation:
    """Run `predict` (frame -> class map of the frame's size) over a split; frames are decoded once and not kept.

    names: what the predicted indices mean. They are matched with the dataset's classes by name; void pixels and those
    of classes that are not in `names` do not count. trimap_widths: bands in pixels; with any, what happens at borders
    is counted too. watch: sees each judged frame. DatasetError where no class is common, or a frame or label cannot
    be used.
    """
    pairs = dataset.pairs(split)
    theirs = dataset.labels.names
    judged = np.array([name in theirs for name in names])
    if not judged.any():
        raise DatasetError(
            f"the weights know {', '.join(names)}; {dataset.root} ({dataset.name}) has {', '.join(theirs)}; "
            "take weights that share a class"
        )
    to_ours = np.full(256, IGNORE, np.uint8)
    to_ours[: len(theirs)] = [names.index(name) if name in names else IGNORE for name in theirs]

    matrix = np.zeros((len(names), len(names)), np.int64)
    boundary = BoundaryCounts(len(names), trimap_widths) if trimap_widths else None
    uncounted = 0
    frame_scores = []
    for pair in progress(pairs):
        frame, label = read_frame(pair.image), dataset.read_label(pair)
        check_sizes(pair, frame, label)
        label, prediction = to_ours[label], predict(frame)
        of_frame = confusion_matrix(label, prediction, len(names))
        found = scores(of_frame, judged)
        matrix += of_frame
        uncounted += label.size - int(of_frame.sum())
        if boundary is not None:
            boundary.add(label, prediction)
        cells = np.argwhere(of_frame)
        frame_scores.append(
            FrameScore(pair.name, np.column_stack([cells, of_frame[*cells.T]]), found.miou, found.pixel_accuracy)
        )
        if watch is not None:
            watch(JudgedFrame(pair.name, frame, label, prediction, of_frame, found))
    if not matrix.any():
        raise dataset.unlabelled(split)
    left_out = tuple(name for name in theirs if name not in names)
    return Evaluation(names, judged, left_out, matrix, uncounted, tuple(frame_scores), boundary)
