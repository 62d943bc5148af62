"""Mapillary Vistas (Neuhold et al., ICCV 2017), releases 1.2 and 2.0.

- 1.2: training/images/ with training/labels/, and config.json: 65 classes that count.
- 2.0: training/images/ with training/v2.0/labels/ and config_v2.0.json: 123 classes that count. It also has 1.2's
  labels in training/v1.2/labels/ with config_v1.2.json.

validation/ has the same folders; testing/ has images alone. A mask's values are places in the configuration's list of
labels; its readable names are the classes. What is not evaluated does not count.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.class_json import read_structured
from streetseg.data.folder_names import meaning_of
from streetseg.data.mask_dataset import Publisher, folders_dataset
from streetseg.data.mask_folders import FolderPair, folders_in
from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError

TERMS = (
    "Mapillary Vistas' research edition is published under CC BY-NC-SA: for non-commercial use, with attribution, "
    "adaptations under the same licence; its site says more and sells a commercial edition."
)
LIMITS = ("Street photos of many kinds of cameras from all continents; few of them at night.",)
LAYOUT = "training/images/ with training/labels/ and config.json, or training/v2.0/labels/ and config_v2.0.json"


def masks_below(place: Path, release: str) -> Path | None:
    """Return the folder of a release's masks in the folder of a split."""
    folders = [place / f"v{release}" / "labels"] + ([place / "labels"] if release == "1.2" else [])
    return next((folder for folder in folders if folder.is_dir()), None)


def config(root: Path, release: str) -> Path | None:
    """Return the configuration of a release."""
    names = [f"config_v{release}.json"] + (["config.json"] if release == "1.2" else [])
    return next((root / name for name in names if (root / name).is_file()), None)


def has(root: Path, release: str) -> bool:
    """Return True if `root` has a release's folders and configuration."""
    places = [place for place in folders_in(root) if meaning_of(place.name).split and (place / "images").is_dir()]
    return config(root, release) is not None and any(masks_below(place, release) for place in places)


def recognises(root: Path) -> bool:
    """Return True if `root` has release 2.0 or 1.2."""
    return has(root, "2.0") or has(root, "1.2")


def open_mapillary(root: Path) -> Dataset:
    """Open release 2.0 of the dataset at `root`, or 1.2 if it is the only one."""
    return open_release(root, "2.0" if has(root, "2.0") else "1.2")


def open_mapillary_1_2(root: Path) -> Dataset:
    """Open release 1.2 of the dataset at `root`."""
    return open_release(root, "1.2")


def open_release(root: Path, release: str) -> Dataset:
    """Open a release; DatasetError if its configuration is missing or cannot be understood."""
    path = config(root, release)
    if path is None:
        raise DatasetError(f"{root} has no config_v{release}.json; get the dataset's release {release} again")
    folders = [
        FolderPair(place / "images", masks_below(place, release) or place / f"v{release}" / "labels", f"{place.name}/")
        for place in folders_in(root)
        if meaning_of(place.name).split and (place / "images").is_dir()
    ]
    return folders_dataset(root, folders, publisher=Publisher("mapillary", read_structured(path), TERMS, LIMITS))
