"""Likely causes of labels that cannot be used: one line for what many masks have in common."""

from __future__ import annotations

from collections.abc import Iterable

from streetseg.data.cityscapes_classes import LABELS as CITYSCAPES
from streetseg.data.doubts import RAW_SAMPLE, label_or_none, spread
from streetseg.data.findings import Finding
from streetseg.data.mask_contents import Contents, contents_of, describe_colours, describe_values, value_ranges
from streetseg.data.pairs import IGNORE, Dataset, Pair


def sizes_cause(dataset: Dataset, failing: Iterable[tuple[Pair, tuple[int, int] | None]]) -> list[Finding]:
    """Return a warning if all masks of another size differ from their images in one way.

    Args:
        dataset: The dataset.
        failing: Pairs whose masks have another size, and height and width of their frames.
    """
    ways: set[tuple[float, float] | None] = set()
    for pair, size in list(failing)[:RAW_SAMPLE]:
        label = label_or_none(dataset, pair)
        if label is None or size is None:
            continue
        height, width = label.shape
        turned = size == (width, height)
        ways.add(None if turned else (round(height / size[0], 3), round(width / size[1], 3)))
    if len(ways) != 1:
        return []
    (way,) = ways
    if way is None:
        what = "masks lie on their side beside their images; turn them, or save the images without EXIF's orientation"
    else:
        down, across = way
        what = f"masks have {down:g} of their images' height and {across:g} of their width; export them in one size"
    return [Finding("warning", f"likely cause: {what}")]


def likely_causes(dataset: Dataset, failing: Iterable[Pair]) -> list[Finding]:
    """Return a warning with the likely cause if labels hold what is no class.

    Args:
        dataset: The dataset.
        failing: Pairs whose labels cannot be decoded.
    """
    stored, names = contents_of(dataset, spread(tuple(failing), RAW_SAMPLE)), dataset.labels.names
    where = str(dataset.class_file or "the class file")
    values = stored.only_values
    if names == CITYSCAPES.names and not stored.colours and values <= {*range(34), IGNORE}:
        cause = (
            f"the masks are read as train ids but hold label ids (values {value_ranges(values)}); call the files "
            "*_labelIds.png"
        )
    else:
        cause = colours_cause(stored, where) if stored.colours else values_cause(values, names, where)
    return [Finding("warning", f"likely cause: {cause}")] if cause else []


def colours_cause(stored: Contents, where: str) -> str:
    """Return why colours are no classes; "" if it is not plain."""
    if len(stored.colours) > 1000:
        return (
            f"the masks hold {len(stored.colours)} colours, as smoothed borders, resizing or lossy compression make "
            "them; save them without smoothing, or let streetseg data init --nearest write the classes"
        )
    if all(red == green == blue for red, green, blue in stored.colours):
        grey = {red: count for (red, _, _), count in stored.colours.items()}
        return f"the masks hold grey values in three channels: {describe_values(grey)}; save them with one channel"
    return f"the masks hold {describe_colours(stored.colours)}; give the classes in {where} these colours"


def values_cause(values: frozenset[int], names: tuple[str, ...], where: str) -> str:
    """Return why values of one channel are no classes; "" if it is not plain."""
    rest, number = sorted(values - {IGNORE}), len(names)
    if not rest:
        return ""
    if len(rest) > max(64, 2 * number) and rest[-1] > 200:
        return (
            f"the masks hold {len(rest)} values, as photographs, smoothed borders or lossy compression make them; "
            "save masks as PNG without smoothing"
        )
    if rest[0] == 1 and rest[-1] == number:
        return f"the masks count from 1 to {number}; give the classes in {where} index: 1, index: 2 and so on"
    if rest[0] == 0 and rest[-1] == number:
        return (
            f"the masks hold {number + 1} values for {number} classes; if 0 is background, put "
            f"- {{name: background, ignore: true}} first in {where}"
        )
    step = rest[1] - rest[0] if len(rest) > 1 else 0
    if step > 1 and rest[0] == 0 and all(value % step == 0 for value in rest):
        return f"the values are multiples of {step}; give the classes in {where} index: 0, index: {step} and so on"
    return f"the masks hold {value_ranges(rest)}; give the classes in {where} their index"
