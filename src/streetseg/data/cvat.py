"""CVAT's export "Segmentation mask 1.1", with images: a user's own data, labelled in CVAT or written by datumaro.

An export has JPEGImages/, SegmentationClass/ with masks in the labels' colours, labelmap.txt, and
ImageSets/Segmentation/ with a list of names for each subset.

- The subsets Train, Validation and Test are the splits. CVAT calls a task without subsets `default`. It is train if
  there are other subsets; otherwise its last fifth is val (see frame_lists.py).
- A frame without drawings has no mask and is left out.
- Pixels without a drawing have CVAT's label `background`. They do not count if there are two other labels.
- A classes.yaml in the folder (see classes_yaml.py) replaces labelmap.txt, for example to let background count.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from streetseg.data.frame_lists import find_lists
from streetseg.data.mask_dataset import folders_dataset
from streetseg.data.mask_files import open_mask
from streetseg.data.mask_folders import FolderPair
from streetseg.data.pairs import Dataset, from_file
from streetseg.errors import DatasetError

LABELMAP = "labelmap.txt"
LAYOUT = "JPEGImages/, SegmentationClass/ and labelmap.txt, as CVAT exports 'Segmentation mask 1.1' with images"


def recognises(root: Path) -> bool:
    """Return True if `root` is such an export."""
    return (root / "SegmentationClass").is_dir() and (root / LABELMAP).is_file()


def open_cvat(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong labelmap.txt or an export without images."""
    if not (root / "JPEGImages").is_dir():
        raise DatasetError(f"{root} holds no JPEGImages/; export again with 'Save images' switched on")
    folders = [FolderPair(root / "JPEGImages", root / "SegmentationClass")]
    lists = find_lists(root)
    default = root / "ImageSets" / "Segmentation" / "default.txt"
    if lists and default.is_file():
        lists.setdefault("train", default)
    dataset = folders_dataset(root, folders, lists, skip_unlabelled=True)
    return dataclasses.replace(dataset, load=from_file(read_painted))


def read_painted(path: Path) -> np.ndarray:
    """Return the colours of a mask, through its palette if it has one; a grey mask holds indices in labelmap.txt."""
    with open_mask(path) as image:
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)
