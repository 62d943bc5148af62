"""classes.yaml: the classes of a user's own data."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from streetseg.data.folder_names import composed
from streetseg.data.own_classes import OwnClass, OwnClasses, distinct
from streetseg.errors import DatasetError
from streetseg.runtime.documents import parse_yaml, read_text

CLASSES_FILE = "classes.yaml"
FIELDS = ("name", "index", "colour", "ignore", "others")
SETTINGS = ("classes", "nearest_colour")


def read_classes(path: Path) -> OwnClasses:
    """Return the classes in a file like this one:

        - road
        - {name: car, index: 7, colour: [0, 0, 142]}
        - {name: plant, colour: [[107, 142, 35], [152, 251, 152]]}
        - {name: void, ignore: true, others: true}

    A bare name is a class with defaults.

    - index: its value in masks with one channel, 0 to 255, or a list of values. Default: its place in the list, from 0.
    - colour: red, green, blue from 0 to 255, in masks with three channels and in pictures; or a list of colours, of
      which the first one is drawn.
    - ignore: its pixels do not count. 255 does not count unless a class has it as its index.
    - others: the class also has every value and colour that no class has. One class may have it.

    The list may stand below `classes:`, beside `nearest_colour: true`: then a colour of no class takes the class of the
    nearest colour, as borders smoothed by a drawing program need it.

    DatasetError for anything else.
    """
    try:
        content = parse_yaml(read_text(path))
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; write it with a line '- NAME' for each class, in mask order") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    settings: dict[str, Any] = content if isinstance(content, dict) and "classes" in content else {"classes": content}
    for key in settings:
        if key not in SETTINGS:
            raise DatasetError(f"{path} has an unknown setting {key!r}; there are {', '.join(SETTINGS)}")
    entries, nearest = settings["classes"], settings.get("nearest_colour", False)
    if not isinstance(nearest, bool):
        raise DatasetError(f"{path} has nearest_colour: {nearest!r}; give true or false")
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f"{path} must be a list with a line '- NAME' for each class")
    classes = [read_class(entry, place, f"{path}, class {place + 1}") for place, entry in enumerate(entries)]
    return OwnClasses(distinct(path, classes), path, nearest, ours=True)


def read_class(entry: Any, place: int, where: str) -> OwnClass:
    """Return the class of one entry; `where` names the entry in errors."""
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {"name": entry}
    for key in fields:
        if key not in FIELDS:
            near = difflib.get_close_matches(str(key), FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FIELDS)}"
            raise DatasetError(f"{where} has an unknown field {key!r}; {hint}")
    name, index, colour = fields.get("name"), fields.get("index", place), fields.get("colour")
    if not isinstance(name, str) or not name.strip():
        raise DatasetError(f"{where} has the name {name!r}; give text (in quotes if it is no, yes or a number)")
    where = f"{where} ({name})"
    indices = index if isinstance(index, list) else [index]
    if not indices or not all(map(is_byte, indices)):
        raise DatasetError(f"{where} has the index {index!r}; give a number from 0 to 255, or a list of them")
    colours = [] if colour is None else colour if isinstance(colour, list) and nested(colour) else [colour]
    if not all(isinstance(each, list) and len(each) == 3 and all(map(is_byte, each)) for each in colours):
        raise DatasetError(f"{where} has the colour {colour!r}; give three numbers from 0 to 255: [0, 0, 142]")
    flags = {key: fields.get(key, False) for key in ("ignore", "others")}
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise DatasetError(f"{where} has {key}: {value!r}; give true or false")
    return OwnClass(
        composed(name.strip()),
        tuple(indices),
        tuple((r, g, b) for r, g, b in colours),
        placed="index" not in fields,
        **flags,
    )


def nested(colour: list[Any]) -> bool:
    """Return True for a list of colours rather than one colour."""
    return bool(colour) and isinstance(colour[0], list)


def is_byte(value: object) -> bool:
    """Return True for a whole number from 0 to 255."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
