"""Two evaluations of the same frames compared: is the difference real?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.measure.report.report import read_evaluation
from streetseg.runtime.inputs import natural_key

RESAMPLES = 10_000
CONFIDENCE = 0.95
# With fewer, resamples resemble each other too much: of three frames that differ by chance a fourth is called real.
LEAST_FRAMES = 10


@dataclass(frozen=True)
class Difference:
    """A score of A and of B, 0 to 1 (NaN where there is none), and the interval in which B minus A lies in 95 % of the
    bootstrap's resamples (NaN with too few frames for one). real: whether the interval leaves out 0."""

    name: str
    a: float
    b: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Counts:
    """Per frame and class, n x C each: pixels that are right, of the class, and taken for it. pixels: n, those of a
    frame that count, of whatever class."""

    frames: tuple[str, ...]
    classes: tuple[str, ...]
    right: NDArray[np.float64]
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    pixels: NDArray[np.float64]

    def iou(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The IoU per class, R x C, of R weightings of the frames, R x n."""
        right = weights @ self.right
        with np.errstate(invalid="ignore"):
            iou: NDArray[np.float64] = right / (weights @ self.true + weights @ self.predicted - right)
        return iou


def compare(a: Path, b: Path) -> list[Difference]:
    """Compare what `streetseg evaluate --json` or `--report` wrote of two artefacts on the same frames.

    Returns mIoU over the classes that both judged, then each class. Paired bootstrap (Efron, Tibshirani, 1993, chapter
    13's percentile interval): runs of neighbouring frames are drawn with replacement, the same ones for A and B,
    RESAMPLES times, and their confusion matrices pooled. No interval for a class that fewer than LEAST_FRAMES frames
    show, none at all of fewer. Deterministic. UsageError for files of another kind, of other frames, or of other
    pixels in them.
    """
    first, second = read_counts(a), read_counts(b)
    if set(first.frames) != set(second.frames):
        lone = sorted(set(first.frames) ^ set(second.frames))
        raise UsageError(
            f"{a} and {b} do not judge the same frames: {len(lone)} are in one only, such as {lone[0]}; evaluate both "
            "on one split"
        )
    classes = tuple(name for name in first.classes if name in second.classes)
    if not classes:
        raise UsageError(f"{a} and {b} have no class in common; evaluate artefacts that share classes")
    # Frames may be listed in any order, and runs of them (see resampled_differences) are to be of neighbours.
    order = tuple(sorted(first.frames, key=lambda name: natural_key(Path(name))))
    first, second = select(first, order, classes), select(second, order, classes)
    differing = (first.pixels != second.pixels) | (first.true != second.true).any(1)
    if differing.any():
        raise UsageError(
            f"{a} and {b} do not count the same pixels in {differing.sum()} of the frames, such as "
            f"{first.frames[differing.argmax()]}; evaluate both on the same labels and classes"
        )
    differences = resampled_differences(first, second)
    tail = 100 * (1 - CONFIDENCE) / 2
    found = []
    whole = np.ones((1, len(first.frames)))
    ious = first.iou(whole)[0], second.iou(whole)[0]
    for name, place in (("mIoU", -1), *((name, i) for i, name in enumerate(classes))):
        values = differences[:, place]
        values = values[~np.isnan(values)]
        shown = len(first.frames) if place < 0 else np.count_nonzero(first.true[:, place])
        low, high = np.percentile(values, (tail, 100 - tail)) if shown >= LEAST_FRAMES else (np.nan, np.nan)
        one, other = (mean_iou(iou[None])[0] if place < 0 else iou[place] for iou in ious)
        found.append(Difference(name, float(one), float(other), float(low), float(high)))
    return found


def resampled_differences(first: Counts, second: Counts) -> NDArray[np.float64]:
    """B's IoU minus A's in each resample: RESAMPLES x (C + 1), the last column for mIoU.

    Neighbouring frames of a drive resemble each other, and drawn one by one they would make an interval too narrow. So
    runs of them are drawn, the last frame followed by the first (circular block bootstrap; Politis, Romano, 1992), of
    as many frames as the cube root of all (the order that Hall, Horowitz, Jing, 1995, find best).
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
    """mIoU, R, of R x C IoUs: the mean over the classes that occur."""
    known = ~np.isnan(iou)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.where(known, iou, 0).sum(1) / known.sum(1)
    return mean


def read_counts(path: Path) -> Counts:
    """What compare needs of an evaluation's JSON; UsageError where it is something else."""
    evaluation, _ = read_evaluation(path)
    names = evaluation.names
    matrices = (frame.matrix(len(names)) for frame in evaluation.frame_scores)
    per_frame = np.array([(np.diag(matrix), matrix.sum(1), matrix.sum(0)) for matrix in matrices], np.float64)
    right, true, predicted = per_frame.transpose(1, 0, 2)
    frames = tuple(frame.name for frame in evaluation.frame_scores)
    judged = tuple(name for name, known in zip(names, evaluation.judged, strict=True) if known)
    return select(Counts(frames, names, right, true, predicted, true.sum(1)), frames, judged)


def select(counts: Counts, frames: tuple[str, ...], classes: tuple[str, ...]) -> Counts:
    """The counts of these frames and classes, in this order."""
    place = {name: index for index, name in enumerate(counts.frames)}
    rows = [place[name] for name in frames]
    columns = [counts.classes.index(name) for name in classes]
    right, true, predicted = (part[np.ix_(rows, columns)] for part in (counts.right, counts.true, counts.predicted))
    return Counts(frames, classes, right, true, predicted, counts.pixels[rows])


def comparison_facts(differences: list[Difference]) -> dict[str, Any]:
    """The comparison, ready for JSON."""
    return {
        d.name: {
            "a": nullable(d.a), "b": nullable(d.b), "difference": nullable(d.b - d.a),
            "low": nullable(d.low), "high": nullable(d.high), "real": d.real,
        }
        for d in differences
    }  # fmt: skip


def nullable(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)


def comparison_table(differences: list[Difference]) -> str:
    """The comparison for the terminal: per cent, differences in points."""
    width = max(len(d.name) for d in differences)
    lines = [f"{'':<{width}}  {'A':>7}  {'B':>7}  {'B - A':>7}  {'95 % interval':>16}"]
    for d in differences:
        if np.isnan([d.a, d.b]).any():
            lines.append(f"{d.name:<{width}}  {'-':>7}  {'-':>7}")
            continue
        if np.isnan(d.low):
            interval, verdict = "-", "in too few frames"
        else:
            interval = f"{100 * d.low:+7.2f} {100 * d.high:+7.2f} "
            verdict = "real" if d.real else "could be chance"
        points = f"{100 * (d.b - d.a):+7.2f}  {interval:>16}"
        lines.append(f"{d.name:<{width}}  {d.a:>7.2%}  {d.b:>7.2%}  {points}  {verdict}")
    return "\n".join(lines)
