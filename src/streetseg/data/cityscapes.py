"""Cityscapes (Cordts et al., CVPR 2016): leftImg8bit/ and gtFine/, 2048 x 1024, the 19 classes of its benchmark.

Labels are the published *_gtFine_labelIds.png, whose 34 values become 19 classes. If a folder has none, labels are the
*_gtFine_labelTrainIds.png that the publisher's scripts write. A frame that has neither is labelled by its
*_gtFine_polygons.json. The labels of the test split are not public: its label files hold void only.

CVAT and datumaro write a user's own data so, without folders for cities and with label_colors.txt. Class files beside
the data that name other classes count; then it is not Cityscapes, and its terms do not hold.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from streetseg.data.cityscapes_classes import CLASSES, LABEL_IDS, LABELS, TRAIN_IDS, VALUES_BY_LABEL
from streetseg.data.class_files import class_files, find_classes
from streetseg.data.folder_names import meaning_of
from streetseg.data.frame_lists import LAST_FIFTH, sequence_of
from streetseg.data.mask_dataset import Publisher, named_dataset
from streetseg.data.mask_folders import as_stored, files_by_name, folders_in, holds_image
from streetseg.data.own_classes import OwnClasses, plain, published
from streetseg.data.pairs import Dataset, Pair
from streetseg.data.polygon_files import DRAWN, ENDING, load_polygons

TERMS = (
    "Cityscapes may be used free of charge for non-commercial purposes only (research, teaching, publications, "
    "personal experiments), under the licence that its site asks one to accept; weights trained on it are research "
    "weights."
)
LIMITS = (
    "Fifty cities in and around Germany, dry, by day, from spring to autumn, with one camera: night, rain, snow and "
    "other countries' streets were never seen.",
)

FRAME = "_leftImg8bit"
LAYOUT = (
    "leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with gtFine/SPLIT/CITY/*_gtFine_labelIds.png (or labelTrainIds.png, or "
    "polygons.json)"
)


def recognises(root: Path) -> bool:
    """Return True if `root` has the published folders and names of frames, and they are not IDD's."""
    images = image_folder(root)
    if not images.is_dir() or not (root / "gtFine").is_dir() or has_numbered_drives(root):
        return False
    return any(images.rglob(f"*{FRAME}.*")) or not holds_image(images)


def has_numbered_drives(root: Path) -> bool:
    """Return True for IDD's folders: drives have numbers, not cities, and there are none of our PNGs or class files."""
    folders = sorted(path for path in (root / "leftImg8bit").glob("*/[!.]*") if path.is_dir())
    if not folders or not folders[0].name.isdecimal():
        return False
    return not any((root / "gtFine").glob("*/*/*_gtFine_label[IT]*.png")) and not class_files([root])


def image_folder(root: Path) -> Path:
    """Return the folder of the frames; CVAT and datumaro may put imgsFine/ above it."""
    inner = root / "imgsFine" / "leftImg8bit"
    return inner if inner.is_dir() else root / "leftImg8bit"


def open_cityscapes(root: Path) -> Dataset:
    """Open the dataset at `root`; a frame's sequence is its city, if it has one."""
    kind = "labelIds"
    if not any((root / "gtFine").rglob(f"*_{kind}.png")) and any((root / "gtFine").rglob("*_labelTrainIds.png")):
        kind = "labelTrainIds"
    splits: dict[str, tuple[Pair, ...]] = {}
    images = image_folder(root)
    for folder in folders_in(images):
        split = meaning_of(folder.name).split or "train"
        pairs = []
        for path in files_by_name(folder).values():
            if not path.stem.endswith(FRAME):
                continue
            stem, below = path.stem.removesuffix(FRAME), path.parent.relative_to(images)
            label = label_of(root / "gtFine" / below, f"{stem}_gtFine_", kind)
            name = "/".join([split, *below.parts[2:], stem])
            pairs.append(Pair(name, path, label, "/".join(below.parts[1:]) or sequence_of(stem)))
        if pairs:
            splits[split] = splits.get(split, ()) + tuple(pairs)
    note = ""
    if not any(meaning_of(folder.name).split for folder in folders_in(images)):  # CVAT calls a task `default`
        pairs = list(splits.get("train", ()))
        cut = len(pairs) - (-(-len(pairs) // 5) if len(pairs) > 1 else 0)
        val = [dataclasses.replace(pair, name=pair.name.replace("train", "val", 1)) for pair in pairs[cut:]]
        splits, note = {"train": tuple(pairs[:cut]), "val": tuple(val)}, LAST_FIFTH
    classes = published(LABEL_IDS if kind == "labelIds" else TRAIN_IDS, LABELS)
    publisher = Publisher("cityscapes", classes, TERMS, LIMITS, agrees=is_official)
    places, values = [root, root / "gtFine", images], dict(VALUES_BY_LABEL)
    dataset = named_dataset(root, splits, places, publisher=publisher, note=note)
    if dataset.class_file is not None:
        own = find_classes(places, [])
        values = {entry.name.lower(): entry.indices[0] for entry in own.entries} if own else {}
    drawn = any(pair.label and pair.label.name.endswith(ENDING) for pairs in splits.values() for pair in pairs)
    if drawn:
        dataset = with_polygons(dataset, values)
    if dataset.name != publisher.name or dataset.terms != TERMS:
        return dataset
    withheld = tuple(dataclasses.replace(pair, label=None) for pair in splits.get("test", ()))
    server_values = tuple(value for value, _, _ in CLASSES)
    return dataclasses.replace(
        dataset, splits=splits | ({"test": withheld} if withheld else {}), server_values=server_values
    )


def is_official(classes: OwnClasses) -> bool:
    """Return True if the classes hold Cityscapes' 19 with the values of labelIds."""
    indices = {plain(entry.name): entry.indices for entry in classes.entries}
    return all(indices.get(plain(name)) == (value,) for value, name, _ in CLASSES)


def label_of(folder: Path, stem: str, kind: str) -> Path:
    """Return a frame's label: the PNG of a kind, or the polygons if only they are there."""
    label, polygons = as_stored(folder / f"{stem}{kind}.png"), as_stored(folder / (stem.rstrip("_") + ENDING))
    return polygons if kind == "labelIds" and not label.is_file() and polygons.is_file() else label


def with_polygons(dataset: Dataset, values: dict[str, int]) -> Dataset:
    """Return the dataset, with labels that are polygons drawn with the classes' values in masks."""

    def load(pair: Pair) -> np.ndarray:
        if pair.label is not None and pair.label.name.endswith(ENDING):
            return load_polygons(pair, values)
        return dataset.load(pair)

    note = "; ".join(filter(None, [dataset.note, DRAWN]))
    return dataclasses.replace(dataset, load=load, note=note)
