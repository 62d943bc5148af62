"""Find the files beside the data that name its classes; they count more than what a folder is called.

classes.yaml comes first. Two files that contradict each other are refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from streetseg.data.class_json import read_structured
from streetseg.data.class_tables import read_table
from streetseg.data.classes_yaml import CLASSES_FILE, read_classes
from streetseg.data.mask_files import open_mask
from streetseg.data.own_classes import Colour, OwnClass, OwnClasses, plain
from streetseg.errors import DatasetError

MaskKind = Literal["colour", "palette", "index"]

SUFFIXES = (".yaml", ".yml", ".txt", ".csv", ".json")
# In this order; the first one that fits the masks counts. Names have no case.
NAMES = (
    r"classes\.ya?ml", r"label_?map\.txt", r"label_?colou?rs?\.txt", r"colou?r_?map\.txt", r".*class_?dict.*\.csv",
    r"_classes\.csv", r"classes\.csv", r"label_?colou?rs?\.csv", r"class_list\.json", r"dataset_meta\.json",
    r"objectinfo150\.(txt|csv)", r"codes\.txt", r"class_?names\.txt", r"classes\.txt", r"label_?names\.txt",
    r"labels\.txt", r"data\.ya?ml",
)  # fmt: skip
UNDRAWN = f"what nobody drew on (background) does not count; a {CLASSES_FILE} could say otherwise"


def find_classes(places: Iterable[Path], masks: Sequence[Path] = ()) -> OwnClasses | None:
    """Return the classes that files in some folders define; None if there is no such file.

    Args:
        places: Folders to look in.
        masks: Masks, of which the first that can be read tells what they hold.

    Raises:
        DatasetError: A file cannot be understood, or two of them contradict each other.
    """
    paths = class_files(places)
    if not paths:
        return None
    kind = kind_of(masks)
    read = [read_class_file(path) for path in paths]
    chosen = read[0]
    for i, first in enumerate(read[:1] if chosen.ours else read):
        for second in read[i + 1 :]:
            compare(first, second, kind)
    if chosen.ours:
        for other in read[1:]:
            chosen = with_colours(chosen, other)
    elif kind == "colour":
        chosen = next((each for each in read if all(entry.colours for entry in each.counted)), chosen)
    return with_note(chosen)


def class_files(places: Iterable[Path]) -> list[Path]:
    """Return the files in some folders that name classes, the most trusted first."""
    found: list[tuple[int, Path]] = []
    for place in dict.fromkeys(places):
        if place.is_dir():
            for path in sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES):
                order = [i for i, name in enumerate(NAMES) if re.fullmatch(name, path.name, re.IGNORECASE)]
                if order and path.is_file():
                    found.append((order[0], path))
    files = [path for _, path in sorted(found, key=lambda item: item[0])]
    others = [path for path in files if path.stem.lower() != "data"]
    return others or files  # data.yaml may be of a detector for the same images


def read_class_file(path: Path) -> OwnClasses:
    """Return the classes of a file, by its name."""
    if path.suffix.lower() in (".yaml", ".yml") and path.stem.lower() == "classes":
        return read_classes(path)
    return read_structured(path) if path.suffix.lower() in (".json", ".yaml", ".yml") else read_table(path)


def kind_of(masks: Sequence[Path]) -> MaskKind:
    """Return what the first mask that can be read holds: colours, a palette, or class indices."""
    for path in masks[:5]:
        try:
            with open_mask(path) as image:
                if image.mode == "P":
                    return "palette"
                pixels = np.asarray(image)
        except Exception:  # damaged files make decoders raise any kind of error; the check tells it
            continue
        in_colour = pixels.ndim == 3 and pixels.shape[2] > 2 and bool(np.ptp(pixels[..., :3], axis=2).any())
        return "colour" if in_colour else "index"
    return "index"


def compare(first: OwnClasses, second: OwnClasses, kind: MaskKind) -> None:
    """Raise DatasetError if two files give a class different places in masks, or a place in masks different classes.

    classes.yaml may give classes other names.
    """
    by_name = {plain(entry.name): entry for entry in second.entries}
    common = [(entry, by_name[plain(entry.name)]) for entry in first.entries if plain(entry.name) in by_name]
    remedy = "correct one of the files, or take it away"
    if not common and not (first.ours and places(first, kind) == places(second, kind)):
        raise DatasetError(
            f"{first.path} and {second.path} name different classes ({some(first.counted)}; {some(second.counted)}); "
            f"{remedy}"
        )
    for one, other in common:
        in_colours = bool(one.colours and other.colours)
        if in_colours and not set(one.colours) & set(other.colours):
            what, here, there = "colour", str(one.colours[0]), str(other.colours[0])
        elif kind == "colour" or (kind == "palette" and in_colours and one.placed and other.placed):
            continue
        elif not set(one.indices) & set(other.indices):
            what, here, there = "value", str(one.indices[0]), str(other.indices[0])
        else:
            continue
        raise DatasetError(f"{first.path} gives {one.name} the {what} {here}, {second.path} gives it {there}; {remedy}")
    if not first.ours:
        known = {place: entry for entry in second.entries for place in places_of(entry, kind)}
        for one in first.entries:
            for place in places_of(one, kind):
                other = known.get(place, one)
                if plain(other.name) != plain(one.name) and not (other.ignore and one.ignore):
                    raise DatasetError(
                        f"{first.path} calls {place} {one.name}, {second.path} calls it {other.name}; {remedy}"
                    )


def places(classes: OwnClasses, kind: MaskKind) -> set[int | Colour]:
    """Return the colours or values of classes that count, whatever masks hold."""
    return {place for entry in classes.counted for place in places_of(entry, kind)}


def places_of(entry: OwnClass, kind: MaskKind) -> tuple[int | Colour, ...]:
    """Return a class's colours in masks, or its values."""
    return (
        entry.colours if kind == "colour" or (kind == "palette" and entry.placed and entry.colours) else entry.indices
    )


def some(classes: Sequence[OwnClass]) -> str:
    """Return the first names."""
    return ", ".join(entry.name for entry in classes[:3]) + (", ..." if len(classes) > 3 else "")


def with_colours(classes: OwnClasses, other: OwnClasses) -> OwnClasses:
    """Return the classes, those without a colour with that of their namesake."""
    colours = {plain(entry.name): entry.colours for entry in other.entries}
    entries = [
        entry if entry.colours else dataclasses.replace(entry, colours=colours.get(plain(entry.name), ()))
        for entry in classes.entries
    ]
    return dataclasses.replace(classes, entries=tuple(entries))


def with_note(classes: OwnClasses) -> OwnClasses:
    """Return the classes with a note if the file leaves open what background is."""
    undrawn = any(entry.ignore and plain(entry.name) == "background" for entry in classes.entries)
    if not undrawn or classes.ours:
        return classes
    return dataclasses.replace(classes, note=UNDRAWN)
