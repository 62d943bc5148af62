"""Label Studio: its exports "JSON" and "JSON-MIN" beside the images, or its masks, one PNG for each label of a task.

- Polygons, brush strokes, bitmasks, ellipses and rectangles are drawn, in the order of their export.
- An image is found by the end of its address; the eight digits that an upload puts before a name do not matter.
- Of several annotations of a task, one that is marked as ground truth counts, else the last one. Tasks that were
  skipped or that nobody labelled are left out; predictions are not used.
- Masks name only tasks' numbers: images must be named by them (7.jpg, task-7.jpg), or the JSON must lie beside them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.data.coco import label_folders
from streetseg.data.drawn import Drawing, Shapes, Size, constant, drawn_dataset
from streetseg.data.encoded_masks import brush_mask, png_mask
from streetseg.data.image_index import ImageIndex
from streetseg.data.json_files import head, read_json, size_of, some_json
from streetseg.data.mask_files import read_pixels
from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import Dataset
from streetseg.data.polygons import Area, Bitmap, Faulty, Polygon, corners, ellipse, polygon
from streetseg.data.shape_classes import shape_classes, shown
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import SUFFIXES

LAYOUT = "Label Studio's JSON (or JSON-MIN) with polygons or brush, and the images; or task-*.png masks"
SIGNS = ('"polygonlabels"', '"brushlabels"', '"bitmasklabels"', '"annotation_id"')  # of a JSON, near its beginning
FIELDS = ('"data"', '"result"', '"completed_by"', '"file_upload"')  # of a task that has "annotations"
MASK = re.compile(r"^task-(\d+)-annotation-(\d+)-by-([^-]*)-([^-]*)-(.+)-(\d+)\.png$")


def recognises(root: Path) -> bool:
    """Return True if `root` has a JSON of Label Studio, or masks that are named by its tasks."""
    return bool(label_files(root)) or bool(mask_files(root))


def label_files(root: Path) -> list[Path]:
    """Return the JSON files that begin like Label Studio's."""
    return [path for path in some_json(label_folders(root)) if begins_like_label_studio(head(path))]


def begins_like_label_studio(text: str) -> bool:
    """Return True if a file's first characters are those of a list of Label Studio's tasks."""
    annotated = ('"annotations"' in text or '"completions"' in text) and any(field in text for field in FIELDS)
    return text.startswith("[") and (annotated or any(sign in text for sign in SIGNS))


def mask_files(root: Path) -> list[Path]:
    """Return the masks that are named by tasks, in the folder or its folders."""
    return sorted(
        path for pattern in ("task-*.png", "*/task-*.png") for path in root.glob(pattern) if MASK.match(path.name)
    )


def open_label_studio(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a JSON that is none, or if none of its images is there."""
    files = label_files(root)
    if not files:
        return open_masks(root)
    index = ImageIndex(root, MASK)
    drawings: list[Drawing] = []
    missing: list[str] = []
    several = 0
    for path in files:
        tasks = read_json(path)
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise DatasetError(f"{path} is not a list of tasks; export the project as JSON again")
        for number, task in enumerate(tasks, 1):
            entry = f"task {shown(str(task.get('id', number)))}"
            given = addresses(task)
            image = next(filter(None, (index.find(address) for address in given)), None)
            if image is None:
                missing.append(given[0] if given else entry)
                continue
            results, count = results_of(task)
            several += count > 1
            shapes = shapes_of(results or [])
            label = None if results is None else path
            drawings.append(Drawing(image, label, constant(shapes), None, entry, empty=not shapes.areas))
    if not drawings:
        raise DatasetError(
            f"{files[0]} lists {len(missing)} tasks and none of their images is below {root}, the first is "
            f"{missing[0] if missing else ''!r}; put the images there, for example in {root / 'images'}"
        )
    notes = [
        f"{len(missing)} listed images are not there and are left out, first {missing[0]!r}" if missing else "",
        f"{several} tasks have several annotations, of which the ground truth or else the last one counts"
        * (several > 0),
    ]
    found = [OwnClass(name, (0,)) for name in dict.fromkeys(names_in(drawings))]
    return drawn_dataset(root, drawings, shape_classes(root, found, files[0]), notes)


def names_in(drawings: Iterable[Drawing]) -> Iterable[str]:
    """Yield the labels of drawings."""
    return (name for drawing in drawings for name, _ in drawing.read().areas)


def addresses(task: dict[str, Any]) -> list[str]:
    """Return what may be the address of a task's image, the likeliest first."""
    inner = task.get("data")
    data = inner if isinstance(inner, dict) else task
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    images = [value for key, value in texts.items() if key.lower() in ("image", "img", "photo", "picture", "url")]
    images += [value for value in texts.values() if value.partition("&")[0].lower().endswith(SUFFIXES)]
    upload = task.get("file_upload")
    return list(dict.fromkeys([*images, *([upload] if isinstance(upload, str) else [])]))


def results_of(task: dict[str, Any]) -> tuple[list[dict[str, Any]] | None, int]:
    """Return the regions of the annotation that counts (None: nobody labelled the task), and how many there are."""
    if "data" not in task and "annotations" not in task:  # JSON-MIN: a field for each control, with its regions
        regions = [
            {"value": region} | {key: region.get(key) for key in ("original_width", "original_height")}
            for value in task.values()
            if isinstance(value, list)
            for region in value
            if isinstance(region, dict)
        ]
        return (regions or None), 1
    annotations = task.get("annotations", task.get("completions"))
    made = [one for one in listed(annotations) if isinstance(one, dict) and not one.get("was_cancelled")]
    if not made:
        return None, 0
    best = max(made, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or "")))
    if len({str(one.get("updated_at")) for one in made}) == 1 and not best.get("ground_truth"):
        best = made[-1]
    return [region for region in listed(best.get("result")) if isinstance(region, dict)], len(made)


