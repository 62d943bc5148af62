"""Match the classes of labels with the classes of weights, by name.

The rules, the first that fits:

1. What the user says: `--map person=pedestrian`; `--map person=` leaves a class out.
2. The same name.
3. The same name in another spelling: case, composed or decomposed letters, spaces, hyphens and underscores are equal.
4. A synonym (`SYNONYMS`), unless another class of the labels has the name itself: labels with tree and vegetation mean
   two things.

A name that could stand for two classes of the weights stands for none of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from streetseg.errors import UsageError

# Names of one thing in published road datasets. Left out on purpose, because one is part of the other or they overlap:
# rider and cyclist (riders of motorcycles), bicycle and cyclist (a thing and a person), bike (of either kind), vehicle
# and car, sign and traffic light, vegetation and terrain, street and road, motorcycle and motorcyclist. Labels without
# a class for riders may count them as persons; in road scenes these are few pixels.
SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("road", "roads", "roadway", "carriageway"),
    ("sidewalk", "sidewalks", "pavement", "footpath", "footway"),
    ("lane marking", "lane markings"),
    ("building", "buildings"),
    ("wall", "walls"),
    ("fence", "fences"),
    ("pole", "poles", "column pole"),
    ("traffic sign", "traffic signs", "sign", "signs", "sign symbol", "road sign", "road signs"),
    ("traffic light", "traffic lights", "traffic signal", "traffic signals"),
    ("vegetation", "tree", "trees"),
    ("pedestrian", "pedestrians", "person", "persons", "people"),
    ("cyclist", "cyclists", "bicyclist", "bicyclists"),
    ("car", "cars", "automobile", "automobiles"),
    ("truck", "trucks", "lorry", "lorries"),
    ("bus", "buses"),
    ("motorcycle", "motorcycles", "motorbike", "motorbikes"),
    ("bicycle", "bicycles"),
)
# Names that are synonyms only beside another class: without a road, "pavement" may be the road.
ONLY_BESIDE: dict[str, tuple[str, ...]] = {"pavement": ("road", "roads", "roadway", "carriageway")}
SHOWN = 12  # names in an error, at most

Rule = Literal["map", "name", "spelling", "synonym"]
RULES: dict[Rule, str] = {"map": "by --map", "spelling": "spelt differently", "synonym": "synonyms"}


@dataclass(frozen=True)
class Match:
    """A class of the labels, the class of the weights that it counts as, and the rule that says so."""

    label: str
    known: str
    by: Rule


@dataclass(frozen=True)
class ClassMatching:
    """Which class of the weights each class of the labels counts as.

    Attributes:
        labels: Classes of the labels, in the order of their indices.
        known: Classes of the weights, in the order of their indices.
        matches: One for each class of the labels that the weights know, in the order of `labels`.
    """

    labels: tuple[str, ...]
    known: tuple[str, ...]
    matches: tuple[Match, ...]

    def indices(self) -> list[int | None]:
        """Return the index of the weights' class for each class of the labels; None where they do not know it."""
        place = {match.label: self.known.index(match.known) for match in self.matches}
        return [place.get(name) for name in self.labels]

    @property
    def left_out(self) -> tuple[str, ...]:
        """The classes of the labels that the weights do not know."""
        matched = {match.label for match in self.matches}
        return tuple(name for name in self.labels if name not in matched)

    @property
    def unused(self) -> tuple[str, ...]:
        """The classes of the weights that the labels do not know."""
        used = {match.known for match in self.matches}
        return tuple(name for name in self.known if name not in used)


