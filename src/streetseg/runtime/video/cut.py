"""Prove that a video file breaks off: its last element, box, chunk, tag or packet is not whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from streetseg.runtime.video.ebml import is_cut

FRAGMENT, MEDIA = b"moof", b"mdat"
BOXES = (b"ftyp", b"styp", b"moov", b"sidx", b"mfra", b"free", b"skip", b"wide", b"emsg", b"prft", FRAGMENT, MEDIA)
UNSAID = (0, 0xFFFFFFFF)  # a size that the writer never filled in
TS_PACKETS = ((0, 188), (4, 192), (0, 204))  # place of the first sync byte, and bytes from one to the next
TAIL = 1 << 22  # bytes; a JPEG or an MPEG pack is shorter


def ends_within(path: Path, format: str) -> bool:
    """Return True if a file ends within something that says how long it is; format: FFmpeg's name of the container."""
    check = next((check for name, check in CHECKS.items() if format.startswith(name)), None)
    if check is None:
        return False
    try:
        with path.open("rb") as file:
            return check(file, os.fstat(file.fileno()).st_size)
    except OSError:
        return False


def box_is_cut(file: BinaryIO, length: int) -> bool:
    """Check MP4 and MOV: the last box, and that the last fragment has its pictures."""
    at, before, fragmented = 0, b"", False
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4]), head[4:8]
        if name not in BOXES:  # whatever follows the film
            return False
        if size == 1:
            size = int.from_bytes(head[8:16])
        if size < 8:  # up to the file's end, or nonsense
            return False
        fragmented |= name == FRAGMENT
        at, before = at + size, name
    return at > length or (fragmented and (before == FRAGMENT or at < length))


def riff_is_cut(file: BinaryIO, length: int) -> bool:
    """Check AVI: the last of its RIFF chunks, and the list of its pictures."""
    at = 0
    while at + 12 <= length:
        file.seek(at)
        head = file.read(12)
        size = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or size in UNSAID:
            return False
        at += 8 + size + size % 2
    return at > length + 1  # the last byte may only fill up


def transport_is_cut(file: BinaryIO, length: int) -> bool:
    """Check MPEG-TS: the last packet."""
    begin = file.read(3 * 204)
    for first, step in TS_PACKETS:
        if all(begin[at : at + 1] == b"G" for at in range(first, min(len(begin), 3 * step), step)):
            return length % step > 0
    return False


def pack_is_cut(file: BinaryIO, length: int) -> bool:
    """Check MPEG-PS: the last packet of the last pack."""
    file.seek(max(0, length - TAIL))
    data = file.read(TAIL)
    at = data.rfind(b"\0\0\1\xba")
    if at < 0:
        return False
    at += 14 + (data[at + 13 : at + 14] or b"\0")[0] % 8 if (data[at + 4 : at + 5] or b"\0")[0] >> 6 == 1 else 12
    while at + 6 <= len(data) and data[at : at + 3] == b"\0\0\1" and data[at + 3] > 0xB9:
        at += 6 + int.from_bytes(data[at + 4 : at + 6])
    return at > len(data)


def tag_is_cut(file: BinaryIO, length: int) -> bool:
    """Check FLV: the last tag, and the size that follows it."""
    head = file.read(9)
    at = int.from_bytes(head[5:9]) + 4
    while at + 11 <= length:
        file.seek(at)
        head = file.read(4)
        if head[0] & 0x1F not in (8, 9, 18):  # sound, picture, description
            return False
        at += 11 + int.from_bytes(head[1:4]) + 4
    return at != length


def picture_is_cut(file: BinaryIO, length: int) -> bool:
    """Check a row of JPEGs: the last one."""
    file.seek(max(0, length - TAIL))
    data = file.read(TAIL)
    begin = data.rfind(b"\xff\xd8\xff")
    return begin >= 0 and data.find(b"\xff\xd9", begin) < 0


CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "mov": box_is_cut,
    "avi": riff_is_cut,
    "matroska": is_cut,
    "mpegts": transport_is_cut,
    "mpegvideo": lambda file, length: False,
    "mpeg": pack_is_cut,
    "flv": tag_is_cut,
    "mjpeg": picture_is_cut,
}
