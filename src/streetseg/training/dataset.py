"""Frames and labels in memory, decoded once, and the order in which a run sees them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError


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

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda pair: dataset.read(pair, short_side), pairs))
    shapes = {label.shape for _, label in loaded}
    if len(shapes) > 1:
        raise DatasetError(f"{dataset.root} ({split}) mixes frame sizes {sorted(shapes)}; they must be one")
    frames = torch.from_numpy(np.stack([frame for frame, _ in loaded])).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(np.stack([label for _, label in loaded]))
    return Samples(frames, labels, tuple(pair.name for pair in pairs))


def batch_indices(step: int, batch: int, count: int, seed: int) -> list[int]:
    """The samples of a step: an endless stream of seeded permutations, cut into batches. Needs no state."""
    first = step * batch
    return [permutation(seed, at // count, count)[at % count] for at in range(first, first + batch)]


@lru_cache(maxsize=2)  # a batch draws from one epoch, or from the end of one and the beginning of the next
def permutation(seed: int, epoch: int, count: int) -> list[int]:
    """The order of one epoch."""
    return [int(i) for i in np.random.default_rng((seed, epoch)).permutation(count)]