def listed(value: Any) -> list[Any]:
    """Return a list from a JSON; an empty one for what is none."""
    return value if isinstance(value, list) else []


def shapes_of(results: list[dict[str, Any]]) -> Shapes:
    """Return the shapes of regions that have a label."""
    sizes = (size_of(region, "original_height", "original_width") for region in results)
    size = next(filter(None, sizes), None)
    areas: list[tuple[str, Area]] = []
    for region in results:
        value = region.get("value")
        if not isinstance(value, dict):
            continue
        labels = next((value[key] for key in value if key.endswith("labels")), None)
        if not isinstance(labels, list) or not labels or not isinstance(labels[0], str):
            continue  # a choice, a text, a relation, or the outline of a region whose label is an entry of its own
        area = area_of(value, size)
        if isinstance(area, Faulty):
            area = Faulty(f"region {shown(str(region.get('id', labels[0])))}: {area.reason}")
        elif region.get("image_rotation"):
            area = Faulty(
                f"the image was turned by {region['image_rotation']!r} degrees for labelling; turn it back there"
            )
        if area is not None:
            areas.append((labels[0], area))
    return Shapes(size, tuple(areas))


def area_of(value: dict[str, Any], size: Size | None) -> Area | None:
    """Return the area of a region, whose places are in per cent of the frame; None if it has none."""
    if size is None:
        return Faulty("it has no original_width and original_height")
    height, width = size
    try:
        if value.get("rle") is not None:
            return Bitmap(brush_mask(value["rle"], size))
        if value.get("imageDataURL") is not None:
            return Bitmap(png_mask(value["imageDataURL"]))
        if "points" in value:
            points = corners(value["points"])
            return Faulty(points) if isinstance(points, str) else polygon(points * (width / 100, height / 100))
        if "radiusX" in value:
            x, y, across, down = (float(value[key]) / 100 for key in ("x", "y", "radiusX", "radiusY"))
            return ellipse(x * width, y * height, across * width, down * height, float(value.get("rotation") or 0))
        if "width" in value:
            x, y, across, down = (float(value[key]) / 100 for key in ("x", "y", "width", "height"))
            turn = np.radians(float(value.get("rotation") or 0) % 360)
            right = np.array([np.cos(turn), np.sin(turn)]) * across * width
            below = np.array([-np.sin(turn), np.cos(turn)]) * down * height
            corner = np.array([x * width, y * height])
            return Polygon((np.array([corner, corner + right, corner + right + below, corner + below]),))
    except (ValueError, TypeError, KeyError) as error:
        return Faulty(str(error) or "it is incomplete")
    return None


# ---- masks


def open_masks(root: Path) -> Dataset:
    """Open a folder of masks, whose images are named by tasks; DatasetError if there are none."""
    masks: defaultdict[str, list[Path]] = defaultdict(list)
    for path in mask_files(root):
        match = MASK.match(path.name)
        assert match is not None
        masks[match[1]].append(path)
    if not masks:
        raise DatasetError(f"{root} has no export of Label Studio; looked for {LAYOUT}")
    index = ImageIndex(root, MASK)
    drawings = []
    for task, paths in masks.items():
        image = next(filter(None, (index.find(name) for name in (task, f"task-{task}", f"task_{task}"))), None)
        if image is not None:
            paths.sort(key=lambda path: int(path.stem.rpartition("-")[2]))
            drawings.append(Drawing(image, paths[0], partial(read_masks, tuple(paths))))
    if not drawings:
        raise DatasetError(
            f"{root} has masks of {len(masks)} tasks, whose names do not say which images they are of; export the "
            f"project as JSON, too, into the same folder, or name the images by their tasks: {next(iter(masks))}.jpg"
        )
    found = [OwnClass(label_of(path), (0,)) for paths in masks.values() for path in paths]
    sources = [path for paths in masks.values() for path in paths]
    return drawn_dataset(root, drawings, shape_classes(root, found, None), sources=sources)


def label_of(path: Path) -> str:
    """Return the label of a mask, from its name."""
    match = MASK.match(path.name)
    assert match is not None
    return match[5]


def read_masks(paths: tuple[Path, ...]) -> Shapes:
    """Return the masks of a task as shapes."""
    masks = [(label_of(path), read_pixels(path)) for path in paths]
    size = (masks[0][1].shape[0], masks[0][1].shape[1])
    return Shapes(size, tuple((name, Bitmap(mask.reshape(*size, -1).max(axis=2) > 0)) for name, mask in masks))
