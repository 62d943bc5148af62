"""The formats of pictures: those that Pillow decodes, and those of phones that need an extra, told by their content."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from streetseg.errors import ImageError, MissingExtraError

# Pillow's names. Its wheels have AVIF; a Pillow built elsewhere may lack it.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF", *(["AVIF"] if features.check("avif") else []))

HEIC, AVIF, JXL, JP2 = "HEIC", "AVIF", "JPEG XL", "JPEG 2000"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
JXL_STARTS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
JP2_STARTS = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def foreign_format(start: bytes) -> str | None:
    """Return the format of a picture that Pillow alone does not decode; None for any other file.

    Args:
        start: The file's first 64 bytes.
    """
    if start[4:8] == b"ftyp":
        brands = {start[8:12], *(start[i : i + 4] for i in range(16, min(len(start), int.from_bytes(start[:4])), 4))}
        if brands & set(AVIF_BRANDS):
            return None if "AVIF" in FORMATS else AVIF
        return HEIC if brands & set(HEIC_BRANDS) else None
    if start.startswith(JXL_STARTS):
        return JXL
    return JP2 if start.startswith(JP2_STARTS) else None


def decode_by_extra(data: bytes, kind: str, name: str, max_pixels: int) -> NDArray[np.uint8]:
    """Return the pixels of a picture that needs an extra, upright.

    Args:
        data: The file.
        kind: What `foreign_format` returned.
        name: The file's name for the errors.
        max_pixels: Larger pictures are refused.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ImageError: The format has no decoder here, or the picture is too large or damaged.
        MissingExtraError: The extra is not installed.
    """
    if kind == HEIC:
        try:
            import pi_heif
        except ModuleNotFoundError:
            raise MissingExtraError("pi-heif", f"{name} is a HEIC picture, which", "heic") from None
        heif = pi_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)
        refuse_large(heif.size, name, max_pixels)
        image: Image.Image = heif.to_pillow()
        return np.array(image.convert("RGB"))
    if kind == JXL:
        try:
            import imagecodecs
        except ModuleNotFoundError:
            raise MissingExtraError("imagecodecs", f"{name} is a JPEG XL picture, which", "jxl") from None
        refuse_large(jxl_size(data), name, max_pixels)
        return rgb_of(np.asarray(imagecodecs.jpegxl_decode(data)))
    raise ImageError(f"{name} is a {kind} picture, which cannot be read here; save it as JPEG or PNG")


def jxl_size(data: bytes) -> tuple[int, int]:
    """Return width and height by the header of a JPEG XL (ISO/IEC 18181-1, SizeHeader); ValueError without one."""
    if not data.startswith(JXL_STARTS[0]):  # in a container, the codestream lies in a box of its own
        place = next((data.find(box) for box in (b"jxlc", b"jxlp") if box in data), -1)
        data = data[place + (8 if data[place : place + 4] == b"jxlp" else 4) :] if place >= 0 else b""
    bits = int.from_bytes(data[2:16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side() -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    if not data.startswith(JXL_STARTS[0]):
        raise ValueError("it has no JPEG XL codestream")
    small = bool(take(1))
    height = side()
    ratio = take(3)
    if ratio == 0:
        return side(), height
    across, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * across // down, height


def refuse_large(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Raise ImageError for more pixels than allowed; size: width, height."""
    width, height = size
    if width * height > max_pixels:
        raise ImageError(too_large(name, f"{width} x {height} pixels", max_pixels))


def too_large(name: str, given: str, allowed: int) -> str:
    """Return the message about an image with too many pixels."""
    return f"{name} has {given}; at most {allowed:,} are allowed: reduce it first, or allow more (--max-pixels)"


def rgb_of(pixels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return decoded values of 8 or 16 bits, grey or colour, with or without alpha, as H x W x 3 uint8."""
    if pixels.dtype == np.uint16:
        pixels = pixels >> 8
    elif pixels.dtype != np.uint8:
        raise ValueError(f"its pixels are {pixels.dtype}, whose black and white are not known; save it as 8-bit")
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        grey = pixels if pixels.ndim == 2 else pixels[..., 0]
        return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    return pixels[..., :3].astype(np.uint8)
