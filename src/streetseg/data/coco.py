"""COCO JSON: objects as polygons or run-length masks, in one file for each split (COCO, CVAT, Roboflow, Label Studio).

- Files: annotations/instances_train2017.json, annotations/instances_default.json, train/_annotations.coco.json,
  result.json and the like. A split's name in the file's or its folder's name makes it that split.
- Images are found by the names that the file gives, wherever they lie below the folder (image_index.py).
- A crowd is drawn like any object. Where objects overlap, the later one of the file is on top.
- Ids may start anywhere and have gaps. A category without objects that is only the group of others, as Roboflow writes
  it, is no class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streetseg.data.drawn import Drawing, Shapes, constant, drawn_dataset, split_word
from streetseg.data.folder_names import meaning_of
from streetseg.data.image_index import ImageIndex
from streetseg.data.json_files import HEAD, head, many_objects, read_json, records, size_of, some_json
from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import Dataset
from streetseg.data.polygons import Area, Faulty, Parts, polygon
from streetseg.data.runs import runs
from streetseg.data.shape_classes import shape_classes, shown
from streetseg.errors import DatasetError

LAYOUT = "COCO JSON with polygons or RLE, annotations/instances_train.json or train/_annotations.coco.json, and images"
FIRST_KEY = re.compile(r'^\{\s*"(info|licenses|categories|images|annotations|contributor|type)"')
OF_LABELS = re.compile("annotation|coco|label|json")  # in the names of folders that may hold the JSON
OTHER_TASKS = ("captions", "person_keypoints", "image_info", "stuff", "panoptic")  # COCO's files without instances


def recognises(root: Path) -> bool:
    """Return True if `root` has a COCO JSON with instances."""
    return bool(label_files(root))


@many_objects()
def open_coco(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a file that is wrong as a whole, or that has boxes only."""
    files = [CocoFile.read(path) for path in label_files(root)]
    if not files:
        raise DatasetError(f"{root} holds no COCO JSON; looked for {LAYOUT}")
    index = ImageIndex(root)
    drawings: list[Drawing] = []
    counts = Counts()
    splits = split_of_files(root, [file.path for file in files])
    for file in files:
        drawings += drawings_of(file, splits[file.path], index, counts)
    counts.refuse(root, files)
    unlisted = len(set(index.images) - {drawing.image for drawing in drawings})
    notes = [*counts.notes(), f"{unlisted} images are in no JSON and are left out" * (unlisted > 0)]
    found = [entry for file in files for entry in file.classes()]
    return drawn_dataset(root, drawings, shape_classes(root, found, files[0].path), notes)


def json_files(root: Path) -> list[Path]:
    """Return the JSON files that begin like a COCO JSON: beside the data, in annotations/, and in folders of splits."""
    return [path for path in some_json(label_folders(root)) if begins_like_coco(head(path))]


def label_folders(root: Path) -> list[Path]:
    """Return the folder itself, its folders of labels and of splits, and folders of labels in these."""
    folders = [path for path in sorted(root.glob("[!.]*")) if path.is_dir()]
    splits = [path for path in folders if meaning_of(path.name).split]
    labels = [path for path in folders if meaning_of(path.name).role == "masks" or OF_LABELS.search(path.name.lower())]
    return list(dict.fromkeys([root, *splits, *labels, *(path / "annotations" for path in splits)]))


def begins_like_coco(text: str) -> bool:
    """Return True if a file's first characters are those of a COCO JSON."""
    if not text.startswith("{") or (len(text) < HEAD and '"images"' not in text):
        return False
    return bool(FIRST_KEY.match(text)) or ('"images"' in text and '"file_name"' in text)


def label_files(root: Path) -> list[Path]:
    """Return the COCO JSONs to read: those of instances, if there are others too."""
    files = [path for path in json_files(root) if not is_panoptic(path)]
    instances = [path for path in files if not path.stem.lower().startswith(OTHER_TASKS)]
    return instances or [path for path in files if path.stem.lower().startswith("stuff")]


