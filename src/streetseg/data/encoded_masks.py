"""Decode masks that JSON files hold as text or numbers: PNGs in base64, and Label Studio's brush."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from streetseg.data.polygons import MAX_PIXELS

MAX_BYTES = 2**28  # of one unpacked mask
ALPHA = 3  # the channel of Label Studio's RGBA that is the mask


def png_mask(text: object) -> np.ndarray:
    """Return the mask of a PNG in base64, packed by zlib or not.

    Args:
        text: The PNG. Its alpha is the mask if it has one, otherwise what is not 0.

    Returns:
        H x W bool.

    Raises:
        ValueError: It is no such PNG, or too large.
    """
    if not isinstance(text, str):
        raise ValueError("a mask is no text; expected a PNG in base64")
    try:
        data = base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text)
        if not data.startswith(b"\x89PNG"):
            data = zlib.decompressobj().decompress(data, MAX_BYTES)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"a mask has {image.width} x {image.height} pixels, which is too large")
            pixels = np.asarray(image)
    except (binascii.Error, zlib.error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"a mask is no PNG in base64: {error}") from None
    if pixels.ndim == 2:
        return pixels > 0
    channels: np.ndarray = pixels[..., -1:] if pixels.shape[2] in (2, 4) else pixels
    mask: np.ndarray = np.any(channels, axis=-1)
    return mask


def brush_mask(numbers: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Return the mask of Label Studio's brush.

    Args:
        numbers: Bytes of thi.ng's rle-pack: a count of words (32 bits), bits of a word less 1 (5), four widths of run
            lengths less 1 (4 each); then runs, each with a bit (1: one word repeated, 0: words one by one), the number
            of its width (2), its length less 1, and its words.
        size: Height and width; a word is a channel of RGBA, of which alpha is the mask.

    Returns:
        H x W bool.

    Raises:
        ValueError: The bytes are damaged or of another size.
    """
    height, width = size
    try:
        data = np.array(numbers, np.int64)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("a brush's rle is not a list of numbers") from None
    if data.ndim != 1 or len(data) < 8 or data.min() < 0 or data.max() > 255:
        raise ValueError("a brush's rle is not a list of bytes")
    packed = data.astype(np.uint8).tobytes()
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))

    def number(place: int, count: int) -> int:
        """Return the number in `count` bits from a place on."""
        first, end = place >> 3, place + count
        if end > 8 * len(packed):
            raise ValueError("a brush's rle ends too early")
        last = (end + 7) >> 3
        return int.from_bytes(packed[first:last], "big") >> (8 * last - end) & ((1 << count) - 1)

    words, word = number(0, 32), number(32, 5) + 1
    if words != 4 * height * width:
        raise ValueError(f"a brush's rle has {words} values, its frame of {width} x {height} has {4 * height * width}")
    widths = [number(37 + 4 * i, 4) + 1 for i in range(4)]
    out, done, place = np.zeros(words, bool), 0, 53
    while done < words:
        head = number(place, 3)
        bits_of_length = widths[head & 3]
        length = number(place + 3, bits_of_length) + 1
        place += 3 + bits_of_length
        if head & 4:
            out[done : done + length] = number(place, word) > 0
            place += word
        else:
            one_by_one = bits[place : place + length * word]
            if len(one_by_one) < length * word:
                raise ValueError("a brush's rle ends too early")
            values = one_by_one.reshape(length, word).max(axis=1)[: words - done]
            out[done : done + len(values)] = values
            place += length * word
        done += length
    return np.ascontiguousarray(out.reshape(height, width, 4)[..., ALPHA])
