"""The classes of a dataset of shapes: from the labels' names, or from a classes.yaml beside the data, which wins."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streetseg.data.classes_yaml import CLASSES_FILE, read_classes
from streetseg.data.own_classes import OwnClass, OwnClasses, label_space_of
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.errors import DatasetError

BACKGROUND = {"background", "_background_", "__background__"}
VOID = {"__ignore__", "_ignore_", "ignore", "void", "unlabeled", "unlabelled"}  # labels that tools use for no class
NAMED = 8  # names in a note, at most


@dataclass(frozen=True)
class ShapeClasses:
    """The classes of shapes.

    Attributes:
        labels: The classes that count.
        meaning: Label's name, as `plain` gives it -> class index or IGNORE.
        uncovered: The value of pixels that no shape covers.
        path: The file that defines the classes, if there is one.
        note: Decisions that the files leave open; may be empty.
        others: The value of labels without a class of their own; None: they are an error.
    """

    labels: LabelSpace
    meaning: dict[str, int]
    uncovered: int
    path: Path | None
    note: str
    others: int | None = None

    def index(self, name: str) -> int:
        """Return the class index of a label, or IGNORE; ValueError for an unknown label."""
        value = self.meaning.get(plain(name), self.others)
        if value is None:
            raise ValueError(f"label {name!r} is not a class; {suggest(name, self.labels.names)}")
        return value


def shape_classes(root: Path, found: Sequence[OwnClass], path: Path | None) -> ShapeClasses:
    """Return the classes of shapes; DatasetError if there are not at least two that count.

    Args:
        root: The dataset's folder; a classes.yaml in it wins.
        found: The labels that the data has, in their order; namesakes are one class.
        path: The file that names them; None: no file lists them.
    """
    own = root / CLASSES_FILE
    if own.is_file():
        classes = read_classes(own)
        known = {plain(entry.name) for entry in classes.entries}
        missing = list(dict.fromkeys(entry.name for entry in found if plain(entry.name) not in known))
        others = rest_of(classes, missing)
    else:
        classes, missing, others = OwnClasses(tuple(merged(found)), path), [], None
    counted = classes.counted
    if len(counted) < 2:
        raise too_few(root, counted, [entry.name for entry in found])
    if len(counted) > IGNORE:
        raise DatasetError(
            f"{path or root} has {len(counted)} classes; list those that count, {IGNORE} at most, in {own}"
        )
    number = iter(range(len(counted)))
    meaning = {plain(entry.name): IGNORE if entry.ignore else next(number) for entry in classes.entries}
    rest = next((meaning[plain(entry.name)] for entry in classes.entries if entry.others), None)
    uncovered = next((meaning[name] for name in meaning if name in BACKGROUND), IGNORE if rest is None else rest)
    note = "; ".join(filter(None, [uncovered_note(classes, uncovered), others]))
    unlisted = rest if rest is not None else IGNORE if own.is_file() else None
    return ShapeClasses(label_space_of(classes), meaning, uncovered, classes.path, note, unlisted)


def merged(found: Sequence[OwnClass]) -> list[OwnClass]:
    """Return the labels as classes: namesakes once, repeated colours dropped, tools' labels for void not counted."""
    classes: dict[str, OwnClass] = {}
    colours = set()
    for entry in found:
        name = plain(entry.name)
        if name not in classes:
            own = tuple(colour for colour in entry.colours if colour not in colours)
            colours |= set(own)
            classes[name] = OwnClass(entry.name, (len(classes) % IGNORE,), own, entry.ignore or name in VOID)
    return list(classes.values())


def plain(name: str) -> str:
    """Return a label's name for comparison: composed characters, no case, no spaces around it."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def uncovered_note(classes: OwnClasses, uncovered: int) -> str:
    """Return a note on what uncovered pixels are."""
    if uncovered == IGNORE:
        return f"pixels that no shape covers do not count; a class 'background' in {CLASSES_FILE} would have them"
    return f"pixels that no shape covers are {classes.counted[uncovered].name}"


def rest_of(classes: OwnClasses, missing: Sequence[str]) -> str:
    """Return a note on the labels that a classes.yaml lacks."""
    if not missing:
        return ""
    names = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED} more" if len(missing) > NAMED else "")
    rest = next((entry for entry in classes.entries if entry.others), None)
    what = f"are {rest.name}" if rest and not rest.ignore else "do not count"
    return f"labels that {CLASSES_FILE} does not list {what}: {names}"


def too_few(root: Path, counted: Sequence[OwnClass], found: Sequence[str]) -> DatasetError:
    """Return the error about fewer than two classes."""
    own = root / CLASSES_FILE
    if not found:
        return DatasetError(f"{root} has no labels: no shape is drawn; label some frames and export again")
    name = counted[0].name if counted else found[0]
    return DatasetError(
        f"{root} has {len(counted)} class{'es' * (len(counted) != 1)} that count{'s' * (len(counted) == 1)}, and at "
        f"least 2 are needed; to set {name!r} against the pixels that no shape covers, write {own} with the lines "
        f"'- background' and '- {name}'"
    )


def suggest(name: str, names: Sequence[str]) -> str:
    """Return the nearest class, or which classes there are."""
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {shown(near[0])}?"
    return f"there are {', '.join(map(shown, names[:NAMED]))}" + ", ..." * (len(names) > NAMED)


def shown(name: str) -> str:
    """Return a name for a message: as it is, or quoted if it would break the line."""
    return name if name.isprintable() else repr(name)
