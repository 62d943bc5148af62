"""How well annotations keep the class maps that they were made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE


class Agreement:
    """Counts pixels of class maps and of what their annotations give.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.both = np.zeros(classes, np.int64)
        self.either = np.zeros(classes, np.int64)

    def add(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Count a frame: H x W uint8 each, class indices or 255."""
        places = np.arange(IGNORE + 1)
        count = len(self.both)
        same = np.bincount(before[before == after], minlength=len(places))[:count]
        counts = [np.bincount(label.ravel(), minlength=len(places))[:count] for label in (before, after)]
        self.both += same
        self.either += counts[0] + counts[1] - same

    def iou(self) -> float | None:
        """Return the mean IoU over the classes present, 0 to 1; None before any frame."""
        present = self.either > 0
        return float((self.both[present] / self.either[present]).mean()) if present.any() else None
