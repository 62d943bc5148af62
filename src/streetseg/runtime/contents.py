"""Tell films from pictures by their content: a name may have any suffix, or none."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

HEAD = 512  # bytes of a file's beginning that show what it is
MAX_JPEG = 64 * 2**20  # bytes in which the first JPEG of a row must end

# Where a picture's file begins so, it is a picture. ISO files (HEIC, AVIF, MP4) begin alike and name their kind.
PICTURES = (
    b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"II*\0", b"MM\0*",
    b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ",
)  # fmt: skip
PICTURE_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis")

# Beginnings of films, so that a film is known without PyAV.
FILMS = (
    b"\x1aE\xdf\xa3", b"FLV", b"0&\xb2u", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"\x06\x0e+4", b"DKIF", b"YUV4MPEG2",
    b"nut/multimedia", b"DHAV", b"\x1f\x07\0", b"\0\0\0\1\x67", b"\0\0\0\1\x09", b"\0\0\0\1\x40", b"\0\0\1\x67",
)  # fmt: skip
MOVIE_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
PACKET_SIZES = (188, 192, 204)  # of an MPEG transport stream; each packet has a sync byte


def holds_film(path: Path) -> bool | None:
    """Return True if a file holds a film, False if it holds a picture, None if its beginning does not say.

    A row of JPEGs is a film (MJPEG). A JPEG with others behind it by the rules of MPO is a picture.

    Args:
        path: A regular file that can be read.

    Returns:
        The answer. It is None also for an empty file.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        if head.startswith(b"\xff\xd8\xff"):
            file.seek(0)
            return is_row_of_jpegs(file)
    if head[:4] == b"RIFF":
        return {b"WEBP": False, b"AVI ": True, b"AVIX": True}.get(head[8:12])
    if head[4:8] in MOVIE_ATOMS:
        return head[4:8] != b"ftyp" or head[8:12] not in PICTURE_BRANDS
    if head.startswith(PICTURES):
        return False
    if head.startswith(FILMS) or any(is_transport_stream(head, size) for size in PACKET_SIZES):
        return True
    return None


def is_transport_stream(head: bytes, size: int) -> bool:
    """Return True if packets of this size begin with a transport stream's sync byte."""
    first = size - 188 if size == 192 else 0  # four bytes of time come first
    return head[first : first + 1] == b"G" == head[first + size : first + size + 1]


def is_row_of_jpegs(file: BinaryIO) -> bool:
    """Return True if a second JPEG of the same size follows the first, as in MJPEG."""
    data = file.read(MAX_JPEG)
    first = jpeg_size_and_end(data, 0)
    if first is None:
        return False
    size, end = first
    while data[end : end + 1] in (b"\0", b"\xff") and data[end : end + 2] != b"\xff\xd8":  # padding
        end += 1
    second = jpeg_size_and_end(data, end)
    return second is not None and second[0] == size


def jpeg_size_and_end(data: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the size field and the end of the JPEG that begins at `at`; None if there is none, or it is of an MPO."""
    if data[at : at + 3] != b"\xff\xd8\xff":
        return None
    size, at = b"", at + 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if marker == 0xD9:
            return size, at + 2
        length = int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xE2 and data[at + 4 : at + 8] == b"MPF\0":
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = data[at + 5 : at + 9]
        at += 2 + length
        if marker == 0xDA:  # then the pixels, in which FF is followed by 0 or a restart marker
            while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
                if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
                    break
                at += 2
            else:
                return None
    return (size, at + 2) if data[at : at + 2] == b"\xff\xd9" else None
