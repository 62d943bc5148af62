"""The samples of a run: their storage, their order, and batches of them, made ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count
from typing import Protocol

import numpy as np
import torch

from streetseg.data.pairs import IGNORE, read_ahead
from streetseg.training.augment import Batch, Bytes, Views, cut_out
from streetseg.training.distributed import rank, world

Sample = tuple[Bytes, Bytes]

HELD_IN_MEMORY = 4 << 30  # bytes; a larger split is decoded again in every epoch, or comes from a cache
VIEWS, DROPOUT, LOSS_GRID = range(3)  # a run's streams of random numbers


class Samples(Protocol):
    """The samples of a split."""

    names: tuple[str, ...]

    def read(self, i: int) -> Sample:
        """Return a sample.

        Args:
            i: Its index in `names`.

        Returns:
            The frame, H x W x 3 uint8, and its label: H x W uint8, class indices or 255; or one class index.
        """
        ...


class Decoded:
    """Samples decoded from their files.

    Attributes:
        names: Names of the samples.
        decode: Returns a sample by its index.
        kept: All samples once `keep` has decoded them; otherwise empty.
    """

    def __init__(self, names: tuple[str, ...], decode: Callable[[int], Sample]) -> None:
        self.names, self.decode = names, decode
        self.kept: list[Sample] = []

    def keep(self) -> Decoded:
        """Decode all samples and keep them, if they fit in HELD_IN_MEMORY."""
        held = 0
        for sample in read_ahead(self.decode, range(len(self.names))):
            self.kept.append(sample)
            held += sum(part.nbytes for part in sample)
            if held * len(self.names) > HELD_IN_MEMORY * len(self.kept):  # an estimate for all samples
                self.kept = []
                break
        return self

    def read(self, i: int) -> Sample:
        """Return a sample, as `Samples.read`."""
        return self.kept[i] if self.kept else self.decode(i)


def batches(
    samples: Samples, views: Views, *, batch: int, accumulate: int, seed: int, step: int, workers: int
) -> Iterator[Batch]:
    """Return this process's batches from a step on, without end; the same ones for any number of workers.

    Args:
        samples: The samples of the split.
        views: Draws the view of each sample.
        batch: Samples a step, over all processes.
        accumulate: Batches a step in each process.
        seed: The run's seed.
        step: The first step.
        workers: Threads that make batches ahead; decoding and copying release the interpreter's lock. 0 makes each
            batch when it is asked for.
    """
    parts = (
        positions(at, part, batch=batch, accumulate=accumulate) for at in count(step) for part in range(accumulate)
    )
    if not workers:
        yield from (collate(samples, views, part, seed) for part in parts)
    else:
        yield from read_ahead(lambda part: collate(samples, views, part, seed), parts, threads=workers, ahead=workers)


def positions(step: int, part: int, *, batch: int, accumulate: int) -> range:
    """Return the positions of a part of a step in the run's endless stream of samples, for this process."""
    size = batch // accumulate // world()
    first = step * batch + (part * world() + rank()) * size
    return range(first, first + size)


def collate(samples: Samples, views: Views, stream: range, seed: int) -> Batch:
    """Return the samples at some positions of the stream as one batch, cut to what their views need."""
    cuts = []
    for at in stream:
        frame, label = samples.read(sample_index(at, len(samples.names), seed))
        view = views.draw(stream_seed(VIEWS, seed, at), frame, label)
        rows, columns, view = cut_out(view, frame, views.crop)
        cuts.append((frame[rows, columns], label[rows, columns] if label.ndim else label, view))

    sizes = [(frame.shape[0], frame.shape[1]) for frame, _, _ in cuts]
    height, width = (max(side) for side in zip(*sizes, strict=True))
    frames = np.empty((len(cuts), height, width, 3), np.uint8)
    labels = np.full((len(cuts), height, width), IGNORE, np.uint8)
    for n, (frame, label, _) in enumerate(cuts):
        frames[n, : sizes[n][0], : sizes[n][1]] = frame
        labels[n, : sizes[n][0], : sizes[n][1]] = label
    if not cuts[0][1].ndim:  # one class a frame
        labels = np.array([label for _, label, _ in cuts])
    return Batch(torch.from_numpy(frames), torch.from_numpy(labels), sizes, [view for _, _, view in cuts])


def sample_index(position: int, samples: int, seed: int) -> int:
    """Return the index of the sample at a position of the stream: seeded permutations without end or state."""
    return permutation(seed, position // samples, samples)[position % samples]


def stream_seed(stream: int, seed: int, position: int) -> int:
    """Return the seed of the random numbers at a position of one of a run's streams.

    It has 32 bits: torch's generator on CPUs reads no more.
    """
    return int(np.random.SeedSequence((stream, seed, position)).generate_state(1)[0])


@lru_cache(maxsize=4)  # a batch draws from one epoch, or from the end of one and the beginning of the next
def permutation(seed: int, epoch: int, samples: int) -> list[int]:
    """Return the order of one epoch."""
    return [int(i) for i in np.random.default_rng((seed, epoch)).permutation(samples)]
