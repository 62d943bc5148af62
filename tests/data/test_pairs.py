"""Masks are read as they are stored; reading ahead is in order and no further than the limit."""

from __future__ import annotations

import struct
import zlib
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from streetseg.data.mask_files import read_pixels
from streetseg.data.pairs import read_ahead


def test_little_is_read_ahead_and_all_in_order() -> None:
    begun: list[int] = []

    def read(source: int) -> int:
        begun.append(source)
        return source

    taken = read_ahead(read, range(100))
    for at in range(50):
        assert next(taken) == at
        assert len(begun) <= at + 1 + 8  # a frame of Cityscapes takes 8 MB
    assert list(taken) == list(range(50, 100))
    assert sorted(begun) == list(range(100))


def test_who_stops_taking_stops_the_reading() -> None:
    begun: list[int] = []
    taken = read_ahead(begun.append, count(), threads=1, ahead=3)
    next(taken)
    taken.close()
    assert len(begun) <= 4


@pytest.mark.parametrize("content", [b"P5 4 1 255\n\0\1\2\3", b"P2 4 1 255\n0 1 2 3\n"], ids=["binary", "plain"])
def test_a_pgm_of_255_is_what_is_stored(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mask.pgm").write_bytes(content)
    np.testing.assert_array_equal(read_pixels(tmp_path / "mask.pgm"), [[0, 1, 2, 3]])


@pytest.mark.parametrize("bits", [2, 4])
def test_small_grey_values_of_a_tiff_are_what_is_stored(bits: int, tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.uint8)
    packed = np.packbits(np.unpackbits(values[:, None], axis=1)[:, 8 - bits :]).tobytes().ljust(4, b"\0")
    entries = {256: 4, 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: bits // 2}
    tags = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, at) for tag, at in entries.items())
    header = struct.pack("<2sHI", b"II", 42, 12) + packed + struct.pack("<H", len(entries))
    (tmp_path / "mask.tif").write_bytes(header + tags + bytes(4))
    np.testing.assert_array_equal(read_pixels(tmp_path / "mask.tif"), values[None])


def test_a_mask_with_a_long_comment_and_one_that_lacks_rows(tmp_path: Path) -> None:
    labels = np.eye(24, 32, dtype=np.uint8)
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "x" * 1_200_000, zip=True)
    Image.fromarray(labels).save(tmp_path / "a.png", pnginfo=note)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), labels)

    Image.fromarray(labels).save(tmp_path / "b.png")
    data = (tmp_path / "b.png").read_bytes()
    place = data.index(b"IDAT") - 4
    rows = zlib.decompress(data[place + 8 : place + 8 + int.from_bytes(data[place : place + 4])])
    short = [(b"IDAT", zlib.compress(rows[:-50])), (b"IEND", b"")]
    chunks = [len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in short]
    (tmp_path / "b.png").write_bytes(data[:place] + b"".join(chunks))
    with pytest.raises(ValueError, match="50 bytes of its pixels are missing"):
        read_pixels(tmp_path / "b.png")


def test_a_mask_of_a_format_that_frames_do_not_have_is_not_opened(tmp_path: Path) -> None:
    """Pillow would start Ghostscript for an EPS."""
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n")
    with pytest.raises(UnidentifiedImageError):
        read_pixels(tmp_path / "a.png")
