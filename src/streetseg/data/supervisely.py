"""Supervisely's project: meta.json, and for each dataset a folder with img/ and ann/ (IMAGE.json for each image).

- Polygons (with holes), bitmaps and rectangles are drawn; lines, points and skeletons have no area.
- A dataset called train, val or test is that split.
- Classes and colours are those of meta.json.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from streetseg.data.drawn import Drawing, Shapes, Size, drawn_dataset
from streetseg.data.encoded_masks import png_mask
from streetseg.data.json_files import head, parse_json, read_json, records, size_of
from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import Dataset
from streetseg.data.polygons import Area, Bitmap, Faulty, Polygon, box, corners
from streetseg.data.shape_classes import shape_classes
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import images_below, natural_key

META = "meta.json"
LAYOUT = f"{META} with classes, and DATASET/img/ with DATASET/ann/IMAGE.json, as Supervisely exports a project"
WITHOUT_AREA = ("line", "polyline", "point", "graph", "keypoints", "cuboid", "alpha_mask")


def recognises(root: Path) -> bool:
    """Return True if `root` is such a project."""
    return (root / META).is_file() and '"classes"' in head(root / META) and bool(datasets_in(root))


def datasets_in(root: Path) -> list[Path]:
    """Return the folders with img/ and ann/, the project itself or below it."""
    places = [root, *sorted(root.glob("[!.]*")), *sorted(root.glob("[!.]*/[!.]*")), *sorted(root.glob("[!.]*/*/[!.]*"))]
    return [place for place in places if (place / "ann").is_dir() and (place / "img").is_dir()]


def open_supervisely(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong meta.json or a project without images."""
    meta = root / META
    if not meta.is_file():
        raise DatasetError(f"{root} has no {META}; looked for {LAYOUT}")
    classes = [class_of(entry, meta) for entry in records(read_json(meta), "classes", meta)]
    drawings = []
    for folder in datasets_in(root):
        for image in sorted(images_below(folder / "img"), key=natural_key):
            below = image.relative_to(folder / "img")
            places = (folder / "ann" / f"{below}.json", folder / "ann" / below.with_suffix(".json"))
            label = next((path for path in places if path.is_file()), None)
            drawings.append(Drawing(image, label, partial(read_shapes, label)))
    if not drawings:
        raise DatasetError(f"{root} has no images in DATASET/img/; export the project with images")
    if not any(drawing.label for drawing in drawings):
        raise DatasetError(f"{root} has no annotations in DATASET/ann/; export the project with annotations")
    return drawn_dataset(root, drawings, shape_classes(root, classes, meta))


def class_of(entry: dict[str, Any], meta: Path) -> OwnClass:
    """Return a class of meta.json; DatasetError if it has no title."""
    title, colour = entry.get("title"), entry.get("color")
    if not isinstance(title, str) or not title.strip():
        raise DatasetError(f"{meta}: a class has no title: {str(entry)[:80]!r}; export the project again")
    try:
        red, green, blue = bytes.fromhex(str(colour).removeprefix("#"))
    except ValueError:
        return OwnClass(title, (0,))
    return OwnClass(title, (0,), ((red, green, blue),))


def read_shapes(path: Path | None) -> Shapes:
    """Return the shapes of an annotation; ValueError if it is none."""
    assert path is not None
    content = parse_json(path)
    objects = content.get("objects") if isinstance(content, dict) else None
    size = size_of(content.get("size") or {}, "height", "width") if isinstance(content, dict) else None
    if not isinstance(objects, list) or size is None:
        raise ValueError("it has no size and objects, as an annotation of Supervisely has")
    areas: list[tuple[str, Area]] = []
    for number, entry in enumerate(objects, 1):
        title = entry.get("classTitle") if isinstance(entry, dict) else None
        if not isinstance(title, str):
            raise ValueError(f"object {number} has no classTitle")
        area = area_of(entry, size)
        if isinstance(area, Faulty):
            raise ValueError(f"object {number} ({title}): {area.reason}")
        if area is not None:
            areas.append((title, area))
    return Shapes(size, tuple(areas))


def area_of(entry: dict[str, Any], size: Size) -> Area | None:
    """Return the area of an object; None if it has none."""
    bitmap, points = entry.get("bitmap"), entry.get("points")
    kind = entry.get("geometryType") or ("bitmap" if bitmap else "polygon")
    if kind in WITHOUT_AREA:
        return None
    if kind == "bitmap":
        bitmap = bitmap if isinstance(bitmap, dict) else {}
        origin = bitmap.get("origin")
        if not (isinstance(origin, list) and len(origin) == 2 and all(isinstance(v, int | float) for v in origin)):
            return Faulty("its bitmap has no origin [x, y]")
        return Bitmap(png_mask(bitmap.get("data")), int(origin[0]), int(origin[1]))
    if not isinstance(points, dict):
        return Faulty("it has no points")
    rings = [corners(ring, size) for ring in (points.get("exterior"), *(points.get("interior") or ()))]
    wrong = next((ring for ring in rings if isinstance(ring, str)), None)
    if wrong is not None:
        return Faulty(wrong)
    outlines = [ring for ring in rings if not isinstance(ring, str)]
    if kind == "rectangle" and len(outlines[0]) == 2:
        return box(*outlines[0][0], *outlines[0][1])
    if len(outlines[0]) < 3:
        return None
    return Polygon(tuple(ring for ring in outlines if len(ring) > 2))
