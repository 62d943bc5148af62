"""Cityscapes' published layout: leftImg8bit/SPLIT/CITY/ and gtFine/SPLIT/CITY/ with labelIds and labelTrainIds.

A drive becomes a city. Frames get names as Cityscapes' own tools expect them, CITY_SEQUENCE_FRAME; names.csv says what
each was called.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from streetseg.data.cityscapes_classes import CLASSES
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.data.targets.target import CleanFrame, Target, save_png

VOID = 0  # Cityscapes' "unlabeled"
PUBLISHED = re.compile(r"(?P<city>[a-z-]+)_\d{6}_\d{6}")


class CityscapesTarget(Target):
    """Cityscapes' layout; the classes are its 19, in its order."""

    def __init__(self, root: Path, labels: LabelSpace) -> None:
        super().__init__(root, labels)
        self.frames_of_city: Counter[str] = Counter()
        self.names: list[tuple[str, str]] = []
        self.values = np.full(IGNORE + 1, VOID, np.uint8)
        self.values[: len(CLASSES)] = [value for value, _, _ in CLASSES]

    def add(self, frame: CleanFrame) -> None:
        """Write the image, and its class map as label ids and as train ids."""
        published = PUBLISHED.fullmatch(frame.name)
        city = published["city"] if published else city_of(frame.drive)
        stem = frame.name if published else f"{city}_000000_{self.frames_of_city[city]:06d}"
        self.frames_of_city[city] += not published
        self.names.append((stem, frame.name))
        place = Path(frame.split, city)
        save_png(frame.frame, self.root / "leftImg8bit" / place / f"{stem}_leftImg8bit.png")
        if frame.label is not None:
            labels = self.root / "gtFine" / place
            save_png(self.values[frame.label], labels / f"{stem}_gtFine_labelIds.png")
            save_png(frame.label, labels / f"{stem}_gtFine_labelTrainIds.png")  # mmsegmentation reads these

    def finish(self) -> None:
        """Write names.csv."""
        (self.root / "gtFine").mkdir(exist_ok=True)
        with (self.root / "names.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("name", "source"), *self.names])


def city_of(drive: str) -> str:
    """Return a drive's name as a city's: small letters, digits and hyphens."""
    letters = unicodedata.normalize("NFKD", drive).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-") or "street"
