"""COCO panoptic: a JSON for each split, and a PNG for each image whose colour is a segment's number.

The number of a pixel is red + 256 green + 65536 blue. 0 is void. The JSON gives each segment's category.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.data.coco import CocoFile, Counts, folders_near, is_panoptic, json_files, split_of_files
from streetseg.data.drawn import Drawing, Shapes, drawn_dataset
from streetseg.data.image_index import ImageIndex
from streetseg.data.mask_files import read_pixels
from streetseg.data.pairs import Dataset
from streetseg.data.polygons import Area, Bitmap
from streetseg.data.shape_classes import shape_classes
from streetseg.errors import DatasetError

LAYOUT = "annotations/panoptic_train2017.json with its PNGs in annotations/panoptic_train2017/, and images"


def recognises(root: Path) -> bool:
    """Return True if `root` has a panoptic JSON."""
    return any(is_panoptic(path) for path in json_files(root))


def open_panoptic(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong JSON, or if its images are not there."""
    files = [CocoFile.read(path) for path in json_files(root) if is_panoptic(path)]
    if not files:
        raise DatasetError(f"{root} holds no panoptic JSON; looked for {LAYOUT}")
    folders = {file.path: folder_of_masks(root, file.path) for file in files}
    index = ImageIndex(root, without=folders.values())
    splits = split_of_files(root, [file.path for file in files])
    drawings: list[Drawing] = []
    counts = Counts()
    for file in files:
        names = {number: entry["name"] for number, entry in file.categories.items()}
        for entry in file.images:
            number, name = str(entry["id"]), entry["file_name"]
            counts.listed += 1
            image = index.find(name, folders_near(file.path))
            if image is None:
                counts.missing += 1
                counts.first_missing = counts.first_missing or name
                continue
            objects = file.objects.get(number, [])
            given = objects[0].get("file_name") if objects else None
            mask = folders[file.path] / (
                given if isinstance(given, str) and given.isprintable() else f"{Path(name).stem}.png"
            )
            segments = objects[0].get("segments_info") if objects else None
            read = partial(read_shapes, mask, segments, names)
            drawings.append(Drawing(image, mask if objects else None, read, splits[file.path]))
    counts.refuse(root, files)
    found = [entry for file in files for entry in file.classes()]
    classes = shape_classes(root, found, files[0].path)
    return drawn_dataset(root, drawings, classes, counts.notes(), [file.path for file in files])


def folder_of_masks(root: Path, path: Path) -> Path:
    """Return the folder with the PNGs of a panoptic JSON: of its name, beside it or below the dataset's folder."""
    beside = path.with_suffix("")
    named = [beside, *sorted(root.glob(f"*/{beside.name}")), *sorted(root.glob(f"{beside.name}"))]
    named += [path.parent / "panoptic", root / "panoptic"]
    found = next((folder for folder in named if folder.is_dir()), None)
    if found is None:
        raise DatasetError(f"{path} has no masks; put its PNGs into {beside}")
    return found


def read_shapes(mask: Path, segments: Any, names: dict[str, str]) -> Shapes:
    """Return the segments of a PNG as shapes; ValueError if the JSON does not fit it."""
    pixels = read_pixels(mask)
    if pixels.ndim == 2:
        pixels = pixels[..., None]  # a grey PNG has its number in one channel
    weights = np.array([1, 256, 65536], np.uint32)[: min(3, pixels.shape[2])]
    numbers = pixels[..., :3].astype(np.uint32) @ weights
    if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
        raise ValueError("its JSON has no segments_info")
    areas: list[tuple[str, Area]] = []
    left = int((numbers > 0).sum())
    for segment in segments:
        name = names.get(str(segment.get("category_id")))
        if name is None:
            raise ValueError(f"segment {segment.get('id')} has category_id {segment.get('category_id')!r}: no category")
        inside = numbers == segment.get("id")
        left -= int(inside.sum())
        areas.append((name, Bitmap(inside)))
    if left > 0:
        known = [segment.get("id") for segment in segments]
        wrong = next(number for number in np.unique(numbers).tolist() if number and number not in known)
        raise ValueError(f"{left} pixels have the number {wrong} or others that the JSON does not list")
    return Shapes((numbers.shape[0], numbers.shape[1]), tuple(areas))
