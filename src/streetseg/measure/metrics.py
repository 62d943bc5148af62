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
    """What a confusion matrix says; all 0 to 1. iou: per class, NaN where a class is neither true nor predicted."""

    iou: NDArray[np.float64]
    miou: float
    pixel_accuracy: float


def scores(matrix: NDArray[np.int64]) -> Scores:
    """IoU per class, its mean over the classes that occur, and the share of right pixels."""
    right = np.diag(matrix).astype(np.float64)
    union = matrix.sum(0) + matrix.sum(1) - right
    with np.errstate(invalid="ignore"):
        iou = right / union
    occurring = iou[~np.isnan(iou)]
    total = matrix.sum()
    return Scores(
        iou=iou,
        miou=float(occurring.mean()) if len(occurring) else float("nan"),
        pixel_accuracy=float(right.sum() / total) if total else float("nan"),
    )
