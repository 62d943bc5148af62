"""labelme (and X-AnyLabeling): a JSON for each image, beside it or in a folder of its own.

- Polygons, boxes, circles and masks are drawn; lines 10 pixels wide and points as discs of 5 pixels, as labelme's own
  export does. Corners are pixels, so one on the last column or row lies on the frame's border.
- An image is the one that the JSON names, or the one of the same name.
- Classes are the labels in the order in which they occur, those in a labels.txt first. labelme's `_background_` has the
  pixels that no shape covers, and `__ignore__` does not count.
"""

from __future__ import annotations

import base64
import binascii
import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.data.drawn import Drawing, Shapes, Size, constant, drawn_dataset
from streetseg.data.encoded_masks import png_mask
from streetseg.data.image_index import ImageIndex
from streetseg.data.json_files import folders_to, head, parse_json, size_of, some_json
from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import Dataset, read_lines
from streetseg.data.polygons import Area, Bitmap, Faulty, Parts, Polygon, box, corners, ellipse, polygon
from streetseg.data.shape_classes import shape_classes, shown
from streetseg.errors import DatasetError
from streetseg.runtime.files import make_folder, write_file
from streetseg.runtime.inputs import SUFFIXES, files_below, natural_key

LAYOUT = "a .json for each image with labelme's shapes, beside the images or in a folder of its own"
DEPTH = 3  # JSON files are looked for this deep
LABELS = "labels.txt"
FOLDER = ".cache/labelme"  # for images that only JSONs hold; it can be deleted at any time
LINE_WIDTH, POINT_RADIUS = 10, 5  # pixels, labelme's own
OUTLINES = ("polygon", "rectangle", "oriented_rectangle", "rotation")
KINDS = (*OUTLINES, "circle", "mask", "line", "linestrip", "point", "points")


def recognises(root: Path) -> bool:
    """Return True if JSON files in `root` or its folders begin like labelme's."""
    return any(
        begins_like_labelme(head(path)) for folder in folders_to(root, DEPTH) for path in some_json([folder])[:3]
    )


def begins_like_labelme(text: str) -> bool:
    """Return True if a file's first characters are those of labelme."""
    named = '"shapes"' in text and ('"version"' in text or '"imagePath"' in text)
    return text.startswith("{") and (named or '"imageData"' in text)


