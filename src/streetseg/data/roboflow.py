"""Roboflow's export "Semantic Segmentation Masks": NAME_mask.png beside NAME.jpg, in a folder for each split.

_classes.csv in each folder gives the classes' values. Roboflow calls what nobody drew on `background`; it counts.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.mask_dataset import folders_dataset
from streetseg.data.mask_folders import FolderPair, apart
from streetseg.data.pairs import Dataset

CLASSES = "_classes.csv"
LAYOUT = f"train/ (and valid/, test/) with NAME.jpg, NAME_mask.png and {CLASSES}"


def recognises(root: Path) -> bool:
    """Return True if `root`, or a folder in it, is such an export."""
    return bool(places(root))


def places(root: Path) -> list[Path]:
    """Return the folders with masks and classes."""
    folders = [root, *(path for path in sorted(root.iterdir()) if path.is_dir())]
    return [place for place in folders if (place / CLASSES).is_file() and apart(place.iterdir())[1]]


def open_roboflow(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError if the splits' class files contradict each other."""
    folders = [FolderPair(place, place, "" if place == root else f"{place.name}/") for place in places(root)]
    return folders_dataset(root, folders)
