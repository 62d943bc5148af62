"""Classes that a folder defines itself, and how its masks code them.

A mask with one channel (grey or palette) holds class indices. A mask with three channels holds the classes' colours. If
no class has an index of its own, a palette that has only the classes' colours is read by them, in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streetseg.data.folder_names import composed
from streetseg.data.mask_files import open_mask, read_pixels
from streetseg.data.pairs import IGNORE, LabelSpace, coloured_labels, distinct_colours, indexed_labels
from streetseg.errors import DatasetError

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class OwnClass:
    """A class that a folder defines.

    Attributes:
        name: Its name.
        indices: Its values in masks with one channel, at least one.
        colours: Its colours in masks with three channels. The first one is drawn.
        ignore: True if its pixels do not count.
        placed: True if the file gives no index; then `indices` is its place in the file.
        others: True if it also has every value and every colour that no class has.
    """

    name: str
    indices: tuple[int, ...]
    colours: tuple[Colour, ...] = ()
    ignore: bool = False
    placed: bool = False
    others: bool = False

    @property
    def colour(self) -> Colour | None:
        """Return the colour that is drawn; None if it has none."""
        return self.colours[0] if self.colours else None


@dataclass(frozen=True)
class OwnClasses:
    """The classes of a folder.

    Attributes:
        entries: The classes, those that do not count too.
        path: The file that defines them; None: the dataset's publisher does.
        nearest: True if a colour of no class takes the class of the nearest colour.
        note: Decisions that the file leaves open; may be empty.
        ours: True if the file is a classes.yaml, which its user wrote for this package.
    """

    entries: tuple[OwnClass, ...]
    path: Path | None = None
    nearest: bool = False
    note: str = ""
    ours: bool = False

    @property
    def counted(self) -> list[OwnClass]:
        """Return the classes that count."""
        return [entry for entry in self.entries if not entry.ignore]


def published(
    values: dict[int, int], labels: LabelSpace, void_colours: tuple[Colour, ...] = (), note: str = ""
) -> OwnClasses:
    """Return a publisher's classes: pixel value -> class index or IGNORE, and their names and colours."""
    entries = [
        OwnClass(name, tuple(value for value, index in values.items() if index == i), (labels.colours[i],))
        for i, name in enumerate(labels.names)
    ]
    void = tuple(value for value, index in values.items() if index == IGNORE)
    return OwnClasses((*entries, OwnClass("void", void or (IGNORE,), void_colours, ignore=True)), note=note)


def plain(name: str) -> str:
    """Return a class's name without case, spaces, hyphens and underscores, to compare names."""
    return re.sub(r"[\W_]+", "", composed(name)).casefold()


def label_space_of(classes: OwnClasses) -> LabelSpace:
    """Return the classes that count; each without a colour gets a free one. DatasetError for a wrong number of them."""
    counted = classes.counted
    if not 2 <= len(counted) <= IGNORE:
        raise DatasetError(f"{classes.path} has {len(counted)} classes that count; give 2 to {IGNORE}")
    given = {entry.colour for entry in counted}
    free = (colour for colour in distinct_colours(len(counted) + len(given)) if colour not in given)
    return LabelSpace(tuple(entry.name for entry in counted), tuple(entry.colour or next(free) for entry in counted))


def distinct(path: Path, classes: Iterable[OwnClass]) -> tuple[OwnClass, ...]:
    """Return the classes of a file; DatasetError if two of them share a name, an index or a colour."""
    classes = tuple(classes)
    for field in ("name", "index", "colour"):
        seen = set()
        for entry in classes:
            values = {"name": (entry.name,), "index": entry.indices, "colour": entry.colours}[field]
            for value in values:
                if value in seen:
                    raise DatasetError(f"{path} gives {field} {value!r} to two classes; each needs its own")
                seen.add(value)
    if sum(entry.others for entry in classes) > 1:
        raise DatasetError(f"{path} gives others: true to two classes; only one can have the rest")
    return classes


def mask_reader(classes: OwnClasses) -> Callable[[Path], np.ndarray]:
    """Return a function that reads a mask for `decoder`; it maps palettes of the classes' colours to their indices."""
    values: dict[tuple[int, ...], int] = {
        colour: entry.indices[0] for entry in classes.entries for colour in entry.colours
    }
    if not (values and all(entry.placed for entry in classes.entries)):
        return read_pixels

    def read(path: Path) -> np.ndarray:
        with open_mask(path) as image:
            if image.mode != "P":
                return read_pixels(path)
            pixels, palette = np.asarray(image), image.getpalette() or []
        table = np.arange(256, dtype=np.uint8)
        for used in np.unique(pixels[pixels != IGNORE]).tolist():
            value = values.get(tuple(palette[3 * used : 3 * used + 3]))
            if value is None:
                return pixels
            table[used] = value
        meant: np.ndarray = table[pixels]
        return meant

    return read


def decoder(classes: OwnClasses) -> Callable[[np.ndarray], np.ndarray]:
    """Return a decoder for masks of either kind."""
    number = iter(range(len(classes.entries)))
    ours = [(entry, IGNORE if entry.ignore else next(number)) for entry in classes.entries]
    rest = next((index for entry, index in ours if entry.others), None)
    meaning = {IGNORE: IGNORE} | {value: index for entry, index in ours for value in entry.indices}
    by_index = indexed_labels(meaning, rest)
    colours = {colour: index for entry, index in ours for colour in entry.colours}
    by_colour = coloured_labels(colours, rest, classes.nearest) if colours else None

    def decode(pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim == 2:
            return by_index(pixels)
        if by_colour is not None and pixels.shape[2] > 2:
            return by_colour(pixels)
        grey = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., :1]  # without alpha
        if (grey == grey[..., :1]).all():
            return by_index(pixels[..., 0])
        raise ValueError(
            "expected one channel of class indices, because the classes have no colours, "
            f"got shape {pixels.shape}; save the mask with one channel, or give the classes colours"
        )

    return decode
