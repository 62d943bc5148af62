"""Read a dataset's files once: content and problems of each pair, and the figures of a split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from streetseg.data.doubts import BANDS, band_counts
from streetseg.data.findings import Finding
from streetseg.data.pairs import IGNORE, Dataset, Pair, check_sizes, read_ahead
from streetseg.errors import DatasetError, ImageError
from streetseg.progress import Progress, silent
from streetseg.runtime.frames import read_frame


@dataclass
class Sample:
    """The content of a pair.

    Attributes:
        pair: The paths.
        problems: An error for each problem.
        size: The frame's height and width; None if it cannot be read.
        digest: Hash of the frame's pixels; None if it cannot be read.
        colours: 3 x 256, number of pixels with each value of red, green, blue.
        labels: 256, number of pixels with each class index or IGNORE; zeros if the label cannot be used.
        bands: BANDS x 256, a sample of the same in horizontal bands, the top one first.
    """

    pair: Pair
    problems: list[Finding] = field(default_factory=list)
    size: tuple[int, int] | None = None
    digest: bytes | None = None
    colours: np.ndarray = field(default_factory=lambda: np.zeros((3, 256), np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    bands: np.ndarray = field(default_factory=lambda: np.zeros((BANDS, 256), np.int64))


@dataclass(frozen=True)
class SplitFigures:
    """Figures of a split.

    Attributes:
        frames: Number of frames.
        sizes: "W x H" -> number of frames, the most common size first.
        shares: Class -> its share of the pixels that count, 0 to 1; None if no pixel counts.
        void: Share of void in all labelled pixels, 0 to 1; None if there are no labels.
    """

    frames: int
    sizes: dict[str, int]
    shares: dict[str, float | None]
    void: float | None


def survey(dataset: Dataset, pairs: Iterable[Pair], progress: Progress = silent) -> list[Sample]:
    """Read every pair once."""
    pairs = list(pairs)
    samples = read_ahead(lambda pair: examine(dataset, pair), pairs)
    return [sample for _, sample in zip(progress(pairs, "pair"), samples, strict=True)]


def examine(dataset: Dataset, pair: Pair) -> Sample:
    """Read one pair."""
    sample = Sample(pair)
    frame, label, sample.problems = read_pair(dataset, pair)
    if frame is not None:
        sample.size = (frame.shape[0], frame.shape[1])
        sample.digest = hashlib.blake2b(frame.data, key=str(frame.shape).encode(), digest_size=16).digest()
        sample.colours = np.stack([np.bincount(frame[..., c].ravel(), minlength=256) for c in range(3)])
    if label is not None:
        sample.labels = np.bincount(label.ravel(), minlength=256)
        sample.bands = band_counts(label)
    return sample


def read_pair(dataset: Dataset, pair: Pair) -> tuple[np.ndarray | None, np.ndarray | None, list[Finding]]:
    """Return the frame and the label map of a pair, each None if it cannot be used, and an error for each problem."""
    frame = label = None
    problems = []
    try:
        frame = read_frame(pair.image)
    except ImageError as error:
        problems.append(Finding("error", str(error), "image"))
    if pair.label is None:
        return frame, None, problems
    kind = "label" if pair.label.is_file() else "no label"
    try:
        read = dataset.read_label(pair)
        kind = "size"
        if frame is not None:
            check_sizes(pair, frame, read)
        label = read
    except DatasetError as error:
        if str(error).startswith(f"{pair.label_place}: "):  # it was read, and not decoded
            kind = "value"
        problems.append(Finding("error", str(error), kind))
    return frame, label, problems


def split_figures(dataset: Dataset, samples: list[Sample]) -> SplitFigures:
    """Return the figures of a split's samples."""
    labels = class_counts(samples)
    counted = labels[: len(dataset.labels.names)].sum()
    sizes = Counter(sample.size for sample in samples if sample.size is not None).most_common()
    return SplitFigures(
        frames=len(samples),
        sizes={f"{width} x {height}": count for (height, width), count in sizes},
        shares={
            name: round(float(labels[i] / counted), 6) if counted else None
            for i, name in enumerate(dataset.labels.names)
        },
        void=round(float(labels[IGNORE] / labels.sum()), 6) if labels.any() else None,
    )


def class_counts(samples: list[Sample]) -> np.ndarray:
    """Return the number of pixels with each class index or IGNORE; 256 counts."""
    return sum((sample.labels for sample in samples), np.zeros(256, np.int64))


def split_bands(samples: Iterable[Sample]) -> np.ndarray:
    """Return a sample of these counts in horizontal bands, BANDS x 256."""
    return sum((sample.bands for sample in samples), np.zeros((BANDS, 256), np.int64))


def describe_sizes(sizes: Mapping[str, int]) -> str:
    """Return up to three frame sizes as text."""
    if len(sizes) == 1:
        return next(iter(sizes))
    named = ", ".join(f"{count} of {size}" for size, count in list(sizes.items())[:3])
    return named + (f" and {len(sizes) - 3} more sizes" if len(sizes) > 3 else "")
