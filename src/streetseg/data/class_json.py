"""Class files of other tools that are JSON or data.yaml.

- class_list.json (A2D2): "#ff0000" -> name
- config.json (Mapillary Vistas): labels with colour, name and readable name; the place is the value
- dataset_meta.json (datumaro): label_map with value -> name, and segmentation_colors
- data.yaml (Ultralytics): names, a list or value -> name
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from streetseg.data.class_tables import VOID, merged
from streetseg.data.folder_names import composed
from streetseg.data.own_classes import Colour, OwnClass, OwnClasses, distinct, plain
from streetseg.errors import DatasetError
from streetseg.runtime.documents import parse_json, parse_yaml, read_text


def read_structured(path: Path) -> OwnClasses:
    """Return the classes in a JSON or YAML file of another tool; DatasetError if it cannot be understood."""
    try:
        text = read_text(path)
        content = parse_json(text) if path.suffix.lower() == ".json" else parse_yaml(text)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    try:
        classes = classes_in(content)
    except (TypeError, ValueError, KeyError, AttributeError):
        classes = []
    if not classes:
        raise DatasetError(f"{path} names no classes in a way that is known here; write them to classes.yaml")
    return OwnClasses(distinct(path, merged(classes)), path)


def classes_in(content: Any) -> list[OwnClass]:
    """Return the classes of a parsed file; TypeError, ValueError, KeyError or AttributeError for another structure."""
    if isinstance(content, dict) and isinstance(content.get("labels"), list):
        return vistas_labels(content["labels"])
    if isinstance(content, dict) and "label_map" in content:
        colours = content.get("segmentation_colors") or []
        return [
            own_class(name, int(value), rgb(colours[i]) if i < len(colours) else None)
            for i, (value, name) in enumerate(content["label_map"].items())
        ]
    if isinstance(content, dict) and "names" in content:
        names = content["names"]
        numbered = names.items() if isinstance(names, dict) else enumerate(names)
        return [own_class(name, int(value), None) for value, name in numbered]
    if isinstance(content, dict) and all(re.fullmatch("#[0-9a-fA-F]{6}", str(key)) for key in content):
        return [
            own_class(without_number(name), place, tuple(bytes.fromhex(key[1:])), placed=True)  # type: ignore[arg-type]
            for place, (key, name) in enumerate(content.items())
        ]
    raise ValueError("another structure")


def vistas_labels(labels: list[dict[str, Any]]) -> list[OwnClass]:
    """Return the classes of Mapillary's config.json; those that are not evaluated do not count."""
    readable = [str(label["readable"]) for label in labels]
    names = readable if len(set(readable)) == len(readable) else [str(label["name"]) for label in labels]
    return [
        OwnClass(name, (value,), (rgb(label["color"]),), ignore=not label.get("evaluate", True))
        for value, (name, label) in enumerate(zip(names, labels, strict=True))
    ]


def without_number(name: str) -> str:
    """Return A2D2's name of a class without the number of an instance: "Car 2" is a Car."""
    return re.sub(r" \d+$", "", name)


def own_class(name: str, value: int, colour: Colour | None, placed: bool = False) -> OwnClass:
    """Return a class; one whose name says so does not count."""
    if not isinstance(name, str) or not 0 <= value <= 255:
        raise ValueError(name)
    return OwnClass(composed(name), (value,), (colour,) if colour else (), ignore=plain(name) in VOID, placed=placed)


def rgb(values: Any) -> Colour:
    """Return a colour of three numbers from 0 to 255."""
    red, green, blue = (int(value) for value in values)
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(values)
    return red, green, blue
