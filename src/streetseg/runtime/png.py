"""Walk through a PNG's chunks: keep those that matter for the pixels, and tell damage from harmless faults."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xae\x42\x60\x82"  # the end chunk, whole
# Ancillary chunks that count: transparency, orientation, significant bits. Comments, profiles and animations do not.
COUNT = (b"tRNS", b"eXIf", b"sBIT")
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# Interlaced passes: first column, first row, steps along both.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class PNG:
    """A PNG without what does not matter for its pixels.

    Attributes:
        data: The file, with critical chunks and `COUNT` alone.
        header: Content of the IHDR chunk.
        compressed: The compressed pixels.
        significant_bits: The largest number of an sBIT chunk; None if there is none.
        remarks: What was tolerated, a phrase each.
    """

    data: bytes
    header: bytes
    compressed: bytes
    significant_bits: int | None
    remarks: tuple[str, ...]


def sound_png(data: bytes) -> PNG:
    """Return a PNG that decoders with limits on comments and profiles take.

    A wrong checksum of an ancillary chunk is tolerated: the chunk is left out. A file that ends behind its pixels
    without the end chunk is, too.

    Args:
        data: The whole file.

    Returns:
        The PNG.

    Raises:
        ValueError: A chunk that holds pixels or their meaning is damaged or missing.
    """
    kept = [SIGNATURE]
    remarks = []
    bits = None
    ended = False
    header, pixels = b"", []
    for kind, body, whole in chunks(data):
        ancillary = bool(kind[0] & 0x20)
        if whole is None:
            if not ancillary:
                raise ValueError(f"its {kind.decode('ascii', 'replace')} chunk is damaged or cut off")
            remarks.append(f"a damaged {kind.decode('ascii', 'replace')} chunk, which holds no pixels")
            continue
        ended = kind == b"IEND"
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            pixels.append(body)
        if kind == b"sBIT" and body:
            bits = max(body)
        if not ancillary or kind in COUNT:
            kept.append(whole)
        if ended:
            break
    if not pixels:
        raise ValueError("it has no pixels (no IDAT chunk)")
    if not ended:
        remarks.append("no end chunk (IEND)")
        kept.append(END)
    return PNG(b"".join(kept), header, b"".join(pixels), bits, tuple(dict.fromkeys(remarks)))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes | None]]:
    """Yield each chunk's kind, content and bytes; None for the bytes of one that is cut off or has a wrong checksum."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        body = data[place + 8 : place + 8 + size]
        checksum = data[place + 8 + size : place + 12 + size]
        whole = len(body) == size and len(checksum) == 4
        sound = whole and zlib.crc32(body, zlib.crc32(kind)) == int.from_bytes(checksum)
        yield kind, body, data[place : place + 12 + size] if sound else None
        place += 12 + size


def missing_bytes(png: PNG) -> int:
    """Return the number of bytes that the compressed pixels lack, 0 if all rows are there."""
    header = png.header
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    depth, colour, interlaced = header[8], header[9], header[12]
    bits = depth * CHANNELS[colour]
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    missing = 0
    for first_column, first_row, columns, rows in passes:
        across, down = -(-(width - first_column) // columns), -(-(height - first_row) // rows)
        if across > 0 and down > 0:
            missing += down * (1 + -(-across * bits // 8))
    stream = zlib.decompressobj()
    compressed = png.compressed
    while compressed and not stream.eof:
        missing -= len(stream.decompress(compressed, 1 << 20))
        compressed = stream.unconsumed_tail
    return max(0, missing)
