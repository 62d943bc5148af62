"""What masks hold before any class is known: values of one channel, or colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from streetseg.data.pairs import Dataset, Pair, ranges, read_ahead
from streetseg.runtime.overlay import Colour, percent

NAMED = 8  # colours or values in a message, at most


@dataclass
class Contents:
    """The content of some masks.

    Attributes:
        masks: Number of masks.
        values: Pixel value -> number of pixels, in masks with one channel.
        colours: Colour -> number of pixels, in masks with three channels.
    """

    masks: int = 0
    values: Counter[int] = field(default_factory=Counter)
    colours: Counter[Colour] = field(default_factory=Counter)

    def add(self, pixels: np.ndarray) -> None:
        """Count the pixels of a mask, H x W or H x W x channels of whole numbers."""
        self.masks += 1
        if pixels.ndim == 2:
            values, counts = np.unique(pixels, return_counts=True)
            self.values.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        elif pixels.ndim == 3 and pixels.shape[2] >= 3:
            self.colours.update(count_colours(pixels))

    @property
    def greys(self) -> Counter[int]:
        """Value -> number of pixels, grey colours of three channels among them; nothing if there are other colours."""
        if any(len(set(colour)) > 1 for colour in self.colours):
            return Counter()
        return self.values + Counter({grey: count for (grey, _, _), count in self.colours.items()})

    @property
    def only_values(self) -> frozenset[int]:
        """The values of `greys`."""
        return frozenset(self.greys)


def count_colours(pixels: np.ndarray) -> Counter[Colour]:
    """Return the number of pixels of each colour, H x W x 3 or 4 uint8."""
    rgb = pixels[..., :3].astype(np.uint32)
    packed, counts = np.unique((rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2], return_counts=True)
    return Counter({(c >> 16, c >> 8 & 255, c & 255): n for c, n in zip(packed.tolist(), counts.tolist(), strict=True)})


def contents_of(dataset: Dataset, pairs: Iterable[Pair]) -> Contents:
    """Return what the labels of some pairs hold before decoding; labels that cannot be read are left out."""
    contents = Contents()
    for pixels in read_ahead(lambda pair: stored(dataset, pair), pairs):
        if pixels is not None:
            contents.add(pixels)
    return contents


def stored(dataset: Dataset, pair: Pair) -> np.ndarray | None:
    """Return the stored pixels of a pair's label; None if there are none, or they cannot be read."""
    if pair.label is None:
        return None
    try:
        return dataset.load(pair)
    except Exception:  # damaged files make decoders raise any kind of error; the check tells it elsewhere
        return None


def describe_colours(colours: Mapping[Colour, int]) -> str:
    """Return the most frequent colours with their shares as text: "[70, 130, 180] (41.7%), ..."."""
    return described({str(list(colour)): count for colour, count in colours.items()}, "colours")


def describe_values(values: Mapping[int, int]) -> str:
    """Return the most frequent values with their shares as text: "0 (41.7%), 255 (58.3%)"."""
    return described({str(value): count for value, count in values.items()}, "values")


def described(counts: Mapping[str, int], noun: str) -> str:
    """Return the most frequent keys with their shares."""
    total = max(1, sum(counts.values()))
    largest = sorted(counts.items(), key=lambda item: -item[1])
    named = ", ".join(f"{key} ({percent(count / total)})" for key, count in largest[:NAMED])
    rest = len(largest) - NAMED
    return named + (f" and {rest} more {noun}" if rest > 0 else "")


def value_ranges(values: Iterable[int]) -> str:
    """Return values as text: "0 to 10, 255"."""
    return ranges(sorted(values))
