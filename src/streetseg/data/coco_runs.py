"""Write masks as COCO's run lengths, in the text form that pycocotools reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def class_runs(label: NDArray[np.uint8]) -> dict[int, NDArray[np.int64]]:
    """Return the run lengths of the mask of each class and of void, down the columns, the first of zeros."""
    flat = label.T.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends, values = np.append(starts[1:], flat.size), flat[starts]
    runs = {}
    for index in np.unique(values).tolist():
        mine = values == index
        borders = np.stack([starts[mine], ends[mine]], 1).ravel()
        lengths = np.diff(borders, prepend=0, append=flat.size)
        runs[index] = lengths if lengths[-1] else lengths[:-1]
    return runs


def compressed(runs: NDArray[np.int64]) -> str:
    """Return run lengths in COCO's text form: differences to the length before the last, six bits a letter."""
    values = runs.copy()
    values[3:] -= runs[1:-2]
    letters = np.zeros((len(values), 8), np.uint8)
    open_ = np.ones(len(values), np.bool_)
    for place in range(letters.shape[1]):
        low = values & 31
        values = values >> 5
        more = np.where(low & 16, values != -1, values != 0)
        letters[:, place] = np.where(open_, low + 32 * more + 48, 0)
        open_ &= more
        if not open_.any():
            break
    return letters[letters > 0].tobytes().decode("ascii")
