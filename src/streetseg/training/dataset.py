"""Frames and labels in memory, decoded once, and the order in which a run sees them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from streetseg.data.pairs import Dataset, Pair, check_sizes
from streetseg.errors import DatasetError
from streetseg.runtime.frames import read_frame, resize


@dataclass(frozen=True)
class Samples:
    """frames: N x 3 x H x W uint8; labels: N x H x W uint8, class indices or 255."""

    frames: Tensor
    labels: Tensor
    names: tuple[str, ...]


def load_samples(dataset: Dataset, split: str, short_side: int) -> Samples:
    """Every pair of a split, decoded, frames larger than `short_side` reduced to it and their labels with them."""
    pairs = dataset.pairs(split)
    if not pairs:
        raise DatasetError(f"{dataset.root} ({dataset.name}) has no frames in split {split!r}")

    def load(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        frame, label = read_frame(pair.image), dataset.read_label(pair)
        check_sizes(pair, frame, label)
        height, width = frame.shape[:2]
        if min(height, width) <= short_side:
            return frame, label
        ratio = short_side / min(height, width)
        size = round(height * ratio), round(width * ratio)
        return resize(frame, size), nearest(label, size)

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load, pairs))
    shapes = {label.shape for _, label in loaded}
    if len(shapes) > 1:
        raise DatasetError(f"{dataset.root} ({split}) mixes frame sizes {sorted(shapes)}; they must be one")
    frames = torch.from_numpy(np.stack([frame for frame, _ in loaded])).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(np.stack([label for _, label in loaded]))
    return Samples(frames, labels, tuple(pair.name for pair in pairs))


def nearest(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The label map at another size, each pixel the nearest one's class."""
    rows = ((np.arange(size[0]) + 0.5) * label.shape[0] / size[0]).astype(np.intp)
    columns = ((np.arange(size[1]) + 0.5) * label.shape[1] / size[1]).astype(np.intp)
    reduced: np.ndarray = label[rows[:, None], columns]
    return reduced


def batch_indices(step: int, batch: int, count: int, seed: int) -> list[int]:
    """The samples of a step: an endless stream of seeded permutations, cut into batches. Needs no state."""
    first = step * batch
    return [permutation(seed, at // count, count)[at % count] for at in range(first, first + batch)]


@lru_cache(maxsize=2)  # a batch draws from one epoch, or from the end of one and the beginning of the next
def permutation(seed: int, epoch: int, count: int) -> list[int]:
    """The order of one epoch."""
    return [int(i) for i in np.random.default_rng((seed, epoch)).permutation(count)]