def is_panoptic(path: Path) -> bool:
    """Return True if a COCO JSON is a panoptic one, by its name or by its content's beginning or end."""
    if "panoptic" in path.stem.lower():
        return True
    with path.open("rb") as file:
        content = file.read(2**20)
        file.seek(max(0, path.stat().st_size - 2**20))
        return b'"segments_info"' in content + file.read()


def split_of_files(root: Path, paths: list[Path]) -> dict[Path, str | None]:
    """Return the split that each file's or its folders' names say; a file that says none is train beside others."""
    splits: dict[Path, str | None] = {}
    for path in paths:
        words = [*re.findall(r"[A-Za-z]+", path.stem), *reversed(path.relative_to(root).parts[:-1])]
        splits[path] = next(filter(None, map(split_word, words)), None)
    if any(splits.values()):
        return {path: split or "train" for path, split in splits.items()}
    return splits


@dataclass
class Counts:
    """Numbers of objects and images that cannot be used."""

    objects: int = 0
    boxes: int = 0
    thin: int = 0
    astray: int = 0
    listed: int = 0
    missing: int = 0
    first_missing: str = ""

    def notes(self) -> list[str]:
        """Return a note for each kind."""
        return [
            f"{count} of {total} {text}"
            for count, total, text in (
                (
                    self.missing,
                    self.listed,
                    f"listed images are not there and are left out, first {self.first_missing!r}",
                ),
                (self.boxes, self.objects, "objects have a box only and are not drawn"),
                (self.thin, self.objects, "objects have fewer than three corners and are not drawn"),
                (self.astray, self.objects, "objects belong to no listed image"),
            )
            if count
        ]

    def refuse(self, root: Path, files: list[CocoFile]) -> None:
        """Raise DatasetError if no image is there, or no object has an outline."""
        path = files[0].path
        if not self.listed:
            raise DatasetError(f"{path} lists no images; export it again with images")
        if self.missing == self.listed:
            raise DatasetError(
                f"{path} lists {self.listed} images and none of them is below {root}, the first is "
                f"{self.first_missing!r}; put the images there, for example in {root / 'images'}"
            )
        if self.objects and self.boxes == self.objects:
            raise DatasetError(
                f"{path} has boxes only ('segmentation' is empty), which are no pixel labels; label polygons or masks "
                "and export them as COCO segmentation, or turn the boxes into masks (with SAM, for example)"
            )


@dataclass(frozen=True)
class CocoFile:
    """A COCO JSON.

    Attributes:
        path: The file.
        images: Its images.
        objects: Id of an image -> its annotations, in their order.
        categories: Id of a category -> its entry.
    """

    path: Path
    images: list[dict[str, Any]]
    objects: dict[str, list[dict[str, Any]]]
    categories: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> CocoFile:
        """Return the content of a file; DatasetError if it is no COCO JSON."""
        content = read_json(path)
        images = records(content, "images", path)
        without = isinstance(content, dict) and "annotations" not in content  # as for published test splits
        annotations = [] if without else records(content, "annotations", path)
        categories: dict[str, dict[str, Any]] = {}
        for entry in records(content, "categories", path):
            if not isinstance(entry.get("name"), str) or "id" not in entry:
                raise DatasetError(f"{path}: a category has no name or no id: {str(entry)[:80]!r}; correct it")
            if str(entry["id"]) in categories:
                raise DatasetError(f"{path} gives the id {entry['id']!r} to two categories; each needs its own")
            categories[str(entry["id"])] = entry
        objects: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in annotations:
            objects[str(entry.get("image_id"))].append(entry)
        seen: set[str] = set()
        for entry in images:
            if not isinstance(entry.get("file_name"), str) or "id" not in entry:
                raise DatasetError(f"{path}: an image has no file_name or no id: {str(entry)[:80]!r}; correct it")
            if str(entry["id"]) in seen:
                raise DatasetError(f"{path} gives the id {entry['id']!r} to two images; each needs its own")
            seen.add(str(entry["id"]))
        return cls(path, images, dict(objects), categories)

    def classes(self) -> list[OwnClass]:
        """Return the categories as classes, without those that only group others."""
        used = {str(entry.get("category_id")) for entries in self.objects.values() for entry in entries}
        for entry in (entry for entries in self.objects.values() for entry in entries):
            segments = entry.get("segments_info")
            for segment in segments if isinstance(segments, list) else ():
                used.add(str(segment.get("category_id")) if isinstance(segment, dict) else "")
        groups = {str(entry.get("supercategory")) for entry in self.categories.values()}
        return [
            OwnClass(entry["name"], (0,), colours_of(entry.get("color")))
            for number, entry in self.categories.items()
            if number in used
            or entry["name"] not in groups
            or entry.get("supercategory") not in (None, "none", "", entry["name"])
            or all(other.get("supercategory") == other["name"] for other in self.categories.values())
        ]


