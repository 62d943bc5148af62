"""Prove damage of a Matroska file: its elements must follow each other without a break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HEADER, SEGMENT, CLUSTER, BLOCK_GROUP, BLOCK, SIMPLE_BLOCK = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xA0, 0xA1, 0xA3
TRACKS, TRACK_ENTRY, TRACK_NUMBER = 0x1654AE6B, 0xAE, 0xD7
VOID, CRC = 0xEC, 0xBF
# RFC 9559: what a segment and a cluster hold.
IN_SEGMENT = {0x114D9B74, 0x1549A966, TRACKS, CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, VOID, CRC}
IN_CLUSTER = {0xE7, SIMPLE_BLOCK, BLOCK_GROUP, 0xA7, 0xAB, 0x5854, 0xAF, VOID, CRC}


class BrokenError(Exception):
    """An element that does not fit."""


class CutError(BrokenError):
    """The file ends within an element."""


def is_cut(file: BinaryIO, length: int) -> bool:
    """Return True if an open Matroska or WebM file ends within an element."""
    try:
        walk_file(file, length)
    except CutError:
        return True
    except BrokenError:
        return False
    return False


def is_broken(path: Path) -> bool:
    """Return True if a Matroska or WebM file breaks off, or an element in it does not fit.

    What follows the last whole segment is not looked at.
    """
    try:
        with path.open("rb") as file:
            length = path.stat().st_size
            walk_file(file, length)
    except (BrokenError, OSError):
        return True
    return False


def walk_file(file: BinaryIO, length: int) -> None:
    """Walk the elements of the first segment."""
    end = length
    tracks: set[int] = set()
    at = 0
    while at < length:
        file.seek(at)
        name, size = read_head(file)
        body = file.tell()
        if name == SEGMENT:
            end = length if size is None else body + size
            break
        if size is None or name not in (HEADER, VOID, CRC):
            raise BrokenError
        at = body + size
    else:
        raise BrokenError
    if end > length:
        raise CutError
    at = body
    while at < end:
        file.seek(at)
        name, size = read_head(file)
        body = file.tell()
        if name not in IN_SEGMENT or (size is None and name != CLUSTER):
            raise BrokenError
        at = end if size is None else body + size
        if at > end:
            raise CutError if at > length else BrokenError
        if name == TRACKS:
            tracks = track_numbers(file.read(at - body))
        if name == CLUSTER:
            at = walk_cluster(file, at, tracks, length, open_end=size is None)


def walk_cluster(file: BinaryIO, end: int, tracks: set[int], length: int, *, open_end: bool) -> int:
    """Walk a cluster's elements; return where the next element of the segment begins."""
    at = file.tell()
    while at < end:
        file.seek(at)
        name, size = read_head(file)
        body = file.tell()
        if open_end and name in IN_SEGMENT - IN_CLUSTER:
            return at
        if name not in IN_CLUSTER or size is None or body + size > end:
            raise CutError if size is not None and body + size > length else BrokenError
        if name == BLOCK_GROUP:
            check_group(file, body + size, tracks)
        elif name == SIMPLE_BLOCK and read_number(file)[0] not in tracks:
            raise BrokenError
        at = body + size
    return end


def elements(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield name, place and size of each element's body, at which the file stands; BrokenError for one beyond `end`."""
    while at < end:
        file.seek(at)
        name, size = read_head(file)
        body = file.tell()
        if size is None or body + size > end:
            raise BrokenError
        yield name, body, size
        at = body + size


def check_group(file: BinaryIO, end: int, tracks: set[int]) -> None:
    """Check the elements of a group of blocks."""
    blocks = 0
    for name, _, _ in elements(file, file.tell(), end):
        if name == BLOCK:
            blocks += 1
            if read_number(file)[0] not in tracks:
                raise BrokenError
    if blocks != 1:
        raise BrokenError


def track_numbers(data: bytes) -> set[int]:
    """Return the numbers of the tracks in the body of a Tracks element."""
    from io import BytesIO

    file, numbers = BytesIO(data), set()
    entries = [(0, len(data))]
    while entries:
        for name, body, size in elements(file, *entries.pop()):
            if name == TRACK_ENTRY:
                entries.append((body, body + size))
            elif name == TRACK_NUMBER:
                numbers.add(int.from_bytes(file.read(size)))
    return numbers


def read_head(file: BinaryIO) -> tuple[int, int | None]:
    """Return an element's identifier and its size; None for a size that the file does not say."""
    first = file.read(1)
    if not first or not first[0] >> 4:
        raise BrokenError if first else CutError
    more = 8 - first[0].bit_length()
    name = int.from_bytes(first + file.read(more))
    size, unknown = read_number(file)
    return name, None if unknown else size


def read_number(file: BinaryIO) -> tuple[int, bool]:
    """Return a number of variable length, and if all its bits are set."""
    first = file.read(1)
    if not first or not first[0]:
        raise BrokenError if first else CutError
    more = 8 - first[0].bit_length()
    rest = file.read(more)
    if len(rest) < more:
        raise CutError
    ones = (1 << (7 * (more + 1))) - 1
    value = int.from_bytes(first + rest) & ones
    return value, value == ones
