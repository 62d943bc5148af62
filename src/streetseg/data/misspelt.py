"""Hint at class names that may be misspelt: two names alike, or a name like one that streets have."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping

from streetseg.data.own_classes import plain
from streetseg.data.palettes import PALETTES

ALIKE = 0.85  # likeness of two names, 0 to 1, from which one may be the other misspelt
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
SHORTEST = 5  # letters of names that may differ by more than the order of their letters
STREET_NAMES = sorted(
    {plain(name) for title in ("Cityscapes", "CamVid", "CamVid of SegNet") for name in PALETTES[title]}
    | {"background", "lane", "lanemarking", "cyclist", "trafficsign", "bike", "vehicle", "crosswalk", "curb"}
)


def name_hints(pixels: Mapping[str, int]) -> list[str]:
    """Return a hint for each name that may be misspelt.

    Args:
        pixels: Class -> number of its pixels; of two names alike, the rarer one is the misspelt one.
    """
    names, hints, hinted = list(pixels), [], set()
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            if spelt(one) == spelt(other) or alike(spelt(one), spelt(other)):
                rare, often = sorted((one, other), key=lambda name: (spelt(name) in STREET_NAMES, pixels[name]))
                hinted.add(rare)
                hints.append(
                    f"{rare!r} may be {often!r} misspelt; to make them one, give {often!r} the colours or values of "
                    f"both in the class file, or convert the data: streetseg data convert --map '{rare}={often}'"
                )
    for name in names:
        near = next((known for known in STREET_NAMES if alike(spelt(name), known)), None)
        if near is not None and name not in hinted and spelt(name) not in STREET_NAMES:
            hints.append(f"class {name!r} may be {near!r} misspelt; then correct its name in the class file")
    return hints


def spelt(name: str) -> str:
    """Return a name as `plain` has it, with umlauts in two letters."""
    return plain(unicodedata.normalize("NFC", name)).translate(UMLAUTS)


def alike(one: str, other: str) -> bool:
    """Return True if one of two plain names may be the other misspelt; False for two names that streets have."""
    if one == other or (one in STREET_NAMES and other in STREET_NAMES):
        return False
    if min(len(one), len(other)) < SHORTEST:
        return len(one) > 2 and sorted(one) == sorted(other)
    return sorted(one) == sorted(other) or difflib.SequenceMatcher(None, one, other).ratio() >= ALIKE
