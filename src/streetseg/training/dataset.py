"""The samples of a run: where they are read from, in which order, and batches of them made ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from streetseg.data.cache import open_cache
from streetseg.data.datasets import open_dataset
from streetseg.data.imagenet import LabelledImages, open_imagenet
from streetseg.data.pairs import IGNORE, Dataset, read_ahead, reduced_size
from streetseg.runtime.frames import read_frame, resize
from streetseg.training.augment import Batch, Bytes, cut_out, draw_classifier_view, draw_view
from streetseg.training.distributed import rank, world
from streetseg.training.recipe import Recipe

Sample = tuple[Bytes, Bytes]

HELD_IN_MEMORY = 4 << 30  # bytes; a larger split is decoded again in every epoch, or comes from a cache
DETAIL = 2  # a classifier is trained on parts of larger frames than it is judged on, which are of the short side itself
VIEWS, DROPOUT, LOSS_GRID = range(3)  # streams of random numbers


class Samples(Protocol):
    """What a run trains on. names: of the samples."""

    names: tuple[str, ...]

    def read(self, i: int) -> Sample:
        """Frame, H x W x 3 uint8, and label: H x W uint8, class indices or 255; or a single class index."""
        ...


class Decoded:
    """Samples decoded from their files: once, and then kept, where they fit in HELD_IN_MEMORY; otherwise when read."""

    def __init__(self, names: tuple[str, ...], decode: Callable[[int], Sample]) -> None:
        self.names, self.decode = names, decode
        self.kept: list[Sample] = []
        held = 0
        for sample in read_ahead(decode, range(len(names))):
            self.kept.append(sample)
            held += sum(part.nbytes for part in sample)
            if held * len(names) > HELD_IN_MEMORY * len(self.kept):  # all together, as far as these tell
                self.kept = []
                break

    def read(self, i: int) -> Sample:
        """As `Samples.read`."""
        return self.kept[i] if self.kept else self.decode(i)


def open_data(root: Path | str, recipe: Recipe, name: str | None = None) -> Dataset | LabelledImages:
    """The dataset in a folder that is of the kind the recipe's task needs. name: see `open_dataset`."""
    return open_imagenet(Path(root)) if recipe.task == "classification" else open_dataset(root, name)


def open_samples(dataset: Dataset | LabelledImages, split: str, short_side: int, cache: Path | None) -> Samples:
    """The samples of a split, larger ones reduced to `short_side`, a classifier's to DETAIL times it.

    cache: the folder of a memory-mapped cache of them, made now if there is none; without, they are decoded here.
    DatasetError where one cannot be used.
    """
    if isinstance(dataset, LabelledImages):
        items = dataset.items(split)
        names = tuple(str(path.relative_to(dataset.root)) for path, _ in items)
        return Decoded(names, lambda i: (reduced(read_frame(items[i][0]), DETAIL * short_side), np.array(items[i][1])))
    if cache is not None:
        return open_cache(dataset, split, short_side, cache)
    pairs = dataset.pairs(split)
    return Decoded(tuple(pair.name for pair in pairs), lambda i: dataset.read(pairs[i], short_side))


def reduced(frame: Bytes, short_side: int) -> Bytes:
    """The frame, H x W x 3, a larger one reduced to `short_side`."""
    return resize(frame, reduced_size((frame.shape[0], frame.shape[1]), short_side))


def count_pixels(samples: Samples, num_classes: int) -> NDArray[np.int64]:
    """How often each class occurs in the labels."""
    counts = np.zeros(IGNORE + 1, np.int64)
    for i in range(len(samples.names)):
        counts += np.bincount(samples.read(i)[1].ravel(), minlength=IGNORE + 1)
    return counts[:num_classes]


def batches(samples: Samples, recipe: Recipe, step: int, workers: int) -> Iterator[Batch]:
    """This process's batches from a step on, `recipe.accumulate` a step, without end; the same for any `workers`.

    workers: threads that make batches ahead (decoding and copying free the interpreter's lock); 0 makes each when it
    is asked for.
    """
    parts = (positions(recipe, at, part) for at in count(step) for part in range(recipe.accumulate))
    if not workers:
        yield from (collate(samples, recipe, part) for part in parts)
    else:
        yield from read_ahead(lambda part: collate(samples, recipe, part), parts, threads=workers, ahead=workers)


def positions(recipe: Recipe, step: int, part: int) -> range:
    """Where in the run's endless stream of samples this process's share of a part of a step lies."""
    size = recipe.batch // recipe.accumulate // world()
    first = step * recipe.batch + (part * world() + rank()) * size
    return range(first, first + size)


def collate(samples: Samples, recipe: Recipe, stream: range) -> Batch:
    """The samples at some positions of the stream, what their views need of them, as one batch."""
    cuts = []
    for at in stream:
        frame, label = samples.read(sample_index(at, len(samples.names), recipe.seed))
        seed = stream_seed(VIEWS, recipe.seed, at)
        if label.ndim:
            view = draw_view(seed, label, recipe)
        else:
            view = draw_classifier_view(seed, (frame.shape[0], frame.shape[1]), recipe)
        rows, columns, view = cut_out(view, frame, recipe.crop)
        cuts.append((frame[rows, columns], label[rows, columns] if label.ndim else label, view))

    sizes = [(frame.shape[0], frame.shape[1]) for frame, _, _ in cuts]
    height, width = (max(side) for side in zip(*sizes, strict=True))
    frames = np.empty((len(cuts), height, width, 3), np.uint8)
    labels = np.full((len(cuts), height, width), IGNORE, np.uint8)
    for n, (frame, label, _) in enumerate(cuts):
        frames[n, : sizes[n][0], : sizes[n][1]] = frame
        labels[n, : sizes[n][0], : sizes[n][1]] = label
    if not cuts[0][1].ndim:
        labels = np.array([label for _, label, _ in cuts])
    return Batch(torch.from_numpy(frames), torch.from_numpy(labels), sizes, [view for _, _, view in cuts])


def sample_index(position: int, samples: int, seed: int) -> int:
    """The sample at a position of the stream: an endless row of seeded permutations. Needs no state."""
    return permutation(seed, position // samples, samples)[position % samples]


def stream_seed(stream: int, seed: int, position: int) -> int:
    """What random numbers are drawn from at a position of one of a run's streams.

    Mixed down to 32 bits, because torch's generator on CPUs looks at no more.
    """
    return int(np.random.SeedSequence((stream, seed, position)).generate_state(1)[0])


@lru_cache(maxsize=4)  # a batch draws from one epoch, or from the end of one and the beginning of the next
def permutation(seed: int, epoch: int, samples: int) -> list[int]:
    """The order of one epoch."""
    return [int(i) for i in np.random.default_rng((seed, epoch)).permutation(samples)]
