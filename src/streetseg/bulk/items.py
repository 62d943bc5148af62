"""What is to be done: files, the items of work in them, and the units in which work is recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """A file that a source lists.

    Attributes:
        source: The path or the address.
        name: Place of its results below the output, without an ending; unique in the run.
        film: True for a video, False for an image.
    """

    source: str
    name: str
    film: bool = False


@dataclass(frozen=True)
class Segment:
    """A part of a film, from a key frame on.

    Attributes:
        seek: Timestamp to seek for, in units of the stream's time base; None: the film's beginning.
        start: Timestamp of the first frame.
        end: Timestamp of the first frame behind it; None: the film's end.
        origin: Timestamp of the film's first frame.
    """

    seek: int | None
    start: int
    end: int | None
    origin: int


@dataclass(frozen=True)
class Item:
    """An image, a film or a segment of one: what is tried again on its own if a worker dies of it.

    Attributes:
        source: The path or the address.
        name: Place of its results below the output, without an ending.
        film: True for a film or a segment of one.
        segment: The segment; None: the whole film.
        number: Number of the item in the listing; decides which images get an overlay.
    """

    source: str
    name: str
    film: bool = False
    segment: Segment | None = None
    number: int = 0


@dataclass(frozen=True)
class Unit:
    """Items that are recorded together.

    Attributes:
        items: The items.
        key: 32 hexadecimal digits from what the items are, whatever their place in the listing.
    """

    items: tuple[Item, ...]
    key: str


def cut(items: Iterable[Item], size: int) -> Iterator[Unit]:
    """Yield units of at most `size` items.

    A unit ends where an item's name says so, on average at half the size. So a file that is added or removed changes
    the units around it, and no others.
    """
    unit: list[Item] = []
    for number, item in enumerate(items):
        unit.append(dataclasses.replace(item, number=number))
        if len(unit) >= size or zlib.crc32(as_bytes(f"{item.name}|{item.segment}")) % max(1, size // 2) == 0:
            yield as_unit(unit)
            unit = []
    if unit:
        yield as_unit(unit)


def as_unit(items: list[Item]) -> Unit:
    """Return the unit of some items."""
    facts = [[one.source, one.name, one.film, one.segment and dataclasses.astuple(one.segment)] for one in items]
    return Unit(tuple(items), hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest())


def as_bytes(text: str) -> bytes:
    """Return a name as bytes, also one that is not valid text."""
    return text.encode("utf-8", "surrogatepass")
