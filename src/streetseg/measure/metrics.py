"""Scores from one confusion matrix over all pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE


def confusion_matrix(label: NDArray[np.uint8], prediction: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix of a label map and a prediction.

    Args:
        label: Class indices from 0 to C - 1, any shape; 255 where a pixel does not count.
        prediction: Class indices from 0 to C - 1, the same shape.
        num_classes: Number of classes C.

    Returns:
        C x C pixel counts: rows are true classes, columns are predicted classes.

    Raises:
        ValueError: The shapes differ, or an index is C or more.
    """
    if label.shape != prediction.shape:
        raise ValueError(f"label {label.shape} and prediction {prediction.shape} must have one shape")
    counted = label != IGNORE
    true, predicted = label[counted], prediction[counted]
    if max(true.max(initial=0), predicted.max(initial=0)) >= num_classes:
        raise ValueError(f"class indices must be below {num_classes}")
    cells = true.astype(np.intp) * num_classes + predicted
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


@dataclass(frozen=True)
class Scores:
    """The scores of a confusion matrix, all from 0 to 1; NaN where undefined.

    Long, Shelhamer, Darrell (CVPR 2015, section 5) define them; they call `class_accuracy` mean accuracy.

    Attributes:
        iou: IoU of each class, C values; NaN if the class is neither true nor predicted.
        f1: F1 (Dice) of each class; NaN where `iou` is.
        accuracy: Share of each class's true pixels that are predicted right; NaN if the class has no true pixel.
        miou: Mean of `iou` without NaN.
        mean_f1: Mean of `f1` without NaN.
        class_accuracy: Mean of `accuracy` without NaN.
        pixel_accuracy: Share of right pixels.
        fwiou: Mean of `iou` weighted by the true pixels of each class.
    """

    iou: NDArray[np.float64]
    f1: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    miou: float
    mean_f1: float
    class_accuracy: float
    pixel_accuracy: float
    fwiou: float


def scores(matrix: NDArray[np.int64], judged: NDArray[np.bool_] | None = None) -> Scores:
    """Return the scores of a confusion matrix.

    Args:
        matrix: C x C pixel counts: rows are true classes, columns are predicted classes.
        judged: C booleans; False for a class that the labels do not know. Its scores are NaN and no mean contains
            them. A pixel predicted as this class is wrong. None: all classes are judged.

    Returns:
        The scores of each class and over all classes.
    """
    right = np.diag(matrix).astype(np.float64)
    true, predicted = matrix.sum(1), matrix.sum(0)
    unknown = np.False_ if judged is None else ~judged
    with np.errstate(invalid="ignore"):
        iou = np.where(unknown, np.nan, right / (true + predicted - right))
        f1 = np.where(unknown, np.nan, 2 * right / (true + predicted))
        accuracy = np.where(unknown, np.nan, right / true)
        shares = true / true.sum()
    return Scores(
        iou,
        f1,
        accuracy,
        miou=mean(iou),
        mean_f1=mean(f1),
        class_accuracy=mean(accuracy),
        pixel_accuracy=float((right * ~unknown).sum() / true.sum()) if true.any() else float("nan"),
        fwiou=float((shares * iou)[true > 0].sum()) if true.any() else float("nan"),
    )


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN; NaN if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def percent(value: float | None) -> str:
    """Return a share from 0 to 1 in per cent with two decimals, "-" for None or NaN."""
    return "-" if value is None or np.isnan(value) else f"{value:.2%}"
