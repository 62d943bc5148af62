"""KITTI's semantic benchmark (Alhaija et al., IJCV 2018): 200 frames in training/image_2/ and training/semantic/.

Masks hold Cityscapes' label ids and become its 19 classes. There is no val split: the last fifth is val. testing/ has
no labels and is left out. datumaro writes a user's own data so, with train/ and val/ instead, and label_colors.txt.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.cityscapes_classes import LABEL_IDS, LABELS
from streetseg.data.folder_names import meaning_of
from streetseg.data.mask_dataset import Publisher, folders_dataset
from streetseg.data.mask_folders import FolderPair, folders_in
from streetseg.data.own_classes import published
from streetseg.data.pairs import Dataset

IMAGES, MASKS = "image_2", "semantic"
TERMS = (
    "KITTI is published under CC BY-NC-SA 3.0: for non-commercial use, with attribution, adaptations under the same "
    "licence."
)
LIMITS = ("Drives in and around Karlsruhe in Germany, by day in dry weather, with one camera of 1242 x 375 pixels.",)
LAYOUT = f"training/{IMAGES}/*.png with training/{MASKS}/*.png"


def recognises(root: Path) -> bool:
    """Return True if `root` has such folders."""
    return bool(labelled(root))


def labelled(root: Path) -> list[Path]:
    """Return the folders with frames and masks."""
    return [place for place in folders_in(root) if (place / IMAGES).is_dir() and (place / MASKS).is_dir()]


def open_kitti(root: Path) -> Dataset:
    """Open the dataset at `root`."""
    places = labelled(root)
    several = len({meaning_of(place.name).split for place in places}) > 1
    folders = [FolderPair(place / IMAGES, place / MASKS, f"{place.name}/" if several else "") for place in places]
    publisher = Publisher("kitti", published(LABEL_IDS, LABELS), TERMS, LIMITS)
    return folders_dataset(root, folders, publisher=publisher)
