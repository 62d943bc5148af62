"""Suggest classes for what masks hold: names from class files, published palettes, or numbers; and hints at twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from streetseg.data.mask_scan import MaskScan
from streetseg.data.misspelt import name_hints
from streetseg.data.own_classes import OwnClass, plain
from streetseg.data.pairs import IGNORE
from streetseg.data.palettes import TELL_NO_NAMES, known_palette
from streetseg.runtime.overlay import Colour

BLACK: Colour = (0, 0, 0)
NEAR = 12.0  # distance of two colours, in values of 0 to 255, below which they may be meant as one
VOID_NAMES = {"void", "unlabeled", "unlabelled", "ignore", "ignored"}


@dataclass
class Suggestion:
    """A class to write into classes.yaml.

    Attributes:
        name: Its name.
        pixels: Number of pixels that it has.
        indices: Its values in masks with one channel; empty if masks hold colours alone.
        colours: Its colours.
        ignore: Its pixels do not count.
        others: It has every value and colour that no class has.
        remark: What is doubtful.
    """

    name: str
    pixels: int = 0
    indices: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    ignore: bool = False
    others: bool = False
    remark: list[str] = field(default_factory=list)


def suggest(scan: MaskScan, colours: list[Colour], given: Sequence[OwnClass]) -> tuple[list[Suggestion], str]:
    """Return the classes of what masks hold, and the name of the published palette that names them, if one does.

    Args:
        scan: The masks.
        colours: The colours of classes in it.
        given: Classes that class files name.
    """
    suggestions = [
        Suggestion(entry.name, 0, entry.indices if scan.contents.values else (), entry.colours, entry.ignore)
        for entry in given
    ]
    known = known_palette({colour: scan.contents.colours[colour] for colour in colours} or palette_counts(scan))
    names = known.names if known else {}
    tells = known is not None and known.palette not in TELL_NO_NAMES
    if colours:
        add_colours(suggestions, scan, colours, names, only_hint=not tells)
    if scan.contents.values:
        add_values(suggestions, scan, names if tells else {})
    counted = [each for each in suggestions if not each.ignore]
    black = next((each for each in suggestions if each.ignore and each.colours == (BLACK,)), None)
    if len(counted) == 1 and black is not None and not given:  # a mask of one thing and the rest
        black.name, black.ignore, black.remark = "background", False, ["black beside one other colour"]
    return suggestions, known.palette if known and tells else ""


def palette_counts(scan: MaskScan) -> dict[Colour, int]:
    """Return the number of pixels of each colour of the masks' palette."""
    return {colour: scan.contents.values[value] for value, colour in scan.palette.items()}


def add_colours(
    suggestions: list[Suggestion], scan: MaskScan, colours: list[Colour], names: dict[Colour, str], only_hint: bool
) -> None:
    """Add the pixels of colours to the classes that have them, and classes for the other colours.

    only_hint: Names of the palette become remarks.
    """
    owner = {colour: suggestion for suggestion in suggestions for colour in suggestion.colours}
    for colour in colours:
        count = scan.contents.colours[colour]
        if colour in owner:
            owner[colour].pixels += count
            continue
        name = names.get(colour, "")
        if colour == BLACK and (not name or only_hint or plain(name) in VOID_NAMES):
            doubt = [] if name and not only_hint else ["black; a class? then delete ignore"]
            suggestion = Suggestion("void", count, (), (BLACK,), True, remark=doubt)
        elif name and not only_hint:
            suggestion = Suggestion(name, count, (), (colour,), plain(name) in VOID_NAMES)
        else:
            hint = [f"{name} in Pascal VOC"] if name else []
            suggestion = Suggestion("", count, (), (colour,), remark=["name it", *hint])
        add(suggestions, suggestion)


def add_values(suggestions: list[Suggestion], scan: MaskScan, names: dict[Colour, str]) -> None:
    """Add the pixels of values of one channel to the classes that have them, and classes for the other values."""
    owner = {value: suggestion for suggestion in suggestions for value in suggestion.indices}
    by_colour = {colour: suggestion for suggestion in suggestions for colour in suggestion.colours}
    binary = set(scan.contents.values) == {0, IGNORE}
    if binary and IGNORE not in owner:
        left = [each for each in suggestions if not each.ignore and each.indices and 0 not in each.indices]
        if len(left) == 1:
            left[0].indices = (IGNORE,)
            owner[IGNORE] = left[0]
    coloured = len({colour for colour in scan.palette.values() if len(set(colour)) > 1}) > 1
    for value, count in sorted(scan.contents.values.items()):
        colour = scan.palette.get(value) if coloured else None
        owned = owner.get(value) or (by_colour.get(colour) if colour else None)
        if owned is not None and (value in owned.indices or not owned.indices):
            owned.indices, owned.pixels = owned.indices or (value,), owned.pixels + count
            continue
        if value > IGNORE:
            continue  # classes.yaml has no room for it; the caller tells it
        if value == IGNORE and not binary:
            name, ignore, remark = "void", True, ["255 never counts by itself"]
        elif value == 0 and binary:
            name, ignore, remark = "background", False, ["0 beside 255"]
        else:
            name, ignore = names.get(colour, "") if colour else "", False
            remark = [] if name else ["name it"]
        add(suggestions, Suggestion(name, count, (value,), (colour,) if colour else (), ignore, remark=remark))


def add(suggestions: list[Suggestion], suggestion: Suggestion) -> None:
    """Add a class; one of the same name gets its colours and values, one without a name gets a number."""
    twin = next((each for each in suggestions if suggestion.name and plain(each.name) == plain(suggestion.name)), None)
    if twin is None:
        if not suggestion.name:
            taken = {each.name for each in suggestions}
            numbers = (*suggestion.indices, *range(1, 999))
            suggestion.name = next(name for number in numbers if (name := f"class_{number}") not in taken)
        suggestions.append(suggestion)
    else:
        twin.colours += tuple(colour for colour in suggestion.colours if colour not in twin.colours)
        twin.pixels += suggestion.pixels
        twin.indices += tuple(value for value in suggestion.indices if value not in twin.indices)


def twins(suggestions: list[Suggestion]) -> list[str]:
    """Return a hint for each pair of classes that may be one: names alike, or colours alike; and for misspelt names."""
    counted = [each for each in suggestions if not each.ignore and not each.name.startswith("class_")]
    hints = name_hints({each.name: each.pixels for each in counted})
    coloured = [(colour, each) for each in suggestions for colour in each.colours]
    for place, (colour, one) in enumerate(coloured):
        for another, other in coloured[place + 1 :]:
            apart = sum((a - b) ** 2 for a, b in zip(colour, another, strict=True)) ** 0.5
            if one is not other and apart <= NEAR:
                hints.append(
                    f"{one.name!r} {list(colour)} and {other.name!r} {list(another)} have nearly one colour; if they "
                    "are one class, write both colours in one line: colour: [[...], [...]]"
                )
    return hints
