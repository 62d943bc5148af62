"""Rename, merge and leave out the classes of a dataset."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.cityscapes_classes import LABELS as CITYSCAPES
from streetseg.data.class_names import SYNONYMS, match_classes, named_class, spelling
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.errors import UsageError

VOID = "void"  # leaves a class out, as "" does


@dataclass(frozen=True)
class Renaming:
    """Classes by new names.

    Attributes:
        labels: The new classes.
        table: 256, class index -> new class index or IGNORE.
        changed: Old name -> new name, of the classes that changed by name.
    """

    labels: LabelSpace
    table: NDArray[np.uint8]
    changed: dict[str, str]


def rename(labels: LabelSpace, names: Mapping[str, str]) -> Renaming:
    """Return the classes by new names.

    Args:
        labels: The classes.
        names: Name -> new name, in any spelling. Classes of one new name become one; "" leaves a class out.

    Raises:
        UsageError: A name is no class, or fewer than two classes are left.
    """
    meant = {
        named_class(old, labels.names, "the labels", f"{old}={new}", ()): new.strip() for old, new in names.items()
    }
    index: dict[str, int] = {}
    colours: list[tuple[int, int, int]] = []
    table = np.full(IGNORE + 1, IGNORE, np.uint8)
    for number, (name, colour) in enumerate(zip(labels.names, labels.colours, strict=True)):
        new = meant.get(name, name)
        if name in meant and spelling(new) in ("", VOID):
            continue
        new = next((each for each in index if spelling(each) == spelling(new)), new)
        if new not in index:
            index[new] = len(index)
            colours.append(colour)
        table[number] = index[new]
    if len(index) < 2:
        raise UsageError(f"the map leaves {len(index)} classes; keep at least two of {', '.join(labels.names)}")
    changed = {old: new or VOID for old, new in meant.items() if old != new}
    return Renaming(LabelSpace(tuple(index), tuple(colours)), table, changed)


def as_cityscapes(labels: LabelSpace, names: Mapping[str, str]) -> Renaming:
    """Return the classes as Cityscapes' 19.

    Raises:
        UsageError: A class is none of the 19; the message says how to map it.
    """
    renamed = rename(labels, names)
    index = {name: number for number, name in enumerate(CITYSCAPES.names)}
    matching = match_classes(renamed.labels.names, CITYSCAPES.names)
    meant, unknown = {match.label: match.known for match in matching.matches}, matching.left_out
    if unknown:
        remedies = ",".join(f"{name}={nearest_name(name)}" for name in unknown)
        raise UsageError(
            f"{', '.join(map(repr, unknown))}: not among Cityscapes' classes; map each to one of them, or to nothing, "
            f"which leaves it out, for example --map '{remedies}'; there are {', '.join(CITYSCAPES.names)}"
        )
    table, changed = np.full(IGNORE + 1, IGNORE, np.uint8), {}
    for old, name in enumerate(labels.names):
        at = int(renamed.table[old])
        new = VOID if at == IGNORE else meant[renamed.labels.names[at]]
        table[old] = index.get(new, IGNORE)
        if new != name:
            changed[name] = new
    return Renaming(CITYSCAPES, table, changed)


def nearest_name(name: str) -> str:
    """Return the Cityscapes class of the same meaning, or the one whose name is closest; "" if none is close."""
    group = next((group for group in SYNONYMS if spelling(name) in map(spelling, group)), ())
    same = [each for each in CITYSCAPES.names if each in group]
    return next(iter(same or difflib.get_close_matches(name.casefold(), CITYSCAPES.names, n=1)), "")
