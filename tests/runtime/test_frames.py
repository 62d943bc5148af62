"""Files of every kind, sound and broken, to frames; results to files."""

from __future__ import annotations

import base64
import errno
import os
import struct
import sys
import threading
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import simplejpeg
from PIL import Image, PngImagePlugin

from streetseg.errors import ImageError, MissingExtraError, OutputError, UsageError
from streetseg.runtime import frames
from streetseg.runtime.files import write_file
from streetseg.runtime.formats import jxl_size
from streetseg.runtime.frames import (
    MAX_PIXELS,
    decode_frame,
    decode_picture,
    quiet_pillow,
    read_frame,
    resize,
    write_classmap,
    write_image,
)
from streetseg.runtime.levels import Levels

EOI = b"\xff\xd9"

# A smooth coloured picture, so that lossy formats keep it, of no special size.
PHOTO = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)).resize((61, 43)), np.uint8
)
GREY = PHOTO[..., 0]
MASK = np.where(np.arange(61) < 30, 0, 255).astype(np.uint8) * np.ones((43, 1), np.uint8)
ON_BLACK = PHOTO * (MASK[..., None] > 0)


def encoded(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> np.ndarray:
    frame = decode_frame(BytesIO(data), "photo")
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    assert frame.flags.c_contiguous
    assert frame.flags.writeable
    return frame


def assert_close(frame: np.ndarray, expected: np.ndarray, mean: float = 3.0) -> None:
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < mean


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_frame(BytesIO(data), "photo")
    message = str(caught.value)
    assert message.startswith("photo ")
    assert "\n" not in message
    return message


def as_three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def with_alpha(image: np.ndarray) -> Image.Image:
    picture = Image.fromarray(image)
    picture.putalpha(Image.fromarray(MASK))
    return picture


# Kinds of files and modes of pixels


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}), ("BMP", {}), ("PPM", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)  # fmt: skip
def test_lossless_rgb(kind: str, options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(decoded(encoded(PHOTO, kind, **options)), PHOTO)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "GIF"])
def test_grey_and_bilevel(kind: str) -> None:
    np.testing.assert_array_equal(decoded(encoded(GREY, kind)), as_three(GREY))
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(MASK).convert("1"), kind)), as_three(MASK))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_palette(kind: str) -> None:
    palette = Image.fromarray(PHOTO).quantize(16)
    np.testing.assert_array_equal(decoded(encoded(palette, kind)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize(
    ("kind", "dtype"), [("PNG", "<u2"), ("PNG", ">u2"), ("TIFF", "<u2"), ("TIFF", ">u2"), ("TIFF", "<i4")]
)
def test_16_bit_grey_is_scaled_not_clipped(kind: str, dtype: str) -> None:
    grey = np.array([[0, 255, 256, 30_000], [40_000, 65_279, 65_280, 65_535]], dtype)
    np.testing.assert_array_equal(decoded(encoded(grey, kind)), as_three((grey >> 8).astype(np.uint8)))


def test_16_bit_pgm() -> None:
    data = b"P5 2 1 65535 " + struct.pack(">2H", 0x1234, 0xFFFF)
    np.testing.assert_array_equal(decoded(data), as_three(np.array([[0x12, 0xFF]], np.uint8)))


def test_12_bit_tiff_is_scaled_by_its_own_depth() -> None:
    entries = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 3}  # two pixels in three bytes
    values = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, at) for tag, at in entries.items())
    data = struct.pack("<2sHI", b"II", 42, 12) + b"\x12\x3f\xff\0" + struct.pack("<H", len(entries)) + values + bytes(4)
    np.testing.assert_array_equal(decoded(data), as_three(np.array([[0x12, 0xFF]], np.uint8)))


