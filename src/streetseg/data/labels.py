"""Make a label space without a dataset's folder: from a dataset's name, a list of names, or a count."""

from __future__ import annotations

from pathlib import Path

from streetseg.data.datasets import DATASETS
from streetseg.data.pairs import IGNORE, LabelSpace, distinct_colours
from streetseg.errors import UsageError
from streetseg.runtime.documents import read_text


def label_space(given: str) -> LabelSpace:
    """Return the classes that a text describes.

    Args:
        given: A dataset's name, a count, names separated by commas, or a text file with one name a line.

    Raises:
        UsageError: The text is none of these.
    """
    known = {name: kind.labels for name, kind in DATASETS.items() if kind.labels is not None}
    if given in known:
        return known[given]
    if given.isdecimal():
        return numbered(int(given))
    if "," in given:
        return named(given.split(","), given)
    try:
        lines = read_text(Path(given)).splitlines()
    except (OSError, ValueError):
        raise UsageError(
            f"unknown classes {given!r}; give a dataset ({', '.join(known)}), a count, names separated by "
            "commas, or a text file with one name a line"
        ) from None
    return named(lines, given)


def likely_labels(count: int) -> LabelSpace:
    """Return classes for a network that does not name them: Cityscapes' if their number fits, else numbered ones."""
    labels = DATASETS["cityscapes"].labels
    return labels if labels is not None and count == len(labels.names) else numbered(count)


def numbered(count: int) -> LabelSpace:
    """Return the classes class_0, class_1, ..."""
    return named([f"class_{index}" for index in range(min(count, IGNORE + 1))], str(count))


def named(names: list[str], given: str) -> LabelSpace:
    """Return classes with these names, without blank ones, in distinct colours."""
    names = [name.strip() for name in names if name.strip()]
    if not 1 <= len(names) <= IGNORE or len(set(names)) < len(names):
        raise UsageError(f"classes {given!r} must be 1 to {IGNORE} different names")
    return LabelSpace(tuple(names), distinct_colours(len(names)))
