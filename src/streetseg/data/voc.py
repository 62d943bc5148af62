"""Pascal VOC (Everingham et al., IJCV 2015): JPEGImages/, SegmentationClass/, ImageSets/Segmentation/.

- Masks hold the values 0 to 20 with a palette; 255, the border around objects, does not count.
- Class files beside the data name other classes, for example class_names.txt of labelme's script, whose masks lie in
  SegmentationClassPNG/. With labelmap.txt it is CVAT's export (cvat.py).
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from streetseg.data.frame_lists import find_lists
from streetseg.data.mask_dataset import Publisher, folders_dataset, joined
from streetseg.data.mask_folders import FolderPair, holds_image
from streetseg.data.own_classes import OwnClasses, plain, published
from streetseg.data.pairs import IGNORE, Dataset, LabelSpace, distinct_colours

NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
LABELS = LabelSpace(NAMES, ((0, 0, 0), *distinct_colours(len(NAMES) - 1)))
BORDER = (224, 224, 192)
CLASSES = published({i: i for i in range(len(NAMES))} | {IGNORE: IGNORE}, LABELS, (BORDER,))
TERMS = (
    "Pascal VOC's images come from Flickr and belong to their authors, under Flickr's terms; its pages state no other "
    "licence."
)
LIMITS = ("Photos of twenty kinds of objects, few of them taken from a car; what lies around them is background.",)
OTHER_FRAMES = (
    "the folders are Pascal VOC's and no file names the classes, so they are read as its 21, although the frames are "
    "not called as VOC's are; a classes.yaml could say otherwise"
)
MASKS = ("SegmentationClass", "SegmentationClassPNG", "SegmentationClassAug")
LAYOUT = "JPEGImages/ and SegmentationClass/ (or SegmentationClassPNG/), with lists in ImageSets/Segmentation/"


def recognises(root: Path) -> bool:
    """Return True if `root` has such folders and no labelmap.txt of CVAT."""
    return (root / "JPEGImages").is_dir() and mask_folder(root) is not None and not (root / "labelmap.txt").is_file()


def mask_folder(root: Path) -> Path | None:
    """Return the first folder that holds masks."""
    return next((root / name for name in MASKS if (root / name).is_dir() and holds_image(root / name)), None)


def open_voc(root: Path) -> Dataset:
    """Open the dataset at `root`."""
    publisher = Publisher("voc", CLASSES, TERMS, LIMITS, agrees=is_official)
    folders = [FolderPair(root / "JPEGImages", mask_folder(root) or root / MASKS[0])]
    lists = find_lists(root)
    # VOC has masks of few of its images. Without lists, those that have one count.
    dataset = folders_dataset(root, folders, lists, publisher, skip_unlabelled=not lists)
    frames = [pair.image for pairs in dataset.splits.values() for pair in pairs]
    if dataset.class_file is None and not any(re.fullmatch(r"\d{4}_\d{6}", frame.stem) for frame in frames):
        note = joined(dataset.note, OTHER_FRAMES)
        return dataclasses.replace(dataset, note=note, limits=(*dataset.limits, OTHER_FRAMES))
    return dataset


def is_official(classes: OwnClasses) -> bool:
    """Return True if the classes are VOC's 21 in their order."""
    return [plain(entry.name) for entry in classes.entries] == [plain(name) for name in NAMES]
