"""The first augmented batch of a training, without a network."""

from __future__ import annotations

import itertools

import numpy as np

from streetseg.data.pairs import Dataset
from streetseg.data.sheet.sheet import ShownFrame
from streetseg.training.augment import augment
from streetseg.training.dataset import Decoded, batches, positions, sample_index
from streetseg.training.recipe import Recipe
from streetseg.training.tasks.segmentation import Segmentation


def first_batch(dataset: Dataset, recipe: Recipe) -> list[ShownFrame]:
    """Return the samples of a training's first step as the network sees them, before its colours are normalised.

    Args:
        dataset: The dataset; only the frames of the batch are read.
        recipe: A resolved recipe.

    Raises:
        DatasetError: There is no such split, or a frame of the batch cannot be used.
    """
    views = Segmentation(recipe, dataset).views
    pairs = dataset.pairs(recipe.split)
    read = Decoded(tuple(pair.name for pair in pairs), lambda i: dataset.read(pairs[i], recipe.native_short_side))
    made = batches(read, views, batch=recipe.batch, accumulate=1, seed=recipe.seed, step=0, workers=0)
    (batch,) = itertools.islice(made, 1)
    frames, labels = augment(batch, recipe.crop)
    pixels = (frames * 255).round().byte().permute(0, 2, 3, 1).numpy().astype(np.uint8)
    names = [
        pairs[sample_index(at, len(pairs), recipe.seed)].name
        for at in positions(0, 0, batch=recipe.batch, accumulate=1)
    ]
    return [ShownFrame(name, frame, label) for name, frame, label in zip(names, pixels, labels.numpy(), strict=True)]
