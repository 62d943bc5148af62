"""Figures that a recipe may need: shares and weights of the classes, mean and deviation of the colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetseg.data.check import class_counts, describe_sizes, split_facts
from streetseg.data.pairs import Dataset
from streetseg.data.survey import Progress, survey
from streetseg.errors import DatasetError

POWERS = (1.0, 0.5)  # ENet's weighting, and the milder one of our recipes


@dataclass(frozen=True)
class Stats:
    """Figures of a split.

    sizes: "W x H" -> number of frames. shares: of each class in the pixels that count. void: share of all pixels.
    weights: class_weight_power -> weight of each class. mean, std: of red, green and blue, in units of 0 to 255.
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

    def table(self) -> str:
        """Everything as text."""
        width = max(map(len, self.shares)) + 2
        head = "".join(f"{f'weight, power {power}':>20}" for power in self.weights)
        lines = [f"{self.dataset}, {self.split}: {self.frames} frames, {describe_sizes(self.sizes)}"]
        lines.append(f"{'class':<{width}}{'share':>9}{head}")
        for name, share in self.shares.items():
            weights = "".join(f"{of[name]:>20.3f}" for of in self.weights.values())
            lines.append(f"{name:<{width}}{share:>9.3%}{weights}")
        lines.append(f"{'(void)':<{width}}{self.void:>9.3%}")
        for title, values in (("mean", self.mean), ("deviation", self.std)):
            lines.append(f"{title} of red, green, blue: {', '.join(f'{value:.3f}' for value in values)}")
        return "\n".join(lines)


def stats(dataset: Dataset, split: str, progress: Progress = iter) -> Stats:
    """The figures of a split; DatasetError where a pair cannot be used, or no pixel counts."""
    samples = survey(dataset, dataset.pairs(split), progress)
    problems = [problem for sample in samples for problem in sample.problems]
    if problems:
        raise DatasetError(f"{problems[0]} ({len(problems)} in all: streetseg data check lists them)")
    facts = split_facts(dataset, samples)
    counts = class_counts(samples)[: len(dataset.labels.names)]
    if not counts.any():
        raise dataset.unlabelled(split)
    weights = {
        power: dict(zip(dataset.labels.names, class_weights(counts, power).round(6).tolist(), strict=True))
        for power in POWERS
    }
    colours = np.sum([sample.colours for sample in samples], axis=0)
    values, pixels = np.arange(256), colours.sum(1)
    mean = colours @ values / pixels
    std = np.sqrt(colours @ values**2 / pixels - mean**2)
    return Stats(
        dataset.name, split, **facts, weights=weights,
        mean=tuple(mean.round(3).tolist()), std=tuple(std.round(3).tolist()),
    )  # fmt: skip


def class_weights(counts: np.ndarray, power: float) -> np.ndarray:
    """The weight of each class in a loss: (1 / ln(1.02 + share)) ** power, divided by their mean.

    With power 1 that is the weighting of ENet (Paszke et al., 2016, Section 5.2); 0 weighs all alike.
    """
    weights = np.log(1.02 + counts / counts.sum()) ** -power
    normalised: np.ndarray = weights / weights.mean()
    return normalised
