"""Evaluate a predictor frame by frame over a split of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.class_names import match_classes
from streetseg.data.pairs import IGNORE, Dataset, check_sizes
from streetseg.errors import DatasetError
from streetseg.measure.boundary import BoundaryCounts
from streetseg.measure.evaluation import Evaluation, FrameScore
from streetseg.measure.metrics import Scores, confusion_matrix, scores
from streetseg.progress import Progress, silent
from streetseg.runtime.frames import read_frame

Predict = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]  # frame H x W x 3 -> class map H x W


@dataclass(frozen=True)
class EvaluatedFrame:
    """A frame with its label, its prediction and its scores.

    Attributes:
        name: The frame's name in its dataset.
        frame: H x W x 3 uint8 RGB.
        label: H x W class indices of the artefact; 255 where a pixel does not count.
        prediction: H x W class indices of the artefact.
        matrix: C x C pixel counts of this frame: rows are true classes, columns are predicted classes.
        scores: The scores of `matrix`.
    """

    name: str
    frame: NDArray[np.uint8]
    label: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    matrix: NDArray[np.int64]
    scores: Scores


def evaluate_frames(
    predict: Predict,
    names: tuple[str, ...],
    dataset: Dataset,
    split: str,
    *,
    mapping: Mapping[str, str] | None = None,
    trimap_widths: tuple[int, ...] = (),
    watch: Callable[[EvaluatedFrame], object] | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Run a predictor over a split and return its scores.

    Each frame is decoded once and not kept. Classes are matched by `match_classes`. Void pixels do not count, nor do
    pixels of classes that match none of `names`.

    Args:
        predict: Takes a frame, H x W x 3 uint8 RGB, and returns its class map, H x W uint8.
        names: Class names of the predicted indices.
        dataset: The labelled dataset.
        split: One of the dataset's splits, see `Dataset.pairs`.
        mapping: Class of the labels -> class in `names`, before all other rules; "" leaves the class out.
        trimap_widths: Widths in pixels of the bands near borders; with none, borders are not evaluated.
        watch: Called with each evaluated frame.
        progress: Shows the progress over the frames.

    Returns:
        The evaluation, with an empty setup.

    Raises:
        DatasetError: `names` and the labels share no class, no pixel is labelled, or a frame or label cannot be used.
        UsageError: `mapping` names a class that does not exist.
    """
    pairs = dataset.pairs(split)
    matching = match_classes(dataset.labels.names, names, mapping)
    judged = np.array([name not in matching.unused for name in names])
    if not judged.any():
        raise DatasetError(
            f"the weights know {', '.join(names)}; {dataset.root} ({dataset.name}) has "
            f"{', '.join(matching.labels)}; take weights that share a class, or say by --map LABEL=WEIGHTS which are "
            "the same"
        )
    to_predicted = np.full(256, IGNORE, np.uint8)  # index in the labels -> index in `names`
    left_out = np.zeros(256, np.bool_)
    for index, known in enumerate(matching.indices()):
        to_predicted[index] = IGNORE if known is None else known
        left_out[index] = known is None

    matrix = np.zeros((len(names), len(names)), np.int64)
    boundary = BoundaryCounts(len(names), trimap_widths) if trimap_widths else None
    uncounted = left_out_pixels = 0
    frame_scores = []
    for pair in progress(pairs, "frame"):
        frame, label = read_frame(pair.image), dataset.read_label(pair)
        check_sizes(pair, frame, label)
        left_out_pixels += int(np.count_nonzero(left_out[label]))
        label, prediction = to_predicted[label], predict(frame)
        frame_matrix = confusion_matrix(label, prediction, len(names))
        frame_score = scores(frame_matrix, judged)
        matrix += frame_matrix
        uncounted += label.size - int(frame_matrix.sum())
        if boundary is not None:
            boundary.add(label, prediction)
        places = np.argwhere(frame_matrix)
        cells = np.column_stack([places, frame_matrix[*places.T]])
        frame_scores.append(FrameScore(pair.name, cells, frame_score.miou, frame_score.pixel_accuracy))
        if watch is not None:
            watch(EvaluatedFrame(pair.name, frame, label, prediction, frame_matrix, frame_score))
    if not matrix.any():
        raise dataset.unlabelled(split)
    return Evaluation(
        names,
        judged,
        matching.left_out,
        matrix,
        uncounted,
        tuple(frame_scores),
        boundary,
        left_out_pixels=left_out_pixels,
        matches=matching.matches,
    )
