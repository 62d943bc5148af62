"""The result of an evaluation: one confusion matrix over all pixels of a split, and its scores."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetseg.data.class_names import Match, described
from streetseg.figures import new_figure
from streetseg.measure.boundary import DIAGONAL_SHARE, BoundaryCounts
from streetseg.measure.coverage import Coverage, share_in_words
from streetseg.measure.metrics import Scores, mean, percent, scores
from streetseg.measure.setup import Setup
from streetseg.results import Facts, Printable, rounded, text_table
from streetseg.runtime.card import Accuracy

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from streetseg.runtime.overlay import Colour

VOID_RULE = "pixels whose label is void, or a class left out, do not count, whatever was predicted there"
Rounded = dict[str, float | None]  # name -> share from 0 to 1, None where undefined


@dataclass(frozen=True)
class FrameScore:
    """The scores of one frame.

    Attributes:
        name: The frame's name in its dataset.
        cells: The frame's confusion matrix, n x 3 int64: true class, predicted class, number of pixels.
        miou: mIoU, 0 to 1; NaN if no pixel counts.
        pixel_accuracy: Share of right pixels, 0 to 1; NaN if no pixel counts.
    """

    name: str
    cells: NDArray[np.int64]
    miou: float
    pixel_accuracy: float

    def matrix(self, classes: int) -> NDArray[np.int64]:
        """Return the confusion matrix.

        Args:
            classes: Number of classes C.

        Returns:
            C x C pixel counts: rows are true classes, columns are predicted classes.

        Raises:
            IndexError: A cell names a class beyond C.
        """
        matrix = np.zeros((classes, classes), np.int64)
        true, predicted, pixels = self.cells.T
        np.add.at(matrix, (true, predicted), pixels)
        return matrix

    def facts(self) -> Facts:
        """Return the scores and the counts as JSON's types."""
        return {
            "name": self.name,
            "miou": rounded(float(self.miou)),
            "pixel_accuracy": rounded(float(self.pixel_accuracy)),
            "confusion": self.cells.tolist(),
        }


@dataclass(frozen=True)
class FlickerScore:
    """How steady the class maps of films are.

    Attributes:
        share: Share of the followed pixels whose class changed although the picture only moved, 0 to 1.
        followed: Share of all pixels that could be followed from the frame before, 0 to 1.
        labels: The same share of the labels as `share` of the class maps: what a perfect network would have.
        steady: True if the class maps were smoothed over time.
        milliseconds: Median time of a frame: network and class map, and smoothing.
    """

    share: float
    followed: float
    labels: float
    steady: bool
    milliseconds: float

    def facts(self) -> Facts:
        """Return the figures as JSON's types."""
        return {
            "flicker": rounded(self.share),
            "flicker_followed": rounded(self.followed),
            "flicker_of_labels": rounded(self.labels),
            "steady": self.steady,
            "milliseconds": round(self.milliseconds, 2),
        }

    def sentence(self) -> str:
        """Return the figures in words."""
        return (
            f"flicker {self.share:.2%} of the pixels that can be followed ({self.followed:.0%}), {self.labels:.2%} in "
            f"the labels; {self.milliseconds:.1f} ms a frame{', smoothed over time' if self.steady else ''}"
        )


