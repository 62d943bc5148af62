"""YOLO's polygons: data.yaml, images, and for each image a text file with a line "CLASS x y x y ..." for each object.

- x and y are shares of the width and height, 0 to 1.
- data.yaml gives names and, for each split, a folder of images, a list of them (train.txt), or several of these. Paths
  of another machine are looked for below the folder. Without it, names come from classes.txt or obj.names, splits from
  the folders.
- An image's labels lie where ultralytics looks: .../images/... becomes .../labels/..., with the suffix .txt; or beside
  the image.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.data.drawn import Drawing, Shapes, drawn_dataset, split_word
from streetseg.data.folder_names import SPLITS
from streetseg.data.image_index import ImageIndex
from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import Dataset, read_lines
from streetseg.data.polygons import Area, Polygon
from streetseg.data.shape_classes import shape_classes
from streetseg.errors import DatasetError
from streetseg.runtime.documents import parse_yaml, read_text

LAYOUT = "data.yaml with names, images/ and labels/ with a .txt of polygons for each image (ultralytics, CVAT)"
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
SETTINGS = ("*.yaml", "*.yml")
SOME = 200  # label files that are looked at to tell boxes from polygons
OUTSIDE = 1.5  # a share above it is no share
SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "default": "train"}


def recognises(root: Path) -> bool:
    """Return True if `root` has a labels/ with text files, or a split's labels/."""
    places = [root / "labels", *(folder / "labels" for folder in sorted(root.iterdir()) if split_word(folder.name))]
    if any(has_text(place) for place in places if place.is_dir()):
        return True
    return settings_file(root) is not None and not (root / "masks").is_dir()


def has_text(labels: Path) -> bool:
    """Return True if the first files in a folder of labels, or in its subfolders, are texts."""
    files = (path for pattern in ("[!.]*.txt", "[!.]*/[!.]*.txt") for path in labels.glob(pattern))
    return any(path.name not in NAME_FILES for path in files)


def settings_file(root: Path) -> Path | None:
    """Return the data.yaml, whatever its name: the first YAML with names and a split."""
    files = sorted({path for pattern in SETTINGS for path in root.glob(pattern)})
    files.sort(key=lambda path: path.name != "data.yaml")
    for path in files:
        try:
            content = parse_yaml(read_text(path))
        except (OSError, ValueError):
            if path.name in ("data.yaml", "data.yml", "dataset.yaml"):
                return path
            continue
        named = isinstance(content, dict) and "names" in content
        if named and (path.stem in ("data", "dataset") or any(key in content for key in SPLIT_KEYS)):
            return path
    return None