def colours_of(value: object) -> tuple[tuple[int, int, int], ...]:
    """Return the colour that a JSON gives as three numbers; nothing if it gives none."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value):
        return ((value[0], value[1], value[2]),)
    return ()


def folders_near(path: Path) -> list[str]:
    """Return names of folders that probably hold the images of a file: of train2017 for instances_train2017.json."""
    words = re.split(r"[_\-. ]+", path.stem)
    splits = {"train": ["train"], "val": ["val", "valid", "validation"], "test": ["test"]}
    of_split = [name for word in words for name in splits.get(split_word(word) or "", [])]
    return [path.stem, path.parent.name, *words, *of_split]


def drawings_of(file: CocoFile, split: str | None, index: ImageIndex, counts: Counts) -> Iterable[Drawing]:
    """Yield the frames of a file whose images are there; count what cannot be used."""
    near = folders_near(file.path)
    withheld = split == "test" and not file.objects
    drawn: set[str] = set()
    for entry in file.images:
        number, name = str(entry["id"]), entry["file_name"]
        objects = file.objects.get(number, [])
        drawn.add(number)
        counts.listed += 1
        counts.objects += len(objects)
        image = index.find(name, near)
        areas = tuple(named_areas(file, objects, counts))
        if image is None:
            counts.missing += 1
            counts.first_missing = counts.first_missing or name
            continue
        shapes = Shapes(size_of(entry, "height", "width"), areas)
        label = None if withheld else file.path
        yield Drawing(image, label, constant(shapes), split, f"image {number} ({shown(name)})", empty=not areas)
    astray = sum(len(objects) for number, objects in file.objects.items() if number not in drawn)
    counts.objects += astray
    counts.astray += astray


def named_areas(file: CocoFile, objects: list[dict[str, Any]], counts: Counts) -> Iterable[tuple[str, Area]]:
    """Yield the category's name and the area of each object that has one."""
    for entry in objects:
        category = file.categories.get(str(entry.get("category_id")))
        where = f"annotation {entry.get('id')}"
        if category is None:
            known = ", ".join(list(file.categories)[:8])
            reason = f"{where} has category_id {entry.get('category_id')!r}, which is no category; there are {known}"
            yield "", Faulty(reason)
            continue
        segmentation = entry.get("segmentation")
        if not segmentation:
            counts.boxes += 1
            continue
        area = area_of(segmentation)
        if area is None:
            counts.thin += 1
        else:
            yield category["name"], Faulty(f"{where}: {area.reason}") if isinstance(area, Faulty) else area


def area_of(segmentation: object) -> Area | None:
    """Return the area of a segmentation: polygons or an RLE; None if it has fewer than three corners."""
    if isinstance(segmentation, dict):
        return runs(segmentation)
    if not isinstance(segmentation, list):
        return Faulty(f"its segmentation is {str(segmentation)[:40]!r}; expected polygons or a run-length mask")
    parts = [segmentation] if isinstance(segmentation[0], int | float) else segmentation
    areas = tuple(area for area in map(polygon, parts) if area is not None)
    faulty = next((area for area in areas if isinstance(area, Faulty)), None)
    return faulty or (areas[0] if len(areas) == 1 else Parts(areas) if areas else None)