def match_classes(
    labels: Sequence[str], known: Sequence[str], mapping: Mapping[str, str] | None = None
) -> ClassMatching:
    """Match the classes of labels with those of weights.

    Args:
        labels: Classes of the labels.
        known: Classes of the weights.
        mapping: Class of the labels -> class of the weights, in any spelling; "" leaves the class out. Several may go
            to one.

    Returns:
        The matching.

    Raises:
        UsageError: `mapping` names a class that does not exist.
    """
    given = resolved(mapping or {}, labels, known)
    matches = {label: Match(label, name, "map") for label, name in given.items() if name}
    spellings = unambiguous((spelling(name), name) for name in known)
    for label in labels:
        if label in known and label not in given:
            matches[label] = Match(label, label, "name")
        elif spelling(label) in spellings and label not in given:
            matches[label] = Match(label, spellings[spelling(label)], "spelling")
    taken = {match.known for match in matches.values() if match.by != "map"}
    groups = unambiguous((synonym_group(name, known), name) for name in known)
    for label in labels:
        name = groups.get(synonym_group(label, labels))
        if name is not None and name not in taken and label not in matches and label not in given:
            matches[label] = Match(label, name, "synonym")
    ordered = tuple(matches[label] for label in labels if label in matches)
    return ClassMatching(tuple(labels), tuple(known), ordered)


def described(matches: Iterable[Match]) -> str:
    """Return the matches of different names in words, as in "tree = vegetation (synonyms)"; "" if there are none."""
    by_rule = {rule: [one for one in matches if one.by == rule] for rule in RULES}
    return "; ".join(
        f"{', '.join(f'{one.label} = {one.known}' for one in found)} ({RULES[rule]})"
        for rule, found in by_rule.items()
        if found
    )


def spelling(name: str) -> str:
    """Return what all spellings of a name share; the name itself if that is nothing."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\s_\u2010-\u2015-]+", "", folded) or name


GROUPS = {spelling(name): group for group in SYNONYMS for name in group}
NEEDED = {spelling(name): {*map(spelling, others)} for name, others in ONLY_BESIDE.items()}


def synonym_group(name: str, names: Iterable[str]) -> str:
    """Return the first name of the synonyms that a name belongs to among these names; "" if to none."""
    spelt = spelling(name)
    needed = NEEDED.get(spelt)
    if spelt not in GROUPS or (needed and not needed & {*map(spelling, names)}):
        return ""
    return GROUPS[spelt][0]


def unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return key -> name for the keys that stand for one name; "" is no key."""
    names: dict[str, list[str]] = {}
    for key, name in pairs:
        names.setdefault(key, []).append(name)
    return {key: found[0] for key, found in names.items() if key and len(found) == 1}


def resolved(mapping: Mapping[str, str], labels: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return the mapping in the spelling of the classes; UsageError for one that does not exist."""
    given: dict[str, str] = {}
    for label, name in mapping.items():
        own = named_class(label, labels, "the labels", f"{label}={name}", known)
        target = named_class(name, known, "the weights", f"{label}={name}", labels) if name else ""
        if given.setdefault(own, target) != target:
            raise UsageError(f"--map gives {own!r} two classes, {given[own]!r} and {target!r}; give one")
    return given


def named_class(name: str, names: Sequence[str], owner: str, entry: str, others: Sequence[str]) -> str:
    """Return the class that a name stands for; UsageError if there is none or several.

    Args:
        name: The name, in any spelling.
        names: The classes.
        owner: Whose they are, for the error.
        entry: The whole entry of --map, for the error.
        others: The classes of the other side.
    """
    if name in names:
        return name
    found = [one for one in names if spelling(one) == spelling(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"--map {entry}: {name!r} could be {' or '.join(map(repr, found))} of {owner}; spell it so")
    swapped = any(spelling(one) == spelling(name) for one in others)
    spellings = {spelling(one): one for one in names}
    near = get_close_matches(spelling(name), spellings, 1)
    if swapped:
        advice = "write the class of the labels first: LABEL=WEIGHTS"
    elif near:
        advice = f"did you mean {spellings[near[0]]!r}?"
    else:
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        advice = f"there are {shown}"
    raise UsageError(f"--map {entry}: {owner} have no class {name!r}; {advice}")
