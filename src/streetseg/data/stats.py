"""Compute figures for a recipe: shares and weights of the classes, mean and standard deviation of the colours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from streetseg.data.datasets import find_dataset
from streetseg.data.pairs import Dataset
from streetseg.data.survey import class_counts, describe_sizes, split_figures, survey
from streetseg.errors import DatasetError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table

POWERS = (1.0, 0.5)  # ENet's weighting, and the milder one of our recipes


@dataclass(frozen=True, repr=False)
class DatasetStats(Printable):
    """Figures of a split.

    Attributes:
        dataset: The dataset's name.
        split: The split's name.
        frames: Number of frames.
        sizes: "W x H" -> number of frames, the most common size first.
        shares: Class -> its share of the pixels that count, 0 to 1.
        void: Share of void in all pixels, 0 to 1.
        weights: A recipe's `class_weight_power` -> class -> weight in the loss.
        mean: Mean of red, green and blue, 0 to 255.
        std: Standard deviation of red, green and blue, 0 to 255.
    """

    dataset: str
    split: str
    frames: int
    sizes: dict[str, int]
    shares: dict[str, float]
    void: float
    weights: dict[float, dict[str, float]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The fields by their names; the powers in `weights` are texts.
        """
        return {**asdict(self), "weights": {str(power): of for power, of in self.weights.items()}}

    def table(self) -> str:
        """Return the figures as text.

        Returns:
            The split, a line for each class with its share and weights, then mean and standard deviation.
        """
        rows = [["class", "share", *(f"weight, power {power}" for power in self.weights)]]
        for name, share in self.shares.items():
            rows.append([name, f"{share:.3%}", *(f"{of[name]:.3f}" for of in self.weights.values())])
        rows.append(["(void)", f"{self.void:.3%}", *("" for _ in self.weights)])
        lines = [f"{self.dataset}, {self.split}: {self.frames} frames, {describe_sizes(self.sizes)}", text_table(rows)]
        for title, values in (("mean", self.mean), ("deviation", self.std)):
            lines.append(f"{title} of red, green, blue: {', '.join(f'{value:.3f}' for value in values)}")
        return "\n".join(lines)


def dataset_stats(
    data: Dataset | Path | str, *, split: str = "train", dataset: str | None = None, progress: Progress = silent
) -> DatasetStats:
    """Return the figures of a split.

    Args:
        data: A dataset, or its folder.
        split: A split, as `Dataset.pairs` takes it.
        dataset: A key of `DATASETS`; None: recognised by the folder's layout.
        progress: Shows how many pairs have been read.

    Returns:
        Shares, weights and colours.

    Raises:
        DatasetError: The folder is not a dataset, the split does not exist, a pair cannot be used, or no pixel counts.
    """
    opened = data if isinstance(data, Dataset) else find_dataset(data, dataset)
    samples = survey(opened, opened.pairs(split), progress)
    problems = [problem.message for sample in samples for problem in sample.problems]
    if problems:
        raise DatasetError(f"{problems[0]} ({len(problems)} in all: streetseg data check lists them)")
    counts = class_counts(samples)[: len(opened.labels.names)]
    if not counts.any():
        raise opened.unlabelled(split)
    figures = split_figures(opened, samples)
    weights = {
        power: dict(zip(opened.labels.names, class_weights(counts, power).round(6).tolist(), strict=True))
        for power in POWERS
    }
    colours = np.sum([sample.colours for sample in samples], axis=0)
    values, pixels = np.arange(256), colours.sum(1)
    mean = colours @ values / pixels
    std = np.sqrt(colours @ values**2 / pixels - mean**2)
    return DatasetStats(
        dataset=opened.name,
        split=split,
        frames=figures.frames,
        sizes=figures.sizes,
        shares={name: share for name, share in figures.shares.items() if share is not None},
        void=figures.void or 0.0,
        weights=weights,
        mean=tuple(mean.round(3).tolist()),
        std=tuple(std.round(3).tolist()),
    )


def class_weights(counts: np.ndarray, power: float) -> np.ndarray:
    """Return each class's weight in a loss: (1 / ln(1.02 + share)) ** power, divided by the mean weight.

    Power 1 is the weighting of ENet (Paszke et al., 2016, Section 5.2). Power 0 gives all classes the same weight.
    """
    weights = np.log(1.02 + counts / counts.sum()) ** -power
    normalised: np.ndarray = weights / weights.mean()
    return normalised
