"""Accuracy near the borders between classes: boundary IoU and the trimap's mIoU.

A border pixel has a neighbour (left, right, above or below) of another class. Void makes no border, nor does a
prediction on void, nor the frame's edge. The band of k pixels holds all pixels less than k pixels (Euclidean, between
pixel centres) from a border pixel: k pixels to either side of a border.

- Trimap (Kohli, Ladicky, Torr, IJCV 2009, section 5): the scores of the pixels in the labels' band.
- Boundary IoU (Cheng, Girshick, Dollar, Berg, Kirillov, CVPR 2021, section 4): for each class, the IoU of the true
  class within the labels' band and the predicted class within the prediction's band. It measures the outline of an
  object, whatever its size. As in the paper, the band is a share of the frame's diagonal. Unlike in the paper,
  distances are Euclidean, the frame's edge is not a border, and pixels are counted over the whole split.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE
from streetseg.measure.metrics import confusion_matrix

DIAGONAL_SHARE = 0.005  # as in the paper: 11 pixels of 1024 x 2048, 3 of 360 x 480
TRIMAP_WIDTHS = (1, 3, 5, 10)
WIDEST = 150  # pixels; squares of distances stay within 16 bits


@dataclass
class BoundaryCounts:
    """Pixel counts near borders, summed over frames.

    Attributes:
        classes: Number of classes C.
        widths: Widths of the trimap's bands in pixels.
        trimap: Width -> C x C confusion matrix of the pixels in that band.
        bands: 3 x C pixels: in the labels' band, in the prediction's band, in both and of the same class.
    """

    classes: int
    widths: tuple[int, ...]
    trimap: dict[int, NDArray[np.int64]] = field(init=False)
    bands: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.trimap = {width: np.zeros((self.classes, self.classes), np.int64) for width in self.widths}
        self.bands = np.zeros((3, self.classes), np.int64)

    def add(self, label: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> None:
        """Count the pixels of a frame.

        Args:
            label: H x W class indices; 255 is void.
            prediction: H x W class indices.
        """
        prediction = np.where(label == IGNORE, np.uint8(IGNORE), prediction)
        width = boundary_width(*label.shape)
        near = border_distance(label, max(*self.widths, width))
        near_predicted = border_distance(prediction, width)
        for k, matrix in self.trimap.items():
            band = (near < k**2) & (label != IGNORE)
            matrix += confusion_matrix(label[band], prediction[band], self.classes)
        true = (near < width**2) & (label != IGNORE)
        predicted = (near_predicted < width**2) & (prediction != IGNORE)
        both = true & predicted & (label == prediction)
        for row, pixels in enumerate((label[true], prediction[predicted], label[both])):
            self.bands[row] += np.bincount(pixels, minlength=self.classes)

    def boundary_iou(self) -> NDArray[np.float64]:
        """Return the boundary IoU per class, 0 to 1; NaN for a class without any border, true or predicted."""
        true, predicted, both = self.bands
        with np.errstate(invalid="ignore"):
            iou: NDArray[np.float64] = both / (true + predicted - both)
        return iou


def boundary_width(height: int, width: int) -> int:
    """Return the width in pixels of boundary IoU's band, for frames of this size."""
    return max(1, round(DIAGONAL_SHARE * float(np.hypot(height, width))))


def border_distance(classes: NDArray[np.uint8], limit: int) -> NDArray[np.uint16]:
    """Return each pixel's squared Euclidean distance to the nearest border pixel, H x W; 0 on border pixels.

    Distances of `limit` pixels (1 to WIDEST) and more are not exact: each is at least limit ** 2.
    """
    border = border_pixels(classes)
    # Felzenszwalb and Huttenlocher's two passes: along columns, then along rows as far as `limit`.
    vertical = np.where(border, np.uint16(0), np.uint16(limit))
    for y in range(1, len(vertical)):
        np.minimum(vertical[y], vertical[y - 1] + np.uint16(1), out=vertical[y])
    for y in range(len(vertical) - 2, -1, -1):
        np.minimum(vertical[y], vertical[y + 1] + np.uint16(1), out=vertical[y])
    square = vertical * vertical
    distance = square.copy()
    for x in range(1, min(limit, classes.shape[1])):
        step = np.uint16(x * x)
        np.minimum(distance[:, x:], square[:, :-x] + step, out=distance[:, x:])
        np.minimum(distance[:, :-x], square[:, x:] + step, out=distance[:, :-x])
    return distance


def border_pixels(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return True, H x W, for pixels with a 4-neighbour of another class; void (255) is not a class."""
    known = classes != IGNORE
    border = np.zeros(classes.shape, np.bool_)
    down = (classes[1:] != classes[:-1]) & known[1:] & known[:-1]
    right = (classes[:, 1:] != classes[:, :-1]) & known[:, 1:] & known[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= right
    border[:, :-1] |= right
    return border
