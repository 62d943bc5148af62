"""A2D2 (Geyer et al., 2020), semantic segmentation: DRIVE/camera/CAMERA/*.png with DRIVE/label/CAMERA/*.png.

Masks hold the 55 colours of class_list.json. Colours that only number the instances of a class (Car 1 to Car 4) are one
class, which leaves the paper's 38. There are no splits: the last fifth is val.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.class_files import class_files
from streetseg.data.class_json import read_structured
from streetseg.data.mask_dataset import Publisher, folders_dataset
from streetseg.data.mask_folders import FolderPair, folders_in
from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError

CLASSES = "class_list.json"
TERMS = "A2D2 is published by Audi under CC BY-ND 4.0; its site says what that means for weights trained on it."
LIMITS = ("Drives in the south of Germany, by day, with the cameras of one car.",)
LAYOUT = f"DRIVE/camera/CAMERA/*.png with DRIVE/label/CAMERA/*.png, and {CLASSES}"


def recognises(root: Path) -> bool:
    """Return True if `root` has drives with frames and masks."""
    return bool(drives(root))


def drives(root: Path) -> list[Path]:
    """Return the folders of the drives with masks."""
    return [place for place in folders_in(root) if (place / "camera").is_dir() and (place / "label").is_dir()]


def open_a2d2(root: Path) -> Dataset:
    """Open the dataset at `root`; a frame's sequence is its drive and camera."""
    folders = [FolderPair(place / "camera", place / "label", f"{place.name}/") for place in drives(root)]
    path = root / CLASSES
    if not path.is_file() and not class_files([root]):
        raise DatasetError(f"{path} is missing; take it from the dataset's archive, or write classes.yaml")
    publisher = None
    if path.is_file():
        publisher = Publisher("a2d2", read_structured(path), TERMS, LIMITS, agrees=lambda classes: classes.path == path)
    return folders_dataset(root, folders, publisher=publisher)
