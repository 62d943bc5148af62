"""Accuracy from one confusion matrix over all pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE


def confusion_matrix(label: NDArray[np.uint8], prediction: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """C x C counts, rows the true class, columns the predicted one; pixels labelled 255 do not count.

    label, prediction: of one shape, class indices below C (and 255 in the label); ValueError otherwise.
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
    """What a confusion matrix says; all 0 to 1, NaN where there is nothing to judge.

    Per class, C values: `iou` and `f1` (Dice) are NaN where the class is neither true nor predicted, `accuracy` (the
    share of its pixels that were found) where it is not true. `miou`, `mean_f1`, `class_accuracy`: their means over the
    other classes. `pixel_accuracy`: the share of right pixels. `fwiou`: the IoUs weighted by how frequent each class
    is. As in Long, Shelhamer, Darrell, CVPR 2015, section 5, whose "mean accuracy" is `class_accuracy`.
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
    """The scores of a C x C confusion matrix.

    judged: C booleans, the classes that the labels know; the others, which can only be predicted, are NaN and in no
    mean, and a pixel that was taken for one of them is wrong. All classes by default.
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
    """The mean of those that are not NaN; NaN where all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