def open_yolo(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong data.yaml, or for boxes instead of polygons."""
    path = settings_file(root)
    lists = {split: f"{split}.txt" for split in SPLITS if (root / f"{split}.txt").is_file()}
    settings = read_settings(path) if path else lists
    names, names_file = read_names(settings, path, root)
    index = ImageIndex(root)
    members = images_of_splits(root, settings, index) or dict.fromkeys(index.images)
    labels = {image: label_of(root, image) for image in members}
    if not any(labels.values()):
        raise DatasetError(f"{root} has no label files; looked for labels/NAME.txt beside images/, for each image")
    refuse_boxes([label for label in labels.values() if label])
    read = partial(read_shapes, names)
    drawings = [
        Drawing(
            image,
            label,
            partial(read, label),
            split,
            empty=label is not None and not label.stat().st_size,
            expected=".txt",
        )
        for (image, split), label in zip(members.items(), labels.values(), strict=True)
    ]
    unlisted = len(set(index.images) - set(members))
    notes = [f"{unlisted} images are in no split of {path.name if path else root} and are left out"] * (unlisted > 0)
    found = [OwnClass(name, (0,)) for name in names.values()]
    return drawn_dataset(root, drawings, shape_classes(root, found, names_file), notes)


def read_settings(path: Path) -> dict[str, Any]:
    """Return the content of a data.yaml; DatasetError if it cannot be read."""
    try:
        content = parse_yaml(read_text(path))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise DatasetError(f"{path} has no fields; expected names, train and val")
    return content


def read_names(settings: dict[str, Any], path: Path | None, root: Path) -> tuple[dict[int, str], Path]:
    """Return the classes' names by their numbers, and the file that gives them; DatasetError if none does."""
    names = settings.get("names")
    if path is not None and names is not None:
        entries = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
        found = {number: name for number, name in entries if isinstance(number, int) and isinstance(name, str | int)}
        if not found or len(found) < len(names):
            raise DatasetError(f"{path} has names {str(names)[:60]!r}; give a list of names, or numbers with names")
        if isinstance(settings.get("nc"), int) and settings["nc"] != len(found):
            raise DatasetError(f"{path} has nc: {settings['nc']} and {len(found)} names; correct one of them")
        return {number: str(name) for number, name in found.items()}, path
    for place in (root / name for name in NAME_FILES):
        if place.is_file():
            return dict(enumerate(line.strip() for line in read_lines(place) if line.strip())), place
    raise DatasetError(
        f"{root} has YOLO labels and no names of the classes; write {root / 'data.yaml'} with 'names: [road, car]' in "
        "the order of the numbers, and 'train: images/train', 'val: images/val'"
    )


def images_of_splits(root: Path, settings: dict[str, Any], index: ImageIndex) -> dict[Path, str | None]:
    """Return the images of the splits that a data.yaml gives; DatasetError if it names what is not there."""
    members: dict[Path, str | None] = {}
    inside = set(index.images)
    for field, split in SPLIT_KEYS.items():
        value = settings.get(field)
        for entry in value if isinstance(value, list) else [value]:
            if not isinstance(entry, str) or not entry.strip():
                continue
            place = place_of(root, settings, entry)
            if place is None and split == "test":
                continue  # Roboflow names a test split that it does not export
            if place is None:
                raise DatasetError(f"data.yaml of {root} has {field}: {entry}, which is not there; correct the path")
            images = listed_images(place, index) if place.is_file() else sorted(p for p in inside if place in p.parents)
            for image in images:
                if members.setdefault(image, split) != split:
                    raise DatasetError(f"{image} is in {members[image]} and in {split}; take it out of one of them")
    return members


def place_of(root: Path, settings: dict[str, Any], entry: str) -> Path | None:
    """Return the folder or list that a data.yaml names, wherever it was written; None if it is not below `root`."""
    parts = [part for part in entry.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    base = settings.get("path")
    given = [part for part in str(base or "").replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for tail in ([*given, *parts], *(parts[start:] for start in range(len(parts)))):
        place = root.joinpath(*tail)
        if place.is_dir() or (place.is_file() and place.suffix == ".txt"):
            return place
    return None


def listed_images(path: Path, index: ImageIndex) -> list[Path]:
    """Return the images of a list, one path a line; DatasetError for one that is not there."""
    images = []
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            image = index.find(line.strip(), [path.stem])
            if image is None:
                raise DatasetError(
                    f"{path}, line {number}: there is no image {line.strip()!r}; take the line out or add the image"
                )
            images.append(image)
    return images


def label_of(root: Path, image: Path) -> Path | None:
    """Return the text file with an image's labels; None if there is none."""
    parts = list(image.relative_to(root).parts)
    at = next((i for i in reversed(range(len(parts) - 1)) if parts[i].lower() in ("images", "jpegimages")), None)
    places = [root.joinpath(*parts[:at], "labels", *parts[at + 1 :])] if at is not None else []
    for place in (*places, image):
        label = place.with_suffix(".txt")
        if label.is_file():
            return label
    return None


def refuse_boxes(labels: list[Path]) -> None:
    """Raise DatasetError if labels are boxes: every line of the first files has five numbers; or if all are empty."""
    counts = {len(line.split()) for label in labels[:SOME] for line in read_lines(label) if line.strip()}
    if not counts and not any(label.stat().st_size for label in labels):
        raise DatasetError(f"{labels[0]} and the other labels are empty; export polygons as YOLO segmentation")
    if counts and counts <= {5, 6}:
        raise DatasetError(
            f"{labels[0]} and the other labels are boxes (CLASS x y width height), which are no pixel labels; label "
            "polygons and export them as YOLO segmentation, or turn the boxes into masks (with SAM, for example)"
        )


def read_shapes(names: dict[int, str], label: Path | None) -> Shapes:
    """Return the polygons of a text file; their corners are shares until they are drawn."""
    assert label is not None
    lines = enumerate(read_lines(label), 1)
    return Shapes(None, tuple(shape_of(line.split(), number, names) for number, line in lines if line.strip()))


def shape_of(fields: list[str], number: int, names: dict[int, str]) -> tuple[str, Area]:
    """Return the label and the polygon of a line; ValueError for a wrong one."""
    where = f"line {number}"
    try:
        values = np.array([float(field) for field in fields])
    except ValueError:
        raise ValueError(f"{where} is {' '.join(fields)[:60]!r}; expected CLASS x y x y ..., all numbers") from None
    kind, corners = values[0], values[1:]
    if kind not in names:
        raise ValueError(f"{where} has the class {fields[0]}; data.yaml names {min(names)} to {max(names)}")
    if len(corners) == 4:
        raise ValueError(f"{where} is a box, no polygon; draw its outline or take the line out")
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"{where} has {len(corners)} numbers after the class; expected x y of three corners or more")
    if not np.isfinite(corners).all() or np.abs(corners).max() > OUTSIDE:
        raise ValueError(f"{where} has a corner that is no share of the frame, 0 to 1; divide by its width and height")
    return names[int(kind)], Shares(corners.reshape(-1, 2))


class Shares(Area):
    """A polygon whose corners are shares of the frame's width and height, N x 2."""

    def __init__(self, corners: np.ndarray) -> None:
        self.corners = corners

    def paint(self, label: np.ndarray, value: int) -> None:
        """Give the pixels inside a value."""
        height, width = label.shape
        Polygon((self.corners * (width, height),)).paint(label, value)
