"""Read label images without changing a value, or refuse them in one line."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from streetseg.runtime.documents import refuse_special
from streetseg.runtime.formats import FORMATS
from streetseg.runtime.levels import wide_values
from streetseg.runtime.png import SIGNATURE, missing_bytes, sound_png

GREY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow multiplies grey values of 2 and 4 bits by these


def read_pixels(path: Path) -> np.ndarray:
    """Return the stored pixels of a label image: H x W values or palette indices, or H x W x channels."""
    with open_mask(path) as image:
        args = image.tile[0].args
        layout = str(args[0] if isinstance(args, tuple) else args)
        if layout.startswith(("RGB", "LA")) and ";16" in layout:
            if image.format == "PNG":
                return in_8_bits(wide_values(image))
            with Image.open(BytesIO(path.read_bytes())) as wide:  # a file would be closed after one of its two readings
                return in_8_bits(wide_values(wide))
        step = GREY_STEPS.get(layout, 1)
        pixels = np.asarray(image, np.uint8 if image.mode == "1" else None)
        return pixels if step == 1 else pixels // np.uint8(step)


def in_8_bits(values: np.ndarray | None) -> np.ndarray:
    """Return colours of 16 bits as uint8: small values as they are, those of the whole range scaled.

    Raises:
        ValueError: 8 bits cannot hold the values, or they could not be read (None).
    """
    if values is not None and values.max(initial=0) < 256:
        return values.astype(np.uint8)
    if values is not None and not (values % 257).any():  # 255 became 65535
        scaled_down: np.ndarray = (values // 257).astype(np.uint8)
        return scaled_down
    raise ValueError("its channels have 16 bits that do not fit into 8; save masks with 8 bits")


def open_mask(path: Path) -> ImageFile:
    """Open a label image; OSError if there is none, ValueError for a format that changes labels or a lack of pixels."""
    refuse_special(path)
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) == SIGNATURE:
            file.seek(0)
            png = sound_png(file.read())  # a long comment or a large profile does not matter
            if missing := missing_bytes(png):
                raise ValueError(f"{missing} bytes of its pixels are missing")
            return Image.open(BytesIO(png.data), formats=("PNG",))
    image = Image.open(path, formats=FORMATS)
    if image.format in ("JPEG", "MPO", "WEBP", "AVIF"):
        image.close()
        kind = {"WEBP": "WebP", "AVIF": "AVIF"}.get(image.format, "JPEG")
        raise ValueError(f"it is a {kind}, whose compression may change the labels; save masks as PNG")
    if image.format == "PPM" and scaled(image):
        image.close()
        raise ValueError("its values are scaled by the largest that its header allows; save masks as PNG")
    return image


def scaled(image: ImageFile) -> bool:
    """Return True if Pillow scales the values of a PPM or PGM, because its header gives another largest value."""
    codec, args = image.tile[0].codec_name, image.tile[0].args
    return codec != "raw" and isinstance(args, tuple) and args[-1] != (65535 if image.mode == "I" else 255)
