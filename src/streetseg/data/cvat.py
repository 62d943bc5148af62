"""CVAT's export "Segmentation mask 1.1", with images: a user's own data, labelled in CVAT.

An export has JPEGImages/, SegmentationClass/ with masks in the labels' colours, labelmap.txt, and
ImageSets/Segmentation/ with a list of names for each subset.

- The subsets Train, Validation and Test are the splits. CVAT calls a task without subsets `default`. It is train if
  there are other subsets; otherwise its last fifth is val (see folder.py).
- A frame without drawings has no mask and is left out.
- Pixels without a drawing have CVAT's label `background`. They do not count.
- A classes.yaml in the folder (see folder.py) replaces labelmap.txt.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from streetseg.data.classes_yaml import CLASSES_FILE, read_classes
from streetseg.data.folder import SUBSETS, own_dataset
from streetseg.data.own_classes import OwnClass, OwnClasses, distinct
from streetseg.data.pairs import Dataset, from_file, open_mask, read_lines
from streetseg.errors import DatasetError

LABELMAP = "labelmap.txt"
LAYOUT = "JPEGImages/, SegmentationClass/ and labelmap.txt, as CVAT exports 'Segmentation mask 1.1' with images"
BACKGROUND = f"what nobody drew on (background) does not count; a {CLASSES_FILE} could say otherwise"


def recognises(root: Path) -> bool:
    """Return True if `root` is such an export."""
    return (root / "SegmentationClass").is_dir() and (root / LABELMAP).is_file()


def open_cvat(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong labelmap.txt or an export without images."""
    if not (root / "JPEGImages").is_dir():
        raise DatasetError(f"{root} holds no JPEGImages/; export again with 'Save images' switched on")
    own = root / CLASSES_FILE
    classes = read_classes(own) if own.is_file() else read_labelmap(root / LABELMAP)
    subsets = sorted((root / "ImageSets" / "Segmentation").glob("*.txt"))
    lists = {SUBSETS[path.stem.lower()]: path for path in subsets if path.stem.lower() in SUBSETS}
    if lists:
        lists.setdefault("train", root / "ImageSets" / "Segmentation" / "default.txt")
    folders = [(root / "JPEGImages", root / "SegmentationClass", "")]
    dataset = own_dataset(root, classes, folders, lists, skip_unlabelled=True)
    if any(entry.ignore for entry in classes.entries) and classes.path != own:
        dataset = dataclasses.replace(dataset, note="; ".join(filter(None, [dataset.note, BACKGROUND])))
    return dataclasses.replace(dataset, load=from_file(read_painted))


def read_labelmap(path: Path) -> OwnClasses:
    """Return the labels of lines like "road:128,64,128::": name, colour, and two fields that are not used here."""
    classes: list[OwnClass] = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.rsplit(":", 3)
        colour = parts[1].split(",") if len(parts) == 4 else []
        if len(colour) != 3 or not all(value.strip().isdecimal() and int(value) < 256 for value in colour):
            raise DatasetError(f"{path}, line {number} is {line!r}; expected NAME:RED,GREEN,BLUE::")
        red, green, blue = map(int, colour)
        name = parts[0]
        classes.append(OwnClass(name, (len(classes),), ((red, green, blue),), ignore=name == "background"))
    return OwnClasses(distinct(path, classes), path)


def read_painted(path: Path) -> np.ndarray:
    """Return the colours of a mask, through its palette if it has one; a grey mask holds indices in labelmap.txt."""
    with open_mask(path) as image:
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)
