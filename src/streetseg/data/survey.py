"""One pass over a dataset's files: what each pair holds, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from streetseg.data.pairs import Dataset, Pair, check_sizes, read_ahead
from streetseg.errors import DatasetError, ImageError
from streetseg.runtime.frames import read_frame

Progress = Callable[[Iterable[Pair]], Iterable[Pair]]


@dataclass
class Sample:
    """What a pair holds.

    problems: one line each. size: the frame's height and width, None where it cannot be read, and likewise digest: of
    its pixels. colours: 3 x 256, how many pixels have each value of red, green, blue. labels: 256, how many pixels have
    each class index, or IGNORE; zeros where the label cannot be used.
    """

    pair: Pair
    problems: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    digest: bytes | None = None
    colours: np.ndarray = field(default_factory=lambda: np.zeros((3, 256), np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))


def survey(dataset: Dataset, pairs: Iterable[Pair], progress: Progress = iter) -> list[Sample]:
    """Read every pair once."""
    pairs = list(pairs)
    samples = read_ahead(lambda pair: examine(dataset, pair), pairs)
    return [sample for _, sample in zip(progress(pairs), samples, strict=True)]


def examine(dataset: Dataset, pair: Pair) -> Sample:
    """What one pair holds."""
    sample = Sample(pair)
    frame = None
    try:
        frame = read_frame(pair.image)
    except ImageError as error:
        sample.problems.append(str(error))
    else:
        sample.size = (frame.shape[0], frame.shape[1])
        sample.digest = hashlib.blake2b(frame.data, key=str(frame.shape).encode(), digest_size=16).digest()
        sample.colours = np.stack([np.bincount(frame[..., c].ravel(), minlength=256) for c in range(3)])
    if pair.label is None:
        return sample
    try:
        label = dataset.read_label(pair)
        if frame is not None:
            check_sizes(pair, frame, label)
        sample.labels = np.bincount(label.ravel(), minlength=256)
    except DatasetError as error:
        sample.problems.append(str(error))
    return sample
