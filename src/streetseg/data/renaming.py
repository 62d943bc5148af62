"""Rename, merge and leave out the classes of a dataset."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.cityscapes_classes import LABELS as CITYSCAPES
from streetseg.data.own_classes import plain
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.errors import UsageError

VOID = "void"  # leaves a class out, as "" does

# Class by its plain name -> the Cityscapes class of the same meaning.
CITYSCAPES_NAMES = {plain(name): name for name in CITYSCAPES.names} | {
    "tree": "vegetation", "trees": "vegetation", "plant": "vegetation", "bush": "vegetation",
    "sign": "traffic sign", "signsymbol": "traffic sign", "roadsign": "traffic sign",
    "signal": "traffic light", "pedestrian": "person", "people": "person", "human": "person",
    "pavement": "sidewalk", "footpath": "sidewalk", "street": "road", "bike": "bicycle", "motorbike": "motorcycle",
    "columnpole": "pole", "house": "building", "lorry": "truck", "grass": "terrain",
}  # fmt: skip


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
    known = {plain(name): name for name in labels.names}
    meant: dict[str, str] = {}
    for old, new in names.items():
        if plain(old) not in known:
            near = difflib.get_close_matches(old, labels.names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(labels.names)}"
            raise UsageError(f"there is no class {old!r} to map; {hint}")
        meant[known[plain(old)]] = new.strip()
    index: dict[str, int] = {}
    colours: list[tuple[int, int, int]] = []
    table = np.full(IGNORE + 1, IGNORE, np.uint8)
    for number, (name, colour) in enumerate(zip(labels.names, labels.colours, strict=True)):
        new = meant.get(name, name)
        if name in meant and plain(new) in ("", VOID):
            continue
        new = next((each for each in index if plain(each) == plain(new)), new)
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
    meant = {name: CITYSCAPES_NAMES.get(plain(name)) for name in renamed.labels.names}
    unknown = [name for name, new in meant.items() if new is None]
    if unknown:
        remedies = ",".join(f"{name}={nearest_name(name)}" for name in unknown)
        raise UsageError(
            f"{', '.join(map(repr, unknown))}: not among Cityscapes' classes; map each to one of them, or to nothing, "
            f"which leaves it out, for example --map '{remedies}'; there are {', '.join(CITYSCAPES.names)}"
        )
    table, changed = np.full(IGNORE + 1, IGNORE, np.uint8), {}
    for old, name in enumerate(labels.names):
        at = int(renamed.table[old])
        new = VOID if at == IGNORE else meant[renamed.labels.names[at]] or VOID
        table[old] = index.get(new, IGNORE)
        if new != name:
            changed[name] = new
    return Renaming(CITYSCAPES, table, changed)


def nearest_name(name: str) -> str:
    """Return the Cityscapes class whose name is closest; "" if none is close."""
    near = difflib.get_close_matches(plain(name), [plain(each) for each in CITYSCAPES.names], n=1)
    return next((each for each in CITYSCAPES.names if near and plain(each) == near[0]), "")