def test_a_16_bit_tiff_whose_white_is_0() -> None:
    grey = np.array([[0, 0x1234], [0xFF00, 0xFFFF]], np.uint16)
    data = encoded(0xFFFF - grey, "TIFF", tiffinfo={262: 0})
    np.testing.assert_array_equal(decoded(data), as_three((grey >> 8).astype(np.uint8)))


def test_pixels_of_unknown_range_are_refused() -> None:
    assert "floating-point" in refusal(encoded(GREY.astype(np.float32), "TIFF"))
    assert "0 to 65535" in refusal(encoded(np.array([[-1, 5]], np.int32), "TIFF"))
    assert "0 to 65535" in refusal(encoded(np.array([[65_536, 5]], np.int32), "TIFF"))


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_faxes_are_refused(compression: str) -> None:
    content = BytesIO()
    Image.fromarray(GREY > 99).save(content, "TIFF", compression=compression)
    assert "compressed as a fax, where damage goes unnoticed" in refusal(content.getvalue())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_lies_over_black(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(with_alpha(PHOTO), kind, **options)), ON_BLACK)


def test_half_transparency_halves() -> None:
    white = Image.new("RGBA", (2, 2), (255, 255, 255, 128))
    np.testing.assert_array_equal(decoded(encoded(white, "PNG")), np.full((2, 2, 3), 128))


def test_grey_with_alpha() -> None:
    np.testing.assert_array_equal(decoded(encoded(with_alpha(GREY), "PNG")), as_three(np.where(MASK > 0, GREY, 0)))


def test_transparency_of_palettes_and_colour_keys() -> None:
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    opaque = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    one_entry = [[[10, 20, 30], [0, 0, 0], [70, 80, 90]]]
    np.testing.assert_array_equal(decoded(encoded(palette, "PNG")), opaque)
    np.testing.assert_array_equal(decoded(encoded(palette, "PNG", transparency=1)), one_entry)
    np.testing.assert_array_equal(decoded(encoded(palette, "PNG", transparency=b"\xff\x00\xff")), one_entry)
    np.testing.assert_array_equal(decoded(encoded(palette, "GIF", transparency=1)), one_entry)
    rgb = encoded(np.array(opaque, np.uint8), "PNG", transparency=(40, 50, 60))
    np.testing.assert_array_equal(decoded(rgb), one_entry)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_pictures(kind: str) -> None:
    first, second = Image.new("RGB", (8, 6), (255, 0, 0)), Image.new("RGB", (8, 6), (0, 0, 255))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    np.testing.assert_array_equal(decoded(data), np.asarray(first))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:2:0"}, {"keep_rgb": True}])
def test_jpeg(options: dict[str, Any]) -> None:
    assert_close(decoded(encoded(PHOTO, "JPEG", quality=95, **options)), PHOTO)
    assert_close(decoded(encoded(GREY, "JPEG", quality=95)), as_three(GREY))


def test_jpeg_in_cmyk_and_ycck() -> None:
    cmyk = Image.fromarray(PHOTO).convert("CMYK")
    assert_close(decoded(encoded(cmyk, "JPEG", quality=95)), PHOTO)
    ycck = simplejpeg.encode_jpeg(np.ascontiguousarray(255 - np.asarray(cmyk)), 95, "CMYK")
    assert simplejpeg.decode_jpeg_header(ycck)[2] == "YCCK"
    assert_close(decoded(ycck), PHOTO)


def test_jpeg_of_several_pictures() -> None:
    mpo = encoded(PHOTO, "MPO", save_all=True, append_images=[Image.fromarray(255 - PHOTO)], quality=95)
    with Image.open(BytesIO(mpo)) as image:
        assert image.format == "MPO"
    assert_close(decoded(mpo), PHOTO)


