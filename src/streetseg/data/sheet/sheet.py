"""What a contact sheet shows: chosen frames, shares and sizes of each split, doubts about the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streetseg.data.doubts import RAW_SAMPLE, SplitLabels, doubts, spread
from streetseg.data.findings import Finding
from streetseg.data.pairs import IGNORE, Dataset, Pair
from streetseg.data.survey import Sample, SplitFigures, class_counts, split_bands, split_figures, survey
from streetseg.errors import DatasetError, StreetsegError
from streetseg.progress import Progress, silent
from streetseg.runtime.frames import read_frame
from streetseg.runtime.overlay import Colour

SAMPLE = 120  # frames of a split whose labels are counted
LEAST_SHARE = 0.25  # a class is shown if a chosen frame has this part of the most that a frame has of it


@dataclass(frozen=True)
class ShownFrame:
    """A frame with its class map.

    Attributes:
        title: Its name, or what was done to it.
        frame: H x W x 3 uint8.
        label: H x W uint8, class indices or 255; None if it has none.
    """

    title: str
    frame: NDArray[np.uint8]
    label: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Sheet:
    """The content of a contact sheet.

    Attributes:
        title: The dataset's name.
        place: Its folder.
        names: The classes.
        colours: Their colours.
        counts: Split -> number of frames.
        counted: Split -> number of frames whose labels are counted.
        figures: Split -> figures of these.
        findings: Doubts about the labels.
        notes: Decisions that the folder leaves open, and what the sheet lacks.
        frames: Chosen frames.
        batch: Augmented frames as a network sees them; empty if there are none.
        batch_title: What was done to them.
    """

    title: str
    place: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    counts: dict[str, int]
    counted: dict[str, int]
    figures: dict[str, SplitFigures]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    frames: tuple[ShownFrame, ...]
    batch: tuple[ShownFrame, ...] = ()
    batch_title: str = ""


def make_sheet(dataset: Dataset, frames: int, progress: Progress = silent) -> Sheet:
    """Return the content of a dataset's contact sheet, without a batch.

    Args:
        dataset: The dataset.
        frames: Number of frames to show, 1 or more.
        progress: Shows how many frames have been read.

    Raises:
        DatasetError: No frame can be read.
    """
    looked_at = [(split, pair) for split, pairs in dataset.splits.items() for pair in spread(pairs, SAMPLE)]
    samples = survey(dataset, [pair for _, pair in looked_at], progress)
    of_split = {
        split: [sample for (name, _), sample in zip(looked_at, samples, strict=True) if name == split]
        for split in dataset.splits
    }
    usable = [sample for sample in samples if not sample.problems]
    if not usable:
        reason = next((problem.message for sample in samples for problem in sample.problems), "it has no frame")
        raise DatasetError(f"no frame of {dataset.root} can be shown: {reason}")
    findings = [problem for sample in samples for problem in sample.problems]
    for split, members in of_split.items():
        pairs = tuple(sample.pair for sample in members if sample.labels.any())
        labels = SplitLabels(dataset, split, pairs[:RAW_SAMPLE], class_counts(members), split_bands(members))
        part = f" (of {len(members)} frames counted)" if len(members) < len(dataset.splits[split]) else ""
        findings += [replace(finding, message=f"{finding.message}{part}") for finding in doubts(labels)]
    return Sheet(
        title=dataset.name,
        place=str(dataset.root),
        names=dataset.labels.names,
        colours=dataset.labels.colours,
        counts={split: len(pairs) for split, pairs in dataset.splits.items()},
        counted={split: len(members) for split, members in of_split.items()},
        figures={split: split_figures(dataset, members) for split, members in of_split.items()},
        findings=tuple(findings),
        notes=(dataset.note,) if dataset.note else (),
        frames=tuple(read_shown(dataset, pair) for pair in choose(usable, len(dataset.labels.names), frames)),
    )


def choose(samples: Sequence[Sample], classes: int, count: int) -> list[Pair]:
    """Return up to `count` pairs, in the order of the samples: of each class a frame that shows it, and others."""
    shares = np.array([sample.labels[:classes] / max(1, sample.labels.sum()) for sample in samples])
    chosen: list[int] = []
    for index in np.argsort(shares.sum(0), kind="stable").tolist():  # the rarest class first
        most = shares[:, index].max()
        shown = max((shares[i, index] for i in chosen), default=0.0)
        if most > 0 and shown < LEAST_SHARE * most and len(chosen) < count:
            chosen.append(int(shares[:, index].argmax()))
    others = [i for i in range(len(samples)) if i not in chosen]
    left = count - len(chosen)
    step = max(1.0, len(others) / max(1, left))
    chosen += [others[int(place * step)] for place in range(min(left, len(others)))]
    return [samples[i].pair for i in sorted(chosen)]


def read_shown(dataset: Dataset, pair: Pair) -> ShownFrame:
    """Return a pair's frame and class map."""
    try:
        frame, label = dataset.read(pair, 10**6) if pair.label is not None else (read_frame(pair.image), None)
    except StreetsegError:  # it was read a moment ago
        raise DatasetError(f"{pair.image} changed while it was read; run the command again") from None
    return ShownFrame(pair.name, frame, label)


def shares_of(shown: ShownFrame, names: Sequence[str]) -> list[tuple[int, float]]:
    """Return the classes in a frame with their shares of its pixels, the largest first."""
    if shown.label is None:
        return []
    counts = np.bincount(shown.label.ravel(), minlength=IGNORE + 1)
    found = [(i, float(counts[i] / shown.label.size)) for i in range(len(names)) if counts[i]]
    return sorted(found, key=lambda item: -item[1])
