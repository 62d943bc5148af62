"""What an evaluation was of: artefact, data, engine and views, and when and by which command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streetseg.data.pairs import readable
from streetseg.measure.views import Views
from streetseg.runtime.card import ModelCard


@dataclass(frozen=True)
class Setup:
    """What was evaluated, on which data and how.

    Attributes:
        measured_on: Dataset, split, number of frames, and the training data of the weights.
        weights: Content hash of the artefact.
        engine: Engine and its precision.
        views: Scales, mirroring and windows in words.
        command: The command line that gives the same figures again, with the name of the dataset's folder.
        title: The artefact's title; "" if unknown, as the next two.
        date: The day in UTC, YYYY-MM-DD.
        package_version: This package's version.
    """

    measured_on: str = ""
    weights: str = ""
    engine: str = ""
    views: str = Views().describe()
    command: str = ""
    title: str = ""
    date: str = ""
    package_version: str = ""

    @property
    def written(self) -> str:
        """Date and version in words; "" if unknown."""
        parts = [self.date, self.package_version and f"streetseg {self.package_version}"]
        return ", ".join(part for part in parts if part)


def describe_data(dataset: str, split: str, frames: int, training_data: str) -> str:
    """Return `Setup.measured_on` in words."""
    return f"{dataset}, split {split}, {frames} frames; trained on {training_data}"


def artefact_title(card: ModelCard) -> str:
    """Return the title on an artefact's card; where it has none, its network and training data."""
    return card.title or f"{card.network}, trained on {card.training_data or 'unknown data'}"


def folder_name(data: Path | str) -> str:
    """Return the name of a dataset's folder, for a command: without the folders of this machine above it."""
    path = Path(data).resolve()
    return readable(path.name or str(path))
