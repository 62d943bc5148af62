"""Class files of other tools that are text: lists of names, names with colours, tables with a header.

- labelmap.txt (CVAT, datumaro): `road:128,64,128::`
- label_colors.txt (CamVid, datumaro): `128 64 128 road`; the same with the name first
- class_dict.csv (Kaggle): columns name, r, g, b; _classes.csv (Roboflow): columns Pixel Value, Class
- codes.txt (fastai), classes.txt, class_names.txt, labels.txt (labelme, PaddleSeg): a name a line, in mask order
- objectInfo150.txt (ADE20K): tabs, columns Idx and Name
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from streetseg.data.folder_names import composed
from streetseg.data.own_classes import Colour, OwnClass, OwnClasses, distinct, plain
from streetseg.data.pairs import IGNORE, distinct_colours, read_lines
from streetseg.errors import DatasetError

VOID = {"void", "unlabeled", "unlabelled", "ignore", "ignored"}  # names of what does not count, as `plain` has them
NAME_COLUMNS = ("name", "class name", "class", "label name", "label", "category", "classes")
INDEX_COLUMNS = ("pixel value", "value", "index", "idx", "id", "class id", "label id", "class index", "label index")
COLOUR_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"))
TRIPLE = r"(\d+)[\s,;]+(\d+)[\s,;]+(\d+)"
# Text files whose classes have colours; without any, masks have Pascal VOC's palette (datumaro).
COLOURED = re.compile(r"label_?map|colou?r", re.IGNORECASE)


def read_table(path: Path) -> OwnClasses:
    """Return the classes in a text file of another tool; DatasetError if it cannot be understood."""
    lines = [line for line in read_lines(path) if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise DatasetError(f"{path} names no class; give each class a line")
    try:
        if path.stem.lower() in ("labelmap", "label_map"):
            rows = [labelmap_row(path, number, line) for number, line in enumerate(read_lines(path), 1)]
            classes = placed([row for row in rows if row is not None])
        else:
            classes = with_header(path, lines) or without_header(lines)
    except (ValueError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be understood: {' '.join(str(error).split())}") from None
    if COLOURED.search(path.stem):
        classes = background_left_out(in_voc_palette(classes))
    return OwnClasses(distinct(path, merged(classes)), path)


def labelmap_row(path: Path, number: int, line: str) -> tuple[str, Colour | None] | None:
    """Return name and colour of a line like "road:128,64,128::"; None for a comment."""
    if not line.strip() or line.startswith("#"):
        return None
    parts = line.rsplit(":", 3)
    values = parts[1].split(",") if len(parts) == 4 else ["-"]
    if len(parts) == 4 and not parts[1].strip():
        return parts[0], None
    if len(values) != 3 or not all(value.strip().isdecimal() and int(value) < 256 for value in values):
        raise DatasetError(f"{path}, line {number} is {line!r}; expected NAME:RED,GREEN,BLUE::")
    red, green, blue = map(int, values)
    return parts[0], (red, green, blue)


def with_header(path: Path, lines: Sequence[str]) -> list[OwnClass] | None:
    """Return the classes of a table whose first line names its columns; None if it is not such a table."""
    delimiter = max("\t;,", key=lines[0].count)
    header, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    column = {re.sub(r"[\s_]+", " ", title.casefold()): place for place, title in reversed(list(enumerate(header)))}
    name_at = next((column[title] for title in NAME_COLUMNS if title in column), None)
    index_at = next((column[title] for title in INDEX_COLUMNS if title in column), None)
    colour_at = next((tuple(column[t] for t in titles) for titles in COLOUR_COLUMNS if set(titles) <= {*column}), None)
    if name_at is None or (index_at is None and colour_at is None and len(header) > 1):
        return None
    classes = []
    for place, row in enumerate(rows):
        try:
            index = place if index_at is None else byte(row[index_at])
            colour = None if colour_at is None else colour_of([row[at] for at in colour_at])
            classes.append(own_class(row[name_at], index, colour, index_at is None))
        except (ValueError, IndexError):
            text = delimiter.join(row)
            raise DatasetError(
                f"{path}, class {place + 1} is {text!r}; expected {delimiter.join(header)} with numbers from 0 to 255"
            ) from None
    return classes


def without_header(lines: Sequence[str]) -> list[OwnClass]:
    """Return the classes of lines like "128 64 128 road", "road 128 64 128", "7 road" or "road", all of one kind."""
    stripped = [line.strip() for line in lines]
    for pattern in (rf"{TRIPLE}[\s,;:]+(?P<name>\S.*)", rf"(?P<name>\S.*?)[\s,;:]+{TRIPLE}"):
        found = [re.fullmatch(pattern, line) for line in stripped]
        if all(found):
            rows = [(match["name"], list(match.groups())) for match in found if match]
            if all(int(value) < 256 for name, values in rows for value in values if value != name):
                return placed([(name, colour_of([v for v in values if v != name][:3])) for name, values in rows])
    found = [re.fullmatch(r"(\d+)[\s,;:]+(?P<name>\S.*)", line) for line in stripped]
    if all(found) and all(int(match[1]) < 256 for match in found if match):
        return [own_class(match["name"], int(match[1]), None, False) for match in found if match]
    # labelme numbers from __ignore__, which is -1: void in masks is 255.
    first = 1 if plain(stripped[0]) == "ignore" else 0
    return placed([(name, None) for name in stripped[first:]])


def placed(rows: Sequence[tuple[str, Colour | None]]) -> list[OwnClass]:
    """Return classes whose index is their place."""
    return [own_class(name, place, colour, True) for place, (name, colour) in enumerate(rows)]


def own_class(name: str, index: int, colour: Colour | None, is_placed: bool) -> OwnClass:
    """Return a class; one whose name says so does not count."""
    if not name.strip():
        raise ValueError("a class without a name")
    name = composed(name.strip().strip('"'))
    return OwnClass(name, (index,), (colour,) if colour else (), ignore=plain(name) in VOID, placed=is_placed)


def merged(classes: Sequence[OwnClass]) -> list[OwnClass]:
    """Return the classes, those of one name as one class."""
    by_name: dict[str, OwnClass] = {}
    for entry in classes:
        if (first := by_name.get(entry.name)) and (entry.colours or not entry.placed):
            indices, colours = first.indices + entry.indices, (*dict.fromkeys(first.colours + entry.colours),)
            by_name[entry.name] = OwnClass(entry.name, indices, colours, entry.ignore, entry.placed)
        elif first:
            return list(classes)  # `distinct` refuses it
        else:
            by_name[entry.name] = entry
    return list(by_name.values())


def in_voc_palette(classes: list[OwnClass]) -> list[OwnClass]:
    """Return classes of which none has a colour with those of Pascal VOC's palette, black first."""
    if any(entry.colours for entry in classes):
        return classes
    palette = ((0, 0, 0), *distinct_colours(IGNORE))
    return [
        OwnClass(entry.name, entry.indices, (palette[entry.indices[0]],), entry.ignore, entry.placed)
        for entry in classes
    ]


def background_left_out(classes: list[OwnClass]) -> list[OwnClass]:
    """Return the classes; what nobody drew on does not count if two others do."""
    others = [entry for entry in classes if not entry.ignore and plain(entry.name) != "background"]
    if len(others) < 2:
        return classes
    return [
        OwnClass(entry.name, entry.indices, entry.colours, entry.ignore or entry not in others, entry.placed)
        for entry in classes
    ]


def byte(text: str) -> int:
    """Return a number from 0 to 255; ValueError for anything else."""
    if not 0 <= (value := int(text)) <= 255:
        raise ValueError(text)
    return value


def colour_of(values: Sequence[str]) -> Colour:
    """Return a colour; ValueError unless it is three numbers from 0 to 255."""
    red, green, blue = map(byte, values)
    return red, green, blue