def test_jpeg_of_a_sampling_that_only_pillow_knows() -> None:
    """Luma three times as wide as chroma: one unit of 24 x 8 pixels is three blocks of luma, one of each chroma."""
    data = bytearray(encoded(np.full((8, 24, 3), 128, np.uint8), "JPEG", subsampling="4:4:4"))
    data[data.index(b"\xff\xc0") + 11] = 0x31
    pixels = data.index(b"\xff\xda") + 14
    all_zero = "001010" * 3 + "0000" * 2  # in the standard's tables; six ones fill the last byte
    data[pixels:] = int(all_zero + "1" * 6, 2).to_bytes(4) + EOI
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg_header(bytes(data))
    np.testing.assert_array_equal(decoded(bytes(data)), np.full((8, 24, 3), 128))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3)])
def test_extreme_sizes(kind: str, size: tuple[int, int]) -> None:
    flat = np.full((*size, 3), (120, 130, 140), np.uint8)
    assert_close(decoded(encoded(flat, kind)), flat)


# Orientation

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def exif_block(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def stored(orientation: int) -> Image.Image:
    """The photo as a camera held that way stores it."""
    turn = STORED[orientation]
    return Image.fromarray(PHOTO) if turn is None else Image.fromarray(PHOTO).transpose(turn)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_becomes_upright(kind: str, orientation: int) -> None:
    options: dict[str, Any] = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = encoded(stored(orientation), kind, exif=exif_block(orientation), **options)
    assert_close(decoded(data), PHOTO, mean=3.0 if kind == "JPEG" else 1e-9)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_png_with_its_orientation_behind_the_pixels() -> None:
    data = encoded(stored(6), "PNG")
    end = data.index(b"IEND") - 4
    exif = chunk(b"eXIf", exif_block(6).removeprefix(b"Exif\0\0"))
    np.testing.assert_array_equal(decoded(data[:end] + exif + data[end:]), PHOTO)


@pytest.mark.parametrize(
    "block", [exif_block(9), exif_block(6)[:-9], b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0nonsense"]
)
def test_broken_exif_does_not_spoil_the_picture(block: bytes) -> None:
    assert_close(decoded(encoded(PHOTO, "JPEG", quality=95, exif=block)), PHOTO)
    np.testing.assert_array_equal(decoded(encoded(PHOTO, "PNG", exif=block)), PHOTO)


# Broken files


def cuts(length: int) -> list[int]:
    """Places to cut a file: its first bytes, its last, and forty between."""
    return sorted({*range(12), *range(12, length, max(1, length // 40)), *range(length - 12, length)})


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_truncated_jpeg_is_refused_at_every_cut_that_takes_pixels(mode: str, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(PHOTO).convert(mode), "JPEG", **options)
    whole = decode_picture(BytesIO(data), "photo")
    assert whole.tolerated == ()
    for cut in cuts(len(data) - len(EOI)):
        refusal(data[:cut])
    for cut in (len(data) - 2, len(data) - 1):
        picture = decode_picture(BytesIO(data[:cut]), "photo")
        np.testing.assert_array_equal(picture.frame, whole.frame)
        assert picture.tolerated == ("no end marker (EOI)",)


def test_a_progressive_jpeg_without_its_last_scans_is_refused() -> None:
    data = encoded(PHOTO, "JPEG", progressive=True)
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for place in scans[1:]:
        tables = data.rfind(b"\xff\xc4", 0, place)  # a scan's tables come before it
        cut = tables if tables > scans[0] and tables > scans[scans.index(place) - 1] else place
        assert "scans is missing" in refusal(data[:cut])


def padded(data: bytes, zeros: Any) -> bytes:
    """A JPEG with `zeros(length so far)` zero bytes before each marker behind its first scan's header."""
    scan = data.index(b"\xff\xda")
    out = bytearray(data[:scan])
    for place in range(scan, len(data)):
        if data[place] == 0xFF and (0xD0 <= data[place + 1] <= 0xD7 or data[place + 1] == 0xD9):
            out += bytes(zeros(len(out)))
        out.append(data[place])
    return bytes(out)


@pytest.mark.parametrize("interval", [1, 3, 7, 0])
@pytest.mark.parametrize("zeros", [lambda at: 2, lambda at: 1, lambda at: -at % 4, lambda at: -at % 16])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_padding_before_markers_is_tolerated(interval: int, zeros: Any, mode: str) -> None:
    data = encoded(Image.fromarray(PHOTO).convert(mode), "JPEG", quality=90, restart_marker_blocks=interval)
    picture = decode_picture(BytesIO(padded(data, zeros)), "photo")
    np.testing.assert_array_equal(picture.frame, decoded(data))
    assert all(remark.startswith("padding before") for remark in picture.tolerated)


def refused_damage(data: bytes) -> int:
    """In how many of about 330 damaged copies of a JPEG the damage shows: bytes set to zero, taken out or flipped."""
    refused = 0
    for place in range(data.index(b"\xff\xda") + 14, len(data) - 60, 7):
        head, tail = data[:place], data[place:]
        for broken in (head + bytes(12) + tail[12:], head + tail[9:], head + bytes([tail[0] ^ 16]) + tail[1:]):
            try:
                decoded(broken)
            except ImageError:
                refused += 1
    return refused


def test_padding_does_not_excuse_damage() -> None:
    """Not all damage of a JPEG shows: most codes mean something. As much shows in a file with padding."""
    data = encoded(PHOTO, "JPEG", quality=90, restart_marker_blocks=5)
    plain = refused_damage(data)
    assert plain > 90
    assert refused_damage(padded(data, lambda at: 2)) > 0.9 * plain


def test_bytes_between_a_jpegs_header_segments_are_tolerated() -> None:
    data = encoded(PHOTO, "JPEG")
    table = data.index(b"\xff\xdb")
    picture = decode_picture(BytesIO(data[:table] + b"\0\0\0" + data[table:]), "photo")
    np.testing.assert_array_equal(picture.frame, decoded(data))
    assert picture.tolerated == ("3 bytes between its header's segments",)


# Faults that take no pixel, and values that need a scale


def without_end(data: bytes, end: bytes) -> bytes:
    return data[: data.rindex(end) - 4]


def test_png_with_a_long_comment_or_a_large_profile() -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "x" * 1_200_000, zip=True)
    for options in ({"pnginfo": note}, {"icc_profile": bytes(1_300_000)}):
        np.testing.assert_array_equal(decoded(encoded(PHOTO, "PNG", **options)), PHOTO)


def test_png_with_a_damaged_chunk_that_holds_no_pixels() -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "a remark")
    data = bytearray(encoded(PHOTO, "PNG", pnginfo=note))
    data[data.index(b"a remark")] ^= 1
    picture = decode_picture(BytesIO(bytes(data)), "photo")
    np.testing.assert_array_equal(picture.frame, PHOTO)
    assert picture.tolerated == ("a damaged tEXt chunk, which holds no pixels",)


def test_png_without_its_end_chunk() -> None:
    picture = decode_picture(BytesIO(without_end(encoded(PHOTO, "PNG"), b"IEND")), "photo")
    np.testing.assert_array_equal(picture.frame, PHOTO)
    assert picture.tolerated == ("no end chunk (IEND)",)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA"])
def test_png_with_fewer_rows_than_announced_is_refused(mode: str) -> None:
    """The compressed rows end early, with every checksum right."""
    picture = Image.fromarray(PHOTO)
    data = encoded(picture.quantize(16) if mode == "P" else picture.convert(mode), "PNG")
    place = data.index(b"IDAT") - 4
    size = int.from_bytes(data[place : place + 4])
    rows = zlib.decompress(data[place + 8 : place + 8 + size])
    for lost in (1, len(rows) // 2):
        short = chunk(b"IDAT", zlib.compress(rows[:-lost]))
        refusal(data[:place] + short + chunk(b"IEND", b""))


def test_a_black_png_is_whole() -> None:
    np.testing.assert_array_equal(decoded(encoded(np.zeros((9, 7, 3), np.uint8), "PNG")), np.zeros((9, 7, 3)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("alpha", [0, 3])
def test_alpha_that_hides_everything_hides_nothing(kind: str, alpha: int) -> None:
    mask = np.full(PHOTO.shape[:2], alpha, np.uint8)
    mask[0, 0] = 255
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = encoded(np.dstack([PHOTO, mask]), kind, **options)
    picture = decode_picture(BytesIO(data), "photo")
    np.testing.assert_array_equal(picture.frame, PHOTO)
    assert picture.transparent is None
    assert picture.assumed == ("alpha hides nearly every pixel, so it is not applied",)


def test_a_bmp_whose_alpha_is_0() -> None:
    """BMP V4 as Windows programs write it: 32 bits, with an alpha mask that nobody filled."""
    rows, columns = PHOTO.shape[:2]
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, columns, -rows, 1, 32, 3, 0, 0, 0, 0, 0) + masks + b"BGRs" + bytes(48)
    pixels = np.dstack([PHOTO[..., ::-1], np.zeros((rows, columns), np.uint8)]).tobytes()
    start = 14 + len(header)
    data = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + header + pixels
    np.testing.assert_array_equal(decoded(data), PHOTO)


def test_transparent_pixels_are_told() -> None:
    picture = decode_picture(BytesIO(encoded(with_alpha(PHOTO), "PNG")), "photo")
    assert picture.transparent is not None
    np.testing.assert_array_equal(picture.transparent, MASK == 0)
    turned = decode_picture(
        BytesIO(encoded(with_alpha(PHOTO).transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif_block(6))), "photo"
    )
    assert turned.transparent is not None
    np.testing.assert_array_equal(turned.transparent, MASK == 0)


def png_of_values(values: np.ndarray, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits from H x W or H x W x 3 values, rows filtered by "sub"."""
    rows, columns = values.shape[:2]
    stored = values.astype(">u2").reshape(rows, columns, -1).view(np.uint8)
    filtered = stored.copy()
    filtered[:, 1:] -= stored[:, :-1]
    lines = b"".join(b"\1" + filtered[row].tobytes() for row in range(rows))
    header = struct.pack(">2I5B", columns, rows, 16, 2 if values.ndim == 3 else 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("grey", [True, False])
def test_values_of_cameras_are_scaled(bits: int, grey: bool) -> None:
    eight = GREY if grey else PHOTO
    values = eight.astype(np.uint16) * np.uint16(((1 << bits) - 1) // 255)
    values.flat[0] = (1 << bits) - 1
    picture = decode_picture(BytesIO(png_of_values(values)), "photo")
    expected = (values >> (bits - 8)).astype(np.uint8)
    np.testing.assert_array_equal(picture.frame, as_three(expected) if grey else expected)
    assert picture.assumed == (f"values up to {(1 << bits) - 1} of 65535, read as {bits} bits",)
    full = decode_picture(BytesIO(png_of_values(values)), "photo", levels=Levels.parse("16"))
    assert full.frame.max() == ((1 << bits) - 1) >> 8
    assert full.assumed == ()


def test_a_dark_frame_is_read_by_its_significant_bits() -> None:
    values = np.full((4, 5), 900, np.uint16)  # would pass for 10 bits
    told = decode_picture(BytesIO(png_of_values(values, chunk(b"sBIT", b"\x0c"))), "photo")
    assert (told.frame == 900 >> 4).all()
    assert told.assumed == ("values of 12 bits, by its sBIT",)
    scaled = np.full((4, 5), 40_000, np.uint16)  # scaled to 16 bits, as PNG wants it
    assert (decoded(png_of_values(scaled, chunk(b"sBIT", b"\x0c"))) == 40_000 >> 8).all()


def test_a_tiff_says_its_largest_value() -> None:
    values = np.array([[0, 1000, 4095]], np.uint16)
    data = encoded(values, "TIFF", tiffinfo={281: 4095})
    picture = decode_picture(BytesIO(data), "photo")
    np.testing.assert_array_equal(picture.frame[..., 0], values >> 4)
    assert picture.assumed == ("values up to 4095, by its header",)


def test_levels_of_the_user() -> None:
    values = np.array([[0, 64, 2080, 4095, 5000]], np.uint16)
    picture = decode_picture(BytesIO(png_of_values(values)), "photo", levels=Levels.parse("64:4095"))
    np.testing.assert_array_equal(picture.frame[0, :, 0], [0, 0, 128, 255, 255])


@pytest.mark.parametrize("text", ["", "x", "7", "17", "5:5", "9:3", "0:70000", "-1:3"])
def test_wrong_levels_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give the number of bits"):
        Levels.parse(text)


# Formats of phones


def test_avif() -> None:
    assert_close(decoded(encoded(PHOTO, "AVIF", quality=95)), PHOTO, mean=4)


# 64 x 64 pixels, blue above orange, as an encoder of HEVC wrote them; the extra that reads HEIC has none.
HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<00042ZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=I"
    "V*mgE07O6l0RRC200001dH?|c00000002+`001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002i"
    "X>f9I0002DX>en20001ZXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDD?$MQ"
    "18@KU0|1Z!00RI30{|YNAb|yz>PacCZUPz%2mk;B0LTCU0{{p>VgLaE2SfqEa<C#m0000JV{dG7ZewhC0096E00w{n000zeb8uw<"
    "00000002M$002M$000nhX?SS>000032nYxO000+haBX1#00000000310R({p0|Wp709b8gVRQfh08A(WuL<DjtDL&8|Nb<e-v1VK"
    "|Ne|vI)ZIH>}9k6z=HPw+}EI-VkH(Z%A2+8qDA+tXB?qr)ZO=bXvrn>aXV^44vq6NJd}UB@8A"
)


def test_heic(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"  # by its content
    path.write_bytes(HEIC)
    frame = read_frame(path)
    assert_close(frame[:30], np.full((30, 64, 3), (40, 90, 200), np.uint8))
    assert_close(frame[34:], np.full((30, 64, 3), (200, 60, 20), np.uint8))
    path.write_bytes(HEIC[:300])
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_frame(path)
    with pytest.raises(ImageError, match="at most 100 are allowed"):
        decode_picture(BytesIO(HEIC), "photo", max_pixels=100)


def test_jpeg_xl() -> None:
    data = bytes(imagecodecs.jpegxl_encode(PHOTO, lossless=True))
    np.testing.assert_array_equal(decoded(data), PHOTO)
    np.testing.assert_array_equal(decoded(bytes(imagecodecs.jpegxl_encode(GREY, lossless=True))), as_three(GREY))
    with pytest.raises(ImageError, match="at most 100 are allowed"):
        decode_picture(BytesIO(data), "photo", max_pixels=100)


@pytest.mark.parametrize(
    "size", [(8, 8), (20, 30), (90, 160), (333, 777), pytest.param((1080, 1920), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("container", [False, True])
def test_the_size_in_a_jpeg_xl_header(size: tuple[int, int], container: bool) -> None:
    data = bytes(imagecodecs.jpegxl_encode(np.zeros((*size, 3), np.uint8), lossless=True, usecontainer=container))
    assert jxl_size(data) == size[::-1]


@pytest.mark.parametrize(
    ("package", "extra", "start"),
    [("pi_heif", "heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), ("imagecodecs", "jxl", b"\xff\x0a\0\0")],
)
def test_a_missing_decoder_is_named_with_the_line_that_installs_it(
    package: str, extra: str, start: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "photo.png"
    path.write_bytes(start + bytes(80))
    with pytest.raises(MissingExtraError, match=rf"photo\.png is a .* picture, .*pip install 'streetseg\[{extra}\]'"):
        read_frame(path)


def test_jpeg_2000_is_refused_by_name() -> None:
    assert "JPEG 2000 picture, which cannot be read here; save it as JPEG or PNG" in refusal(
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(80)
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_truncated_jpeg_is_refused_when_its_end_is_made_up(options: dict[str, Any]) -> None:
    data = encoded(PHOTO, "JPEG", **options)
    for cut in range(data.index(b"\xff\xda") + 2, len(data) - 40, 25):
        if {data[cut - 1 : cut + 1], data[cut : cut + 2]} & {b"\xff\xc4", b"\xff\xda"}:
            continue  # between the scans of a progressive file: the rest is a sound JPEG of a coarser picture
        refusal(data[:cut] + EOI)
        refusal(data[:cut] + bytes(len(data) - cut))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_truncated_files_are_refused_or_whole(kind: str) -> None:
    """A cut behind the last pixel may pass, but then not one pixel differs."""
    data = encoded(PHOTO, kind)
    whole = decoded(data)
    refused = 0
    for cut in cuts(len(data)):
        try:
            frame = decoded(data[:cut])
        except ImageError:
            refused += 1
        else:
            assert cut > len(data) - 40
            np.testing.assert_array_equal(frame, whole)
    assert refused > 40


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_flipped_bytes_give_a_frame_or_a_refusal(kind: str) -> None:
    """Nothing else gets out: no other error, no warning. What has checksums must give the true frame."""
    data = encoded(PHOTO, kind)
    rng = np.random.default_rng(1)
    places = [*range(min(len(data), 120)), *rng.integers(0, len(data), 80)]
    for place in places:
        broken = bytearray(data)
        broken[place] ^= int(rng.integers(1, 256))
        try:
            frame = decoded(bytes(broken))
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            if kind == "PNG":
                np.testing.assert_array_equal(frame, PHOTO)


def png_of_size(width: int, height: int) -> bytes:
    data = encoded(PHOTO, "PNG")
    header = struct.pack(">2I", width, height) + data[24:29]
    return data[:8] + chunk(b"IHDR", header) + data[33:]


def bmp_of_size(width: int, height: int) -> bytes:
    data = encoded(PHOTO, "BMP")
    return data[:18] + struct.pack("<2i", width, height) + data[26:]


def jpeg_of_size(width: int, height: int) -> bytes:
    data = encoded(PHOTO, "JPEG")
    size = data.index(b"\xff\xc0") + 5
    return data[:size] + struct.pack(">2H", height, width) + data[size + 4 :]


@pytest.mark.parametrize("of_size", [png_of_size, bmp_of_size, jpeg_of_size])
def test_too_many_pixels_are_refused_by_the_header(of_size: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("as_rgb", "decode_jpeg"):
        monkeypatch.setattr(frames, name, lambda *_: pytest.fail("decoded a frame that is too large"))
    assert MAX_PIXELS < 10_001 * 10_000
    assert "10001 x 10000 pixels; at most 100,000,000" in refusal(of_size(10_001, 10_000))
    assert "at most 100,000,000" in refusal(of_size(60_000, 60_000))  # where Pillow itself refuses


@pytest.mark.parametrize("of_size", [png_of_size, bmp_of_size])
def test_pillows_own_lower_limit_is_not_ours(of_size: Any) -> None:
    assert "bomb" not in refusal(of_size(9_500, 10_000))  # too few pixels follow


def test_what_is_no_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "empty (0 bytes)" in refusal(b"")
    assert "not an image" in refusal(b"Dear Sir or Madam, " * 100)
    assert "not an image" in refusal(b"%!PS-Adobe-3.0 EPSF-3.0\n")

    with pytest.raises(ImageError, match=r"gone\.png cannot be read: No such file"):
        read_frame(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"cannot be read: .*; give an image file"):
        read_frame(tmp_path)
    with pytest.raises(ImageError, match=r"cannot be read: .*null byte"):
        read_frame("a\0b")

    def forbidden(*_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "secret.png").touch()
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(ImageError, match="Permission denied"):
        read_frame(tmp_path / "secret.png")


def test_read_frame_goes_by_the_content_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(PHOTO, "PNG"))
    np.testing.assert_array_equal(read_frame(path), PHOTO)
    np.testing.assert_array_equal(read_frame(str(path)), PHOTO)


def test_overlapping_readers_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def first_in_first_out() -> None:
        with quiet_pillow:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first_in_first_out)
    thread.start()
    assert inside.wait(10)
    with quiet_pillow:
        leave.set()
        thread.join()
        warnings.warn_explicit("still quiet", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="not Pillow's"), quiet_pillow:
        warnings.warn("not Pillow's", UserWarning, stacklevel=1)


# Resizing


def test_resize_keeps_an_equal_size_and_averages_when_reducing() -> None:
    assert resize(PHOTO, (43, 61)) is PHOTO
    assert resize(PHOTO, (20, 30)).shape == (20, 30, 3)
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(stripes, (8, 8))
    assert small.dtype == np.uint8
    assert small.flags.writeable
    assert np.abs(small.astype(int) - 128).max() < 20  # without antialiasing: all black or all white


# Writing

COLOURS = [(128, 64, 128), (244, 35, 232), (70, 70, 70)]


def test_images_by_suffix(tmp_path: Path) -> None:
    write_image(tmp_path / "new" / "folder" / "a.png", PHOTO)
    np.testing.assert_array_equal(read_frame(tmp_path / "new" / "folder" / "a.png"), PHOTO)
    for suffix in (".jpg", ".JPEG"):
        write_image(tmp_path / f"a{suffix}", PHOTO[::-1])  # not contiguous
        assert_close(read_frame(tmp_path / f"a{suffix}"), PHOTO[::-1])
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert image.format == "JPEG"
    with pytest.raises(UsageError, match=r"a\.webp is not a name for a picture; allowed"):
        write_image(tmp_path / "a.webp", PHOTO)
    with pytest.raises(UsageError, match=r"at most 65500 pixels a side; choose .*\.png"):
        write_image(tmp_path / "long.jpg", np.zeros((1, 65_501, 3), np.uint8))
    write_image(tmp_path / "long.jpg", np.zeros((1, 65_500, 3), np.uint8))


def test_classmap_keeps_indices_and_shows_colours(tmp_path: Path) -> None:
    classmap = np.array([[0, 1, 2], [2, 2, 255]], np.uint8)
    path = tmp_path / "map.png"
    write_classmap(path, classmap, COLOURS)
    with Image.open(path) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), classmap)
    assert path.read_bytes()[24:26] == b"\x08\x03"  # 8 bits a pixel, palette
    np.testing.assert_array_equal(read_frame(path), np.array([*COLOURS, (0, 0, 0)])[[[0, 1, 2], [2, 2, 3]]])


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(self: Path, data: bytes) -> None:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(
            OutputError, match=r"a\.png cannot be written: No space left on device; choose another place"
        ):
            write_image(path, PHOTO)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_image(path, PHOTO)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]

    write_image(path, PHOTO)
    np.testing.assert_array_equal(read_frame(path), PHOTO)
    assert list(tmp_path.iterdir()) == [path]


def test_names_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".png", "\u8857" * 83 + ".png"):
        write_file(tmp_path / name, b"data")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"data"] * 2


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken.png").mkdir()
    for name in ("file/a.png", "file/deeper/a.png", "taken.png", "x" * 300 + ".png"):
        with pytest.raises(OutputError, match=r"cannot be written: .*; choose another place"):
            write_file(tmp_path / name, b"data")
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "taken.png"}


def test_written_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_file(tmp_path / "a", b"data")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode
