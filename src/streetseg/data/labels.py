"""Classes apart from a folder of data: by a dataset's name, from one's own list, or of a mere count."""

from __future__ import annotations

from pathlib import Path

from streetseg.data.datasets import DATASETS
from streetseg.data.pairs import IGNORE, LabelSpace, distinct_colours
from streetseg.errors import UsageError


def label_space(given: str) -> LabelSpace:
    """The classes that a text means: a dataset's name, a count, names with commas between, or a text file with a name a
    line. UsageError where it means none."""
    known = {name: kind.labels for name, kind in DATASETS.items() if kind.labels is not None}
    if given in known:
        return known[given]
    if given.isdecimal():
        return numbered(int(given))
    if "," in given:
        return named(given.split(","), given)
    try:
        lines = Path(given).read_text("utf-8-sig").splitlines()
    except (OSError, ValueError):
        raise UsageError(
            f"classes {given!r} are no dataset ({', '.join(known)}), no count, no names with commas between, and no "
            "text file with a name a line"
        ) from None
    return named(lines, given)


def likely_labels(count: int) -> LabelSpace:
    """The classes of a network that does not name them: Cityscapes' where there are as many, numbered ones else."""
    labels = DATASETS["cityscapes"].labels
    return labels if labels is not None and count == len(labels.names) else numbered(count)


def numbered(count: int) -> LabelSpace:
    """class_0, class_1, ..."""
    return named([f"class_{index}" for index in range(min(count, IGNORE + 1))], str(count))


def named(names: list[str], given: str) -> LabelSpace:
    """Classes of those names, blank ones left out, in colours that can be told apart."""
    names = [name.strip() for name in names if name.strip()]
    if not 1 <= len(names) <= IGNORE or len(set(names)) < len(names):
        raise UsageError(f"classes {given!r} are to be 1 to {IGNORE} different names")
    return LabelSpace(tuple(names), distinct_colours(len(names)))
