"""Compare two evaluations of the same frames, and say which differences are real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.figures import new_figure
from streetseg.measure.coverage import EVERYTHING, Coverage
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.evaluation_json import read_evaluation
from streetseg.measure.metrics import percent
from streetseg.results import Facts, Printable, rounded, text_table
from streetseg.runtime.inputs import natural_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESAMPLES = 10_000
CONFIDENCE = 0.95
# With fewer frames the resamples are too alike. With three frames, a quarter of all chance differences would count as
# real.
LEAST_FRAMES = 10


@dataclass(frozen=True)
class Difference:
    """One score of A and of B, and the interval of their difference.

    Attributes:
        name: "mIoU" or the class.
        a: The score of A, 0 to 1; NaN if there is none.
        b: The score of B.
        low: Lower end of the 95 % interval of B minus A; NaN with too few frames.
        high: Upper end of the interval.
    """

    name: str
    a: float
    b: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """True if the interval does not contain 0."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if np.isnan([self.a, self.b]).any():
            return ""
        if np.isnan(self.low):
            return "in too few frames"
        return "real" if self.real else "could be chance"


@dataclass(frozen=True, repr=False)
class Comparison(Printable):
    """The differences between two evaluations A and B of the same frames. `comparison["road"]` is one of them.

    Attributes:
        differences: mIoU first, then each class.
        coverage: The part of the labels that counts in both evaluations.
    """

    differences: tuple[Difference, ...]
    coverage: Coverage = EVERYTHING

    @property
    def partial(self) -> bool:
        """True if over a tenth of the labelled pixels is left out: the figures are no answer by themselves."""
        return self.coverage.partial

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.differences)

    def __getitem__(self, name: str) -> Difference:
        """Return the difference in "mIoU", or in the IoU of a class.

        Raises:
            KeyError: The class is not in both evaluations.
        """
        return {one.name: one for one in self.differences}[name]

    def facts(self) -> Facts:
        """Return the differences as JSON's types.

        Returns:
            a, b, difference, low, high and real, by "mIoU" and class; IoUs are 0 to 1, None where there is no figure.
            "mIoU" also has left_out_share, the share of the labelled pixels that do not count.
        """
        share: Facts = {"left_out_share": rounded(self.coverage.left_out_share)}
        return {
            one.name: {
                "a": rounded(one.a),
                "b": rounded(one.b),
                "difference": rounded(one.b - one.a),
                "low": rounded(one.low),
                "high": rounded(one.high),
                "real": one.real,
                **(share if one.name == "mIoU" else {}),
            }
            for one in self.differences
        }

    def table(self) -> str:
        """Return the differences for a terminal.

        Returns:
            A table: IoU in per cent, differences in points, and the verdict. A line says if labelled pixels are left
            out; it is the first if they are many.
        """
        rows = [["class", "A", "B", "B - A", "95 % interval", "difference"]]
        for one in self.differences:
            known = not np.isnan([one.a, one.b]).any()
            points = f"{100 * (one.b - one.a):+.2f}" if known else ""
            interval = "-" if np.isnan(one.low) else f"{100 * one.low:+.2f} {100 * one.high:+.2f}"
            rows.append([one.name, *(map(percent, (one.a, one.b)) if known else "--"), points, interval, one.verdict])
        if self.partial:
            return f"{self.coverage.headline}\n{text_table(rows)}"
        remark = f"\nof {self.coverage.counted}" if self.coverage.left_out_share else ""
        return f"{text_table(rows)}{remark}"

    def plot(self) -> Figure:
        """Return a figure: the difference in points of mIoU and of each class, with its interval.

        Returns:
            A matplotlib figure; `figure.savefig("comparison.png")` writes it.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        figure = new_figure(7, 1.5 + 0.35 * len(self.differences))
        axes = figure.subplots()
        axes.axvline(0, color="grey", linewidth=1)
        for place, one in enumerate(self.differences):
            colour = "C0" if one.real else "grey"
            axes.plot([100 * one.low, 100 * one.high], [place, place], color=colour, linewidth=2)
            axes.plot([100 * (one.b - one.a)], [place], "o", color=colour)
        axes.set_yticks(range(len(self.differences)), [one.name for one in self.differences])
        axes.set(xlabel="B - A in points, with the 95 % interval; grey: could be chance")
        axes.invert_yaxis()
        return figure

    def __repr__(self) -> str:
        first = self.differences[0]
        points = "-" if np.isnan(first.b - first.a) else f"{100 * (first.b - first.a):+.2f} points"
        verdict = (f", {first.verdict}" if first.verdict else "") + self.coverage.beside
        return f"<Comparison: {first.name} {percent(first.a)} -> {percent(first.b)}, {points}{verdict}>"


def compare(a: Path | str | Evaluation, b: Path | str | Evaluation) -> Comparison:
    """Compare two evaluations of the same frames.

    The intervals come from a paired bootstrap (percentile interval; Efron, Tibshirani, 1993, chapter 13). It draws runs
    of neighbouring frames with replacement, the same ones for A and B, and adds their confusion matrices, RESAMPLES
    times. A class that fewer than LEAST_FRAMES frames show has no interval. With fewer frames, mIoU has none either.
    The result is deterministic.

    Args:
        a: A result of `evaluate`, or a JSON file that `streetseg evaluate --json` or `--report` wrote.
        b: Another one, of the same frames.

    Returns:
        The difference in mIoU over the classes that both evaluations have, then in each class's IoU.

    Raises:
        UsageError: A file holds something else, or the evaluations are of other frames or count other pixels.
    """
    names = [
        f"evaluation {letter}" if isinstance(one, Evaluation) else str(one)
        for letter, one in zip("AB", (a, b), strict=True)
    ]
    both = " and ".join(names)
    evaluations = [one if isinstance(one, Evaluation) else read_evaluation(one) for one in (a, b)]
    first, second = map(frame_counts, evaluations)
    if set(first.frames) != set(second.frames):
        lone = sorted(set(first.frames) ^ set(second.frames))
        raise UsageError(
            f"{both} are not of the same frames: {len(lone)} are in one only, such as {lone[0]}; evaluate both on "
            "one split"
        )
    classes = tuple(name for name in first.classes if name in second.classes)
    if not classes:
        raise UsageError(f"{both} have no class in common; evaluate artefacts that share classes")
    # Frames may be listed in any order, but runs (see resampled_differences) must be of neighbours.
    order = tuple(sorted(first.frames, key=lambda name: natural_key(Path(name))))
    first, second = first.select(order, classes), second.select(order, classes)
    differing = (first.pixels != second.pixels) | (first.true != second.true).any(1)
    if differing.any():
        raise UsageError(
            f"{both} do not count the same pixels in {differing.sum()} of the frames, such as "
            f"{first.frames[differing.argmax()]}; evaluate both on the same labels and classes"
        )
    # The same pixels count, so the one that leaves out more is of a file that does not tell them from void ones.
    coverage = min((one.coverage for one in evaluations), key=lambda one: one.left_out_share)
    return Comparison(tuple(differences(first, second)), coverage)


@dataclass(frozen=True)
class FrameCounts:
    """Pixel counts of each frame and class.

    Attributes:
        frames: n names.
        classes: C names.
        right: n x C pixels that are predicted right.
        true: n x C pixels of the class.
        predicted: n x C pixels that are predicted as the class.
        pixels: n: pixels of the frame that count, of any class.
    """

    frames: tuple[str, ...]
    classes: tuple[str, ...]
    right: NDArray[np.float64]
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    pixels: NDArray[np.float64]

    def iou(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the IoU per class, R x C, for R weightings of the frames, R x n."""
        right = weights @ self.right
        with np.errstate(invalid="ignore"):
            iou: NDArray[np.float64] = right / (weights @ self.true + weights @ self.predicted - right)
        return iou

    def select(self, frames: tuple[str, ...], classes: tuple[str, ...]) -> FrameCounts:
        """Return the counts of these frames and classes, in this order."""
        place = {name: index for index, name in enumerate(self.frames)}
        rows = [place[name] for name in frames]
        columns = [self.classes.index(name) for name in classes]
        right, true, predicted = (part[np.ix_(rows, columns)] for part in (self.right, self.true, self.predicted))
        return FrameCounts(frames, classes, right, true, predicted, self.pixels[rows])


