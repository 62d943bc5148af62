"""A user's own data: images/ and masks/, a mask for each image by the same name, and classes.yaml.

Folders may have other names (see mask_folders.py), and so may masks (mask_names.py). The splits are those of
frame_lists.py. Class files of other tools replace classes.yaml (class_files.py).
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data import pair_lists
from streetseg.data.classes_yaml import CLASSES_FILE
from streetseg.data.folder_names import meaning_of
from streetseg.data.frame_lists import find_lists
from streetseg.data.mask_dataset import folders_dataset
from streetseg.data.mask_folders import find_folders
from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError

LAYOUT = f"images/ and masks/ with files of the same names, and {CLASSES_FILE}"
OTHER_NAMES = (
    "images and masks in folders that are called so (labels/, annotations/, img_dir/ with ann_dir/, train/ with "
    f"train_labels/), or masks beside their images (frame_1.jpg, frame_1_mask.png), and {CLASSES_FILE}"
)


def recognises(root: Path) -> bool:
    """Return True if `root`, or the folder of a split in it, has images/ and masks/."""
    if pair_lists.recognises(root):
        return False
    return any((place / "images").is_dir() and (place / "masks").is_dir() for place in (root, *split_folders(root)))


def split_folders(root: Path) -> list[Path]:
    """Return the folders with a split's name."""
    return [place for place in sorted(root.iterdir()) if place.is_dir() and meaning_of(place.name).split]


def recognises_other_names(root: Path) -> bool:
    """Return True if there are folders of images and of masks below `root`, by whatever name."""
    return not pair_lists.recognises(root) and bool(find_folders(root))


def open_folder(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong class file or list, or two images of one name."""
    folders = find_folders(root)
    if not folders:
        raise DatasetError(f"{root} holds no folders of images and of masks; looked for {LAYOUT}; or {OTHER_NAMES}")
    return folders_dataset(root, folders, find_lists(root))
