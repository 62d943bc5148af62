"""The table of datasets; open a folder as one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streetseg.data import camvid, cityscapes, cocostuff, cvat, folder, imagenet
from streetseg.data.origin import with_origin
from streetseg.data.pairs import Dataset, LabelSpace
from streetseg.errors import DatasetError


@dataclass(frozen=True)
class DatasetKind:
    """A kind of dataset: its layout, and how to open it.

    Attributes:
        recognises: Returns True if a folder has its layout.
        open: Opens a folder.
        layout: The folder's content in words, for errors.
        labels: Its classes; None if they depend on the folder.
        generic: True if folders of other kinds may also look like it. A kind that is not generic wins over it.
    """

    recognises: Callable[[Path], bool]
    open: Callable[[Path], Dataset]
    layout: str
    labels: LabelSpace | None = None
    generic: bool = False


DATASETS: dict[str, DatasetKind] = {
    "camvid": DatasetKind(camvid.recognises, camvid.open_camvid, camvid.LAYOUT, camvid.LABELS),
    "cityscapes": DatasetKind(cityscapes.recognises, cityscapes.open_cityscapes, cityscapes.LAYOUT, cityscapes.LABELS),
    "cocostuff": DatasetKind(cocostuff.recognises, cocostuff.open_cocostuff, cocostuff.LAYOUT, cocostuff.LABELS),
    "cvat": DatasetKind(cvat.recognises, cvat.open_cvat, cvat.LAYOUT),
    "images-masks": DatasetKind(folder.recognises, folder.open_folder, folder.LAYOUT),
}


def open_dataset(folder: Path | str, dataset: str | None = None) -> Dataset:
    """Open the dataset in a folder, and check that every frame has its label file.

    Args:
        folder: The dataset's folder.
        dataset: A key of `DATASETS`; None: recognised by the folder's layout.

    Returns:
        The dataset; `pairs(split)` gives its frames and labels.

    Raises:
        DatasetError: The folder is missing, fits no dataset or several, or holds no frames, or a label is missing.
    """
    opened = find_dataset(folder, dataset)
    frames = [pair for pairs in opened.splits.values() for pair in pairs]
    labels = {pair.label for pair in frames}  # pairs may share a file; each is looked for once
    absent = {label for label in labels if label is not None and not label.is_file()}
    missing = [pair for pair in frames if pair.label in absent]
    if missing:
        raise DatasetError(
            f"{missing[0].image} has no label: {missing[0].label} is missing ({len(missing)} missing in all)"
        )
    return opened


def find_dataset(folder: Path | str, dataset: str | None = None) -> Dataset:
    """Open the dataset in a folder like `open_dataset`, but allow missing label files."""
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"dataset folder {root} does not exist or is not a folder; give the folder of a dataset")
    if dataset is not None and dataset not in DATASETS:
        raise DatasetError(f"unknown dataset {dataset!r}; choose one of {', '.join(DATASETS)}")
    name = dataset or detect(root)
    opened = dataclasses.replace(DATASETS[name].open(root), kind=name)
    if not any(opened.splits.values()):
        raise DatasetError(f"{root} holds no {name} frames; looked for {DATASETS[name].layout}")
    return with_origin(opened)


def detect(root: Path) -> str:
    """Return the key in DATASETS of the one layout that a folder has."""
    fitting = [key for key, kind in DATASETS.items() if kind.recognises(root)]
    fitting = [key for key in fitting if not DATASETS[key].generic] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DatasetError(f"{root} could be {' or '.join(fitting)}; choose one with --dataset")
    if imagenet.recognises(root):
        raise DatasetError(f"{root} holds images sorted by class, without label maps; use it for pre-training only")
    looked_for = "; ".join(f"{key}: {kind.layout}" for key, kind in DATASETS.items())
    raise DatasetError(f"{root} is not a known dataset; looked for {looked_for}")
