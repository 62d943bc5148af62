"""The datasets, and how a folder is recognised as one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streetseg.data import camvid, cityscapes, cocostuff, cvat, folder, imagenet
from streetseg.data.pairs import Dataset, LabelSpace
from streetseg.errors import DatasetError


@dataclass(frozen=True)
class DatasetKind:
    """How to recognise and open one dataset; `layout` is what a user must have on disk; `labels` are its classes where
    they are the same for everybody."""

    recognises: Callable[[Path], bool]
    open: Callable[[Path], Dataset]
    layout: str
    labels: LabelSpace | None = None


DATASETS: dict[str, DatasetKind] = {
    "camvid": DatasetKind(camvid.recognises, camvid.open_camvid, camvid.LAYOUT, camvid.LABELS),
    "cityscapes": DatasetKind(cityscapes.recognises, cityscapes.open_cityscapes, cityscapes.LAYOUT, cityscapes.LABELS),
    "cocostuff": DatasetKind(cocostuff.recognises, cocostuff.open_cocostuff, cocostuff.LAYOUT, cocostuff.LABELS),
    "cvat": DatasetKind(cvat.recognises, cvat.open_cvat, cvat.LAYOUT),
    "images-masks": DatasetKind(folder.recognises, folder.open_folder, folder.LAYOUT),
}


def open_dataset(root: Path | str, name: str | None = None) -> Dataset:
    """The dataset in a folder, once every frame is known to have its label file.

    name: a key of DATASETS; otherwise the layout decides. DatasetError where the folder is missing, fits no dataset or
    several, holds no frames, or a frame has no label.
    """
    dataset = find_dataset(Path(root), name)
    frames = [pair for pairs in dataset.splits.values() for pair in pairs]
    missing = [pair for pair in frames if pair.label is not None and not pair.label.is_file()]
    if missing:
        raise DatasetError(
            f"{missing[0].image} has no label: {missing[0].label} is missing ({len(missing)} missing in all)"
        )
    return dataset


def find_dataset(root: Path, name: str | None = None) -> Dataset:
    """`open_dataset` for a folder whose labels may be incomplete."""
    if not root.is_dir():
        raise DatasetError(f"dataset folder {root} does not exist or is no folder")
    if name is not None and name not in DATASETS:
        raise DatasetError(f"unknown dataset {name!r}; there are {', '.join(DATASETS)}")
    name = name or detect(root)
    dataset = dataclasses.replace(DATASETS[name].open(root), kind=name)
    if not any(dataset.splits.values()):
        raise DatasetError(f"{root} holds no {name} frames; looked for {DATASETS[name].layout}")
    return dataset


def detect(root: Path) -> str:
    """The key in DATASETS of the one layout that a folder has."""
    fitting = [key for key, kind in DATASETS.items() if kind.recognises(root)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DatasetError(f"{root} could be {' or '.join(fitting)}; say which with --dataset")
    if imagenet.recognises(root):
        raise DatasetError(f"{root} holds images sorted by class, without label maps; they serve pre-training only")
    looked_for = "; ".join(f"{key}: {kind.layout}" for key, kind in DATASETS.items())
    raise DatasetError(f"{root} is no dataset that is known; looked for {looked_for}")
