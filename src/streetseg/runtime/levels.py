"""Bring values of more than 8 bits to 8: cameras of 10, 12 or 14 bits store theirs in 16 bits without scaling them.

Read at full range, such a picture is almost black. The number of bits that count comes from the file (PNG's sBIT,
TIFF's MaxSampleValue and BitsPerSample), else from the largest value in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import UsageError

FULL = 16
DEPTHS = (8, 9, 10, 12, 14, FULL)  # of cameras
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_MAXIMUM = 0x0102, 0x0106, 0x0119
WHITE_IS_ZERO = 0
# Pillow's names of 16-bit layouts with several channels -> the layout that picks the other byte of each value.
OTHER_BYTE = {
    "RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": "RGB;16B",
    "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B", "RGBA;16N": "RGBA;16B",
}  # fmt: skip


@dataclass(frozen=True)
class Levels:
    """The values of black and white in pictures of more than 8 bits.

    Attributes:
        black: This value and smaller ones become 0.
        white: This value and larger ones become 255.
    """

    black: int
    white: int

    @classmethod
    def parse(cls, text: str) -> Levels:
        """Return levels from text.

        Args:
            text: A number of bits, "12", or black and white, "64:4095".

        Returns:
            The levels.

        Raises:
            UsageError: The text is neither.
        """
        black, colon, white = text.partition(":")
        if colon and black.isdecimal() and white.isdecimal() and 0 <= int(black) < int(white) < 1 << FULL:
            return cls(int(black), int(white))
        if not colon and black.isdecimal() and 8 <= int(black) <= FULL:
            return cls.of_bits(int(black))
        raise UsageError(
            f"levels {text!r} are wrong; give the number of bits, 8 to {FULL}, or black and white such as 64:4095"
        )

    @classmethod
    def of_bits(cls, bits: int) -> Levels:
        """Return the full range of a number of bits.

        Args:
            bits: 8 to 16.

        Returns:
            Black 0, white 2 ** bits - 1.
        """
        return cls(0, (1 << bits) - 1)

    def to_8_bits(self, values: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return values as 8 bits.

        Args:
            values: Integers, any shape.

        Returns:
            uint8 of that shape.
        """
        bits = (self.white + 1).bit_length() - 1
        if self.black == 0 and self.white == (1 << bits) - 1 and bits >= 8:  # the high byte, as every viewer shows it
            return np.asarray(np.minimum(values, self.white) >> (bits - 8), np.uint8)
        scaled = (np.clip(values, self.black, self.white).astype(np.float32) - self.black) * np.float32(
            255 / (self.white - self.black)
        )
        return np.asarray(np.rint(scaled), np.uint8)


def wide_values(image: Image.Image) -> NDArray[np.integer] | None:
    """Return the values of an image with over 8 bits a channel, H x W or H x W x 3; None for any other image.

    Args:
        image: A picture that has not been loaded yet.

    Raises:
        ValueError: Its values leave the range of 16 bits.
    """
    if image.mode.startswith("I"):  # 16-bit grey; in some formats Pillow holds it in 32 bits
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() >= 1 << FULL:
            raise ValueError("its grey values leave the range of 16 bits, 0 to 65535; save it as 8-bit")
        if tiff_tag(image, TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow inverts only 8 bits
            grey = (1 << min(FULL, tiff_tag(image, TIFF_BITS) or FULL)) - 1 - grey
        return grey.astype(np.uint16)
    tiles = getattr(image, "tile", [])
    layouts = {tile.args[0] if isinstance(tile.args, tuple) else tile.args for tile in tiles}
    if len(layouts) != 1 or (layout := layouts.pop()) not in OTHER_BYTE:
        return None
    # Pillow has no mode of several channels with 16 bits: it keeps one byte of each value. So decode both in turn.
    low = image.copy() if not tiles else reopened(image)
    low.tile = [  # type: ignore[attr-defined]
        tile._replace(args=(OTHER_BYTE[layout], *tile.args[1:]) if isinstance(tile.args, tuple) else OTHER_BYTE[layout])
        for tile in low.tile  # type: ignore[attr-defined]
    ]
    high_bytes, low_bytes = (np.asarray(half)[..., :3].astype(np.uint16) for half in (image, low))
    return (high_bytes << 8) | low_bytes


def reopened(image: Image.Image) -> Image.Image:
    """Return the same picture, opened once more from its file."""
    file = image.fp  # type: ignore[attr-defined]
    file.seek(0)
    return Image.open(file, formats=(image.format or "",))


def levels_of(
    image: Image.Image, values: NDArray[np.integer], significant_bits: int | None
) -> tuple[Levels, str | None]:
    """Return the levels of an image's values, and a phrase about them if they are not the whole range of 16 bits.

    Args:
        image: The picture.
        values: Its values.
        significant_bits: PNG's sBIT, if it has one.
    """
    highest = int(values.max(initial=0))
    stated = tiff_tag(image, TIFF_BITS) or FULL
    for bits, source in ((significant_bits, "its sBIT"), (stated if stated < FULL else None, "its header")):
        # PNG wants values scaled to 16 bits whatever sBIT says; some writers leave them as they come.
        if bits is not None and 8 <= bits < FULL and highest < 1 << bits:
            return Levels.of_bits(bits), f"values of {bits} bits, by {source}"
    maximum = tiff_tag(image, TIFF_MAXIMUM)
    if maximum is not None and 255 <= maximum < (1 << FULL) - 1 and highest <= maximum:
        return Levels(0, maximum), f"values up to {maximum}, by its header"
    bits = next(bits for bits in DEPTHS if highest < 1 << bits)
    if bits == FULL or not highest:
        return Levels.of_bits(FULL), None
    return Levels.of_bits(bits), f"values up to {highest} of 65535, read as {bits} bits"


def tiff_tag(image: Image.Image, tag: int) -> int | None:
    """Return a number in a TIFF's header; None if it is not there."""
    value = getattr(image, "tag_v2", {}).get(tag)
    if isinstance(value, tuple):
        value = max(value, default=None)
    return value if isinstance(value, int) else None
