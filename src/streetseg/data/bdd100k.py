"""BDD100K (Yu et al., CVPR 2020), semantic segmentation: 10,000 frames of 1280 x 720, Cityscapes' 19 classes.

- images/10k/SPLIT/*.jpg with labels/sem_seg/masks/SPLIT/*.png, or the first release's seg/images/SPLIT/*.jpg with
  seg/labels/SPLIT/*_train_id.png.
- Masks hold Cityscapes' train ids 0 to 18; 255 does not count. The test split has no labels.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.cityscapes_classes import LABELS, TRAIN_IDS
from streetseg.data.mask_dataset import Publisher, folders_dataset
from streetseg.data.mask_folders import FolderPair
from streetseg.data.own_classes import published
from streetseg.data.pairs import Dataset

FOLDERS = (("images/10k", "labels/sem_seg/masks"), ("seg/images", "seg/labels"))
TERMS = (
    "BDD100K may be used free of charge for education, research and not-for-profit purposes under the licence on its "
    "site; commercial use needs a licence of UC Berkeley."
)
LIMITS = ("Drives in the United States, most of them in New York and around San Francisco, seen through windscreens.",)
LAYOUT = "images/10k/SPLIT/*.jpg with labels/sem_seg/masks/SPLIT/*.png, or seg/images/ with seg/labels/"


def recognises(root: Path) -> bool:
    """Return True if `root` has one of the two releases' folders."""
    return bool(folders_of(root))


def folders_of(root: Path) -> list[FolderPair]:
    """Return the folders of the first release that is there."""
    return [
        FolderPair(root / images, root / masks)
        for images, masks in FOLDERS
        if (root / images).is_dir() and (root / masks).is_dir()
    ][:1]


def open_bdd100k(root: Path) -> Dataset:
    """Open the dataset at `root`."""
    publisher = Publisher("bdd100k", published(TRAIN_IDS, LABELS), TERMS, LIMITS)
    return folders_dataset(root, folders_of(root), publisher=publisher)