def open_labelme(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError if it has no labels, or none of their images."""
    index = ImageIndex(root)
    files = sorted((path for path in files_below(root) if path.suffix.lower() == ".json"), key=natural_key)
    files = [path for path in files if begins_like_labelme(head(path))]
    if not files:
        raise DatasetError(f"{root} holds no JSON of labelme; looked for {LAYOUT}")
    drawings: list[Drawing] = []
    inside = 0
    labels: dict[str, None] = dict.fromkeys(listed_labels(root))
    missing: list[Path] = []
    for path in files:
        content, problem = read(path)
        image = image_of(path, content, index)
        if image is None and isinstance(content.get("imageData"), str):
            image = unpacked_image(root, path, content["imageData"])
            inside += 1
        content.pop("imageData", None)  # megabytes
        if image is None:
            missing.append(path)
        elif problem:
            drawings.append(Drawing(image, path, partial(fail, problem)))
        else:
            shapes = shapes_of(content)
            labels |= dict.fromkeys(name for name, area in shapes.areas if not isinstance(area, Faulty))
            drawings.append(Drawing(image, path, constant(shapes), empty=not shapes.areas))
    if not drawings:
        raise DatasetError(
            f"{missing[0]} has no image beside it, nor has any other of {len(missing)} JSONs; put the images there"
        )
    known = {drawing.image for drawing in drawings}
    drawings += [Drawing(image, None, partial(fail, "it has no JSON")) for image in index.images if image not in known]
    drawings.sort(key=lambda drawing: natural_key(drawing.image))
    notes = [f"{inside} images are taken out of their JSON and kept in {root / FOLDER}"] * (inside > 0)
    if missing:
        notes.append(f"{len(missing)} of {len(files)} JSONs have no image and are left out, first {missing[0]}")
    found = [OwnClass(name, (0,)) for name in labels]
    return drawn_dataset(root, drawings, shape_classes(root, found, None), notes)


def listed_labels(root: Path) -> list[str]:
    """Return the labels of a labels.txt, as labelme takes it."""
    path = root / LABELS
    return [line.strip() for line in read_lines(path) if line.strip()] if path.is_file() else []


def read(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a JSON, and why it cannot be used ("" if it can)."""
    try:
        content = parse_json(path)
    except (OSError, ValueError) as error:
        return {}, str(error)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        return {}, "it has no list of shapes"
    return content, ""


def fail(problem: str) -> Shapes:
    """Raise ValueError."""
    raise ValueError(problem)


def image_of(path: Path, content: dict[str, Any], index: ImageIndex) -> Path | None:
    """Return the image of a JSON: the one that it names, seen from it; the one of its name; or one anywhere."""
    given = content.get("imagePath")
    name = given.replace("\\", "/") if isinstance(given, str) else ""
    beside = [path.parent / name] if name else []
    beside += [path.with_suffix(suffix) for suffix in (Path(name).suffix, *SUFFIXES) if suffix]
    place = next((place.resolve() for place in beside if place.is_file()), None)
    known = index.namesakes(place.name) if place else []
    return next((image for image in known if image.resolve() == place), None) or index.find(
        name or path.stem, [path.parent.name]
    )


def unpacked_image(root: Path, path: Path, data: str) -> Path | None:
    """Return the image that a JSON holds as `imageData`, written to a hidden folder; None if it holds none."""
    try:
        content = base64.b64decode(data)
    except binascii.Error:
        return None
    suffix = ".png" if content.startswith(b"\x89PNG") else ".jpg"
    image = (root / FOLDER / path.relative_to(root)).with_suffix(suffix)
    if not image.is_file() or image.stat().st_size != len(content):
        make_folder(image.parent)
        write_file(image, content)
    return image


def shapes_of(content: dict[str, Any]) -> Shapes:
    """Return the shapes of a JSON that have an area."""
    size = size_of(content, "imageHeight", "imageWidth")
    areas: list[tuple[str, Area]] = []
    for number, entry in enumerate(content["shapes"], 1):
        label = entry.get("label") if isinstance(entry, dict) else None
        area: Area | None
        if not isinstance(label, str) or not label.strip():
            label, area = "", Faulty(f"shape {number} has no label")
        else:
            found = tried(entry, size)
            area = Faulty(f"shape {number} ({shown(label)}): {found.reason}") if isinstance(found, Faulty) else found
        if area is not None:
            areas.append((label, area))
    return Shapes(size, tuple(areas))


def tried(entry: dict[str, Any], size: Size | None) -> Area | None:
    """Return the area of a shape (see `area_of`); a `Faulty` one if its numbers make none."""
    try:
        return area_of(entry, size)
    except ValueError as error:
        return Faulty(str(error))


def area_of(entry: dict[str, Any], size: Size | None) -> Area | None:
    """Return the area of a shape; None if it has none."""
    kind = entry.get("shape_type") or "polygon"
    if kind not in KINDS:
        return Faulty(f"it has the shape_type {kind!r}; there are {', '.join(KINDS)}")
    points = corners(entry.get("points"), size)
    if isinstance(points, str):
        return Faulty(points)
    if kind == "mask":
        return mask_of(entry, np.asarray(entry["points"]))
    if kind == "rectangle" and len(points) == 2:
        return box(*points[0], *points[1])
    if kind == "circle":
        return disc(points, math.dist(*points)) if len(points) == 2 else Faulty("a circle needs its middle and a point")
    if kind in ("point", "points"):
        return Parts(tuple(disc(points[i : i + 1], POINT_RADIUS) for i in range(len(points))))
    if kind in ("line", "linestrip"):
        return Parts(tuple(stroke(a, b) for a, b in pairwise(points)))
    return polygon(entry.get("points"), size)


def disc(points: np.ndarray, radius: float) -> Polygon:
    """Return a disc about the first point."""
    return ellipse(points[0, 0], points[0, 1], radius, radius)


def stroke(start: np.ndarray, end: np.ndarray) -> Polygon:
    """Return a line of LINE_WIDTH pixels between two points."""
    along = end - start
    length = max(float(np.hypot(*along)), 1e-9)
    across = np.array([-along[1], along[0]]) / length * LINE_WIDTH / 2
    return Polygon((np.array([start + across, end + across, end - across, start - across]),))


def mask_of(entry: dict[str, Any], points: np.ndarray) -> Area:
    """Return the mask of a shape, whose first point is its upper left corner."""
    try:
        return Bitmap(png_mask(entry.get("mask")), int(points[0, 0]), int(points[0, 1]))
    except (ValueError, IndexError) as error:
        return Faulty(str(error))
