"""Compare a class map of another program with Segmenter's: pixels may differ only where two classes tie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streetseg.export.grids import are_ties
from streetseg.runtime.classmap import cells_along
from streetseg.runtime.segmenter import Segmenter


def assert_same_but_for_ties(classmap: NDArray[np.uint8], frame: NDArray[np.uint8], segmenter: Segmenter) -> None:
    """Compare a frame's class map with the segmenter's."""
    result = segmenter(frame, logits=True)
    assert result.logits is not None
    assert classmap.shape == result.classmap.shape
    y, x = np.nonzero(classmap != result.classmap)
    content = segmenter.content_size_of((frame.shape[0], frame.shape[1]))
    padded = segmenter.padded_size_of(content)
    (rows, top), (columns, left) = (
        ends_and_weight(result.logits.shape[i], frame.shape[i], content[i], padded[i], segmenter.card.align_corners, at)
        for i, at in enumerate((y, x))
    )
    sides = [
        result.logits[rows[0], column] * (1 - top[:, None]) + result.logits[rows[1], column] * top[:, None]
        for column in columns
    ]
    values = sides[0] * (1 - left[:, None]) + sides[1] * left[:, None]
    assert are_ties(values.astype(np.float32)).all(), f"{len(y)} pixels differ, some without a tie"


def ends_and_weight(
    logits: int, frame: int, content: int, padded: int, align_corners: bool, pixels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the two logits around each pixel along one axis, and the weight of the second."""
    cells = cells_along(logits, frame, content, padded, align_corners)
    of_pixel = np.repeat(np.arange(logits + 1), cells.count)
    return cells.ends(of_pixel[pixels]), cells.weight[pixels]
