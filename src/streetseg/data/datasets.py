"""The table of datasets; open a folder as one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote

from streetseg.data import (
    a2d2,
    ade20k,
    bdd100k,
    camvid,
    cityscapes,
    cityscapes_classes,
    coco,
    coco_panoptic,
    cocostuff,
    cvat,
    folder,
    idd,
    imagenet,
    kitti,
    label_studio,
    labelme,
    mapillary,
    pair_lists,
    roboflow,
    supervisely,
    voc,
    yolo,
)
from streetseg.data.class_files import class_files
from streetseg.data.origin import with_origin
from streetseg.data.pairs import Dataset, LabelSpace
from streetseg.data.unknown_folder import describe_unknown
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
    "a2d2": DatasetKind(a2d2.recognises, a2d2.open_a2d2, a2d2.LAYOUT),
    "ade20k": DatasetKind(ade20k.recognises, ade20k.open_ade20k, ade20k.LAYOUT, ade20k.LABELS),
    "bdd100k": DatasetKind(bdd100k.recognises, bdd100k.open_bdd100k, bdd100k.LAYOUT),
    "camvid": DatasetKind(camvid.recognises, camvid.open_camvid, camvid.LAYOUT, camvid.LABELS),
    "cityscapes": DatasetKind(
        cityscapes.recognises, cityscapes.open_cityscapes, cityscapes.LAYOUT, cityscapes_classes.LABELS
    ),
    "coco": DatasetKind(coco.recognises, coco.open_coco, coco.LAYOUT),
    "coco-panoptic": DatasetKind(coco_panoptic.recognises, coco_panoptic.open_panoptic, coco_panoptic.LAYOUT),
    "cocostuff": DatasetKind(cocostuff.recognises, cocostuff.open_cocostuff, cocostuff.LAYOUT, cocostuff.LABELS),
    "cvat": DatasetKind(cvat.recognises, cvat.open_cvat, cvat.LAYOUT),
    "idd": DatasetKind(idd.recognises, idd.open_idd, idd.LAYOUT, idd.LABELS),
    "images-masks": DatasetKind(folder.recognises, folder.open_folder, folder.LAYOUT),
    "kitti": DatasetKind(kitti.recognises, kitti.open_kitti, kitti.LAYOUT),
    "label-studio": DatasetKind(label_studio.recognises, label_studio.open_label_studio, label_studio.LAYOUT),
    "labelme": DatasetKind(labelme.recognises, labelme.open_labelme, labelme.LAYOUT),
    "mapillary": DatasetKind(mapillary.recognises, mapillary.open_mapillary, mapillary.LAYOUT),
    "mapillary-1.2": DatasetKind(lambda root: False, mapillary.open_mapillary_1_2, mapillary.LAYOUT),
    "roboflow": DatasetKind(roboflow.recognises, roboflow.open_roboflow, roboflow.LAYOUT),
    "supervisely": DatasetKind(supervisely.recognises, supervisely.open_supervisely, supervisely.LAYOUT),
    "voc": DatasetKind(voc.recognises, voc.open_voc, voc.LAYOUT, voc.LABELS),
    "yolo": DatasetKind(yolo.recognises, yolo.open_yolo, yolo.LAYOUT),
    "pair-lists": DatasetKind(pair_lists.recognises, pair_lists.open_pair_lists, pair_lists.LAYOUT, generic=True),
    "mask-folders": DatasetKind(folder.recognises_other_names, folder.open_folder, folder.OTHER_NAMES, generic=True),
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
            f"{missing[0].image} has no label: {missing[0].label} is missing ({len(missing)} missing in all); add "
            f"them, or make a dataset without these frames: streetseg data convert {quote(str(opened.root))} --out DIR"
        )
    return opened


def find_dataset(folder: Path | str, dataset: str | None = None) -> Dataset:
    """Open the dataset in a folder like `open_dataset`, but allow missing label files."""
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"dataset folder {root} does not exist or is not a folder; give the folder of a dataset")
    if dataset is not None and dataset not in DATASETS:
        raise DatasetError(f"unknown dataset {dataset!r}; choose one of {', '.join(DATASETS)}")
    root, name = (root, dataset) if dataset else detect(root)
    try:
        opened = dataclasses.replace(DATASETS[name].open(root), kind=name)
    except OSError as error:
        raise DatasetError(
            f"{error.filename or root} cannot be read: {error.strerror}; give a folder that can be read"
        ) from None
    if not any(opened.splits.values()):
        raise DatasetError(f"{root} holds no {name} frames; looked for {DATASETS[name].layout}")
    return with_origin(opened)


def detect(given: Path) -> tuple[Path, str]:
    """Return the dataset's folder and the key in DATASETS of the one layout that it has.

    If a folder has only one folder in it and no class file, as archives are often packed, the inner one may be the
    dataset.
    """
    for root in (given, *(() if class_files([given]) else only_folders(given))):
        if fitting := recognised(root, generic=False):
            return root, only_one(root, fitting)
    if fitting := recognised(given, generic=True):
        return given, only_one(given, fitting)
    if imagenet.recognises(given):
        raise DatasetError(f"{given} holds images sorted by class, without label maps; use it for pre-training only")
    raise DatasetError(describe_unknown(given, DATASETS, partial(recognised, generic=False)))


def recognised(root: Path, generic: bool) -> list[str]:
    """Return the keys in DATASETS of the layouts that a folder has, of the generic ones or of the others."""
    try:
        return [key for key, kind in DATASETS.items() if kind.generic == generic and kind.recognises(root)]
    except OSError as error:
        raise DatasetError(
            f"{error.filename or root} cannot be searched: {error.strerror}; give a folder that can be read"
        ) from None


def only_one(root: Path, fitting: list[str]) -> str:
    """Return the only key; DatasetError if there are several."""
    if len(fitting) > 1:
        raise DatasetError(f"{root} could be {' or '.join(fitting)}; choose one with --dataset")
    return fitting[0]


def only_folders(root: Path, deep: int = 2) -> Iterator[Path]:
    """Yield the only folder in a folder, and the only one in that."""
    inner = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if len(inner) == 1 and deep:
        yield inner[0]
        yield from only_folders(inner[0], deep - 1)