def frame_counts(evaluation: Evaluation) -> FrameCounts:
    """Return the counts of an evaluation's frames, for the classes that the labels know."""
    names = evaluation.names
    matrices = (frame.matrix(len(names)) for frame in evaluation.frame_scores)
    per_frame = np.array([(np.diag(matrix), matrix.sum(1), matrix.sum(0)) for matrix in matrices], np.float64)
    right, true, predicted = per_frame.transpose(1, 0, 2)
    frames = tuple(frame.name for frame in evaluation.frame_scores)
    labelled = tuple(name for name, judged in zip(names, evaluation.judged, strict=True) if judged)
    return FrameCounts(frames, names, right, true, predicted, true.sum(1)).select(frames, labelled)


def differences(first: FrameCounts, second: FrameCounts) -> Iterator[Difference]:
    """Yield the difference in mIoU, then in each class's IoU."""
    resampled = resampled_differences(first, second)
    tail = 100 * (1 - CONFIDENCE) / 2
    whole = np.ones((1, len(first.frames)))
    ious = first.iou(whole)[0], second.iou(whole)[0]
    for name, column in (("mIoU", -1), *((name, i) for i, name in enumerate(first.classes))):
        values = resampled[:, column]
        values = values[~np.isnan(values)]
        shown = len(first.frames) if column < 0 else np.count_nonzero(first.true[:, column])
        low, high = np.percentile(values, (tail, 100 - tail)) if shown >= LEAST_FRAMES else (np.nan, np.nan)
        a, b = (mean_iou(iou[None])[0] if column < 0 else iou[column] for iou in ious)
        yield Difference(name, float(a), float(b), float(low), float(high))


def resampled_differences(first: FrameCounts, second: FrameCounts) -> NDArray[np.float64]:
    """Return B's IoU minus A's in each resample: RESAMPLES x (C + 1), the last column for mIoU.

    Neighbouring frames of a drive are alike: if they were drawn one by one, the interval would be too narrow. So whole
    runs of frames are drawn. The last frame is followed by the first (circular block bootstrap; Politis, Romano, 1992).
    A run is as long as the cube root of the number of frames (the order that Hall, Horowitz, Jing, 1995, recommend).
    """
    rng = np.random.default_rng(0)
    frames = len(first.frames)
    run = round(frames ** (1 / 3))
    starts = rng.multinomial(frames // run, np.full(frames, 1 / frames), RESAMPLES)
    weights = np.zeros(starts.shape)
    for shift in range(run):
        weights += np.roll(starts, shift, axis=1)
    a, b = first.iou(weights), second.iou(weights)
    return np.column_stack([b - a, mean_iou(b) - mean_iou(a)])


def mean_iou(iou: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mIoU of R x C IoUs, R values: the mean over the classes that occur."""
    known = ~np.isnan(iou)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.where(known, iou, 0).sum(1) / known.sum(1)
    return mean