@dataclass(frozen=True)
class WorstFrame:
    """A frame with a low mIoU, and its pictures by caption: frame, label, prediction, errors."""

    name: str
    miou: float
    pictures: dict[str, Image.Image]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Printable):
    """The accuracy of an artefact on a split of a dataset.

    Attributes:
        names: Class names of the artefact, in the order of their indices. C is their number.
        judged: C booleans: False for a class that the labels do not know.
        left_out: Classes of the labels that the artefact does not know. Their pixels do not count.
        matrix: C x C pixel counts over all frames: rows are true classes, columns are predicted classes.
        uncounted: Number of pixels that do not count: void, or of a class that is left out.
        frame_scores: Scores of each frame.
        boundary: Counts near class borders; None if they were not asked for, or were read from a file.
        setup: What was evaluated, on which data and how.
        colours: RGB colours of the classes, 0 to 255; empty if unknown.
        worst: The frames with the lowest mIoU, worst first, as many as were asked for.
        left_out_pixels: Number of labelled pixels whose class is left out; part of `uncounted`. From a file of version
            0.1.0 that leaves classes out: at most so many.
        matches: The class of the artefact that each class of the labels counts as, and why; empty if unknown.
        flicker: How steady the class maps of drives are; None if it was not asked for, or read from a file.
    """

    names: tuple[str, ...]
    judged: NDArray[np.bool_]
    left_out: tuple[str, ...]
    matrix: NDArray[np.int64]
    uncounted: int
    frame_scores: tuple[FrameScore, ...]
    boundary: BoundaryCounts | None = None
    setup: Setup = field(default_factory=Setup)
    colours: tuple[Colour, ...] = ()
    worst: tuple[WorstFrame, ...] = ()
    left_out_pixels: int = 0
    matches: tuple[Match, ...] = ()
    flicker: FlickerScore | None = None

    @property
    def coverage(self) -> Coverage:
        """The part of the labels that counts."""
        labelled = self.pixels + self.left_out_pixels
        classes = len(self.matches) or int(self.judged.sum())
        return Coverage(classes, self.left_out, self.left_out_pixels / labelled if labelled else 0.0)

    @property
    def partial(self) -> bool:
        """True if over a tenth of the labelled pixels is left out: the figures are no answer by themselves."""
        return self.coverage.partial

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.frame_scores)

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return int(self.matrix.sum())

    @property
    def not_judged(self) -> list[str]:
        """Names of the artefact's classes that the labels do not know."""
        return [name for name, judged in zip(self.names, self.judged, strict=True) if not judged]

    @cached_property
    def scores(self) -> Scores:
        """The scores of the confusion matrix, not rounded."""
        return scores(self.matrix, self.judged)

    def means(self) -> Rounded:
        """Return the scores over all classes.

        Returns:
            miou, mean_f1, class_accuracy, pixel_accuracy and fwiou, with borders also boundary_miou: shares from 0 to
            1, rounded to 6 digits; None where undefined.
        """
        means = {
            "miou": self.scores.miou,
            "mean_f1": self.scores.mean_f1,
            "class_accuracy": self.scores.class_accuracy,
            "pixel_accuracy": self.scores.pixel_accuracy,
            "fwiou": self.scores.fwiou,
        }
        if self.boundary is not None:
            means["boundary_miou"] = mean(judged_boundary_iou(self.boundary, self.judged))
        return {name: rounded(value) for name, value in means.items()}

    def class_scores(self) -> dict[str, Rounded]:
        """Return the scores of each class.

        Returns:
            iou, f1 and accuracy, with borders also boundary_iou, each by class: shares from 0 to 1, rounded to 6
            digits; None where undefined.
        """
        columns = {"iou": self.scores.iou, "f1": self.scores.f1, "accuracy": self.scores.accuracy}
        if self.boundary is not None:
            columns["boundary_iou"] = judged_boundary_iou(self.boundary, self.judged)
        return {
            column: {name: rounded(float(value)) for name, value in zip(self.names, values, strict=True)}
            for column, values in columns.items()
        }

    def trimap_miou(self) -> Rounded:
        """Return the mIoU of the pixels near borders.

        Returns:
            mIoU by the width of the band in pixels, 0 to 1, rounded to 6 digits; empty if borders were not evaluated.
        """
        bands = {} if self.boundary is None else self.boundary.trimap
        return {str(width): rounded(scores(matrix, self.judged).miou) for width, matrix in bands.items()}

    def facts(self) -> Facts:
        """Return all figures as JSON's types.

        Returns:
            The setup, the scores, the confusion matrix and the frames; shares are 0 to 1, None where undefined.
        """
        means, columns = self.means(), self.class_scores()
        coverage = self.coverage
        boundary: Facts = {}
        if self.boundary is not None:
            boundary = {
                "boundary_share_of_diagonal": DIAGONAL_SHARE,
                "boundary_miou": means.pop("boundary_miou"),
                "boundary_iou": columns.pop("boundary_iou"),
                "trimap_miou": self.trimap_miou(),
            }
        return {
            **dataclasses.asdict(self.setup),
            "partial": coverage.partial,
            "counted": coverage.counted,
            "left_out_share": rounded(coverage.left_out_share),
            "frames": self.frames,
            "void": VOID_RULE,
            "pixels": self.pixels,
            "uncounted_pixels": self.uncounted,
            "left_out_pixels": self.left_out_pixels,
            "left_out": self.left_out,
            "matches": [dataclasses.asdict(match) for match in self.matches],
            "not_judged": self.not_judged,
            **means,
            **columns,
            **boundary,
            **(self.flicker.facts() if self.flicker else {}),
            "classes": self.names,
            "confusion": self.matrix.tolist(),
            "images": [frame.facts() for frame in self.frame_scores],
        }

    def to_json(self) -> str:
        """Return `facts` as one JSON object.

        Returns:
            One line for each figure and one for each frame.
        """
        lines = []
        for key, value in self.facts().items():
            if key == "images" and isinstance(value, Sequence):
                images = ",\n".join(f"    {json.dumps(image)}" for image in value)
                lines.append(f'  "images": [\n{images}\n  ]')
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        return "{\n" + ",\n".join(lines) + "\n}"

    def table(self) -> str:
        """Return the scores for a terminal.

        Returns:
            A table of the classes in per cent, then one line for each kind of mean and each remark. If the figures are
            partial, the first line says so.
        """
        means, columns = self.means(), self.class_scores()
        last = [means[key] for key in ("miou", "mean_f1", "class_accuracy", "boundary_miou") if key in means]
        rows = [
            ["class", *("IoU", "F1", "accuracy", "boundary IoU")[: len(columns)]],
            *([name, *(percent(column[name]) for column in columns.values())] for name in self.names),
            ["mean", *map(percent, last)],
        ]
        lines = [
            *([self.coverage.headline] if self.partial else []),
            f"{self.setup.measured_on} ({self.setup.engine}; {self.setup.views})",
            text_table(rows),
            f"mIoU {percent(means['miou'])}{self.coverage.beside}, pixel accuracy {percent(means['pixel_accuracy'])}, "
            f"frequency-weighted IoU {percent(means['fwiou'])}",
        ]
        if self.boundary is not None:
            bands = ", ".join(f"{width} px {percent(value)}" for width, value in self.trimap_miou().items())
            lines.append(f"mIoU near borders (trimap): {bands}")
        if self.flicker is not None:
            lines.append(self.flicker.sentence())
        return "\n".join([*lines, *self.remarks()])

    def remarks(self) -> list[str]:
        """Say which classes were matched by more than their names, and which pixels and classes do not count.

        Returns:
            One line for each: classes matched, classes left out, classes not judged, the share of void pixels.
        """
        lines = []
        if other_names := described(self.matches):
            lines.append(f"classes of the labels = of the weights: {other_names}")
        if self.left_out:
            left_out = f" ({share_in_words(self.coverage.left_out_share)} of the labelled ones)"
            share_beside = left_out if self.left_out_pixels else ""
            lines.append(f"left out, their pixels do not count: {', '.join(self.left_out)}{share_beside}")
        if self.not_judged:
            lines.append(f"not in the labels, so not judged: {', '.join(self.not_judged)}")
        share = self.uncounted / (self.pixels + self.uncounted)
        return [*lines, f"{percent(share)} of the pixels are void or left out and do not count"]

    def card_entry(self) -> Accuracy:
        """Return the accuracy as a model card states it.

        The entry's `measured_on` also names views other than the card's own, classes that are not judged, classes that
        are left out and the share that counts, and classes matched by more than their names.

        Returns:
            The card's entry.

        Raises:
            ValueError: No pixel counts, so there is no mIoU.
        """
        accuracy, other_names = Accuracy.of(self.facts()), described(self.matches)
        notes = [
            accuracy.measured_on,
            "" if self.setup.views == Setup.views else self.setup.views,
            self.not_judged and f"not judged: {', '.join(self.not_judged)}",
            self.left_out and f"left out: {', '.join(self.left_out)}{self.coverage.beside}",
            other_names and f"classes of the labels = of the weights: {other_names}",
        ]
        return dataclasses.replace(
            accuracy, measured_on="; ".join(note for note in notes if isinstance(note, str) and note)
        )

    def plot(self) -> Figure:
        """Return a figure: a bar for the IoU of each class, and the confusion matrix in per cent of each true class.

        Returns:
            A matplotlib figure; `figure.savefig("evaluation.png")` writes it.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        number = len(self.names)
        figure = new_figure(6 + 0.5 * number, 2 + 0.35 * number)
        bars, cells = figure.subplots(1, 2)
        figure.suptitle(
            f"{self.setup.measured_on}\nmIoU {percent(self.means()['miou'])}{self.coverage.beside}", fontsize="medium"
        )
        iou = 100 * self.scores.iou
        colours = [tuple(part / 255 for part in colour) for colour in self.colours] or None
        drawn = bars.barh(self.names, np.nan_to_num(iou), color=colours, edgecolor="black", linewidth=0.5)
        bars.bar_label(drawn, [percent(value) for value in self.class_scores()["iou"].values()], padding=3)
        bars.set(xlabel="IoU in per cent", xlim=(0, 115), ylim=(number - 0.5, -0.5))
        shares = 100 * self.matrix / np.maximum(1, self.matrix.sum(1, keepdims=True))
        cells.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for (row, column), share in np.ndenumerate(shares):
            if self.matrix[row, column]:
                colour = "white" if share > 50 else "black"
                cells.text(column, row, f"{share:.0f}", ha="center", va="center", color=colour, fontsize="small")
        cells.set_xticks(range(number), self.names, rotation=90)
        cells.set_yticks(range(number), self.names)
        cells.set(xlabel="predicted class", ylabel="true class, its pixels in per cent")
        return figure

    def __repr__(self) -> str:
        frames = f"{self.frames} frame{'s' * (self.frames != 1)}"
        return (
            f"<Evaluation: mIoU {percent(self.means()['miou'])}{self.coverage.beside}, pixel accuracy "
            f"{percent(self.means()['pixel_accuracy'])}, {frames}, {len(self.names)} classes>"
        )


def judged_boundary_iou(boundary: BoundaryCounts, judged: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the boundary IoU per class; NaN for classes that are not judged."""
    return np.where(judged, boundary.boundary_iou(), np.nan)
