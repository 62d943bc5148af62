"""Cityscapes' *_polygons.json, which IDD has too: one file a frame, objects from back to front.

Corners are pixels there, so one on the last column or row lies on the frame's border. The publishers' PNGs are drawn by
Pillow, which also fills the pixels that the outline touches: objects are half a pixel larger there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.data.json_files import parse_json, size_of
from streetseg.data.pairs import Pair
from streetseg.data.polygons import Area, draw, polygon
from streetseg.errors import DatasetError

ENDING = "_polygons.json"
DRAWN = f"labels are drawn from *{ENDING}, later objects over earlier ones; the publisher's PNGs draw outlines too"


def load_polygons(pair: Pair, values: Mapping[str, int]) -> np.ndarray:
    """Return the label of a pair from a *_polygons.json (see `read_polygons`); DatasetError if it is wrong."""
    assert pair.label is not None
    try:
        return read_polygons(pair.label, values)
    except ValueError as error:
        raise DatasetError(f"{pair.label}: {error}") from None


def read_polygons(path: Path, values: Mapping[str, int]) -> np.ndarray:
    """Return the objects of a *_polygons.json as a label map.

    Args:
        path: The file.
        values: Label -> its value, or 255 for void; a negative value is not drawn.

    Returns:
        H x W uint8; 255 where there is no object.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is no such file, or has an unknown label.
    """
    content = parse_json(path)
    size = size_of(content, "imgHeight", "imgWidth") if isinstance(content, dict) else None
    objects = content.get("objects") if isinstance(content, dict) else None
    if size is None or not isinstance(objects, list):
        raise ValueError("it has no imgHeight, imgWidth and objects, as a *_polygons.json has")
    shapes: list[tuple[int, Area]] = []
    for number, entry in enumerate(objects, 1):
        value = value_of(entry, values, number)
        area = polygon(entry.get("polygon"), to_border=size)
        if value >= 0 and area is not None and not entry.get("deleted"):
            shapes.append((value, area))
    return draw(size, shapes)


def value_of(entry: Any, values: Mapping[str, int], number: int) -> int:
    """Return the value of an object's label; "cargroup" is several cars that nobody could separate."""
    label = entry.get("label") if isinstance(entry, dict) else None
    if not isinstance(label, str):
        raise ValueError(f"object {number} has no label")
    name = label.strip().lower()
    value = values.get(name, values.get(name.removesuffix("group")))
    if value is None:
        raise ValueError(f"object {number} has the label {label!r}; there are {', '.join(values)}")
    return value
