"""Draw a frame of a contact sheet: its classes in their colours, their names written into them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from streetseg.data.pairs import nearest, reduced_size
from streetseg.data.sheet.sheet import ShownFrame
from streetseg.runtime.frames import resize
from streetseg.runtime.overlay import Colour, default_font, overlay

TILE_SIDE = 360  # pixels; the shorter side of a tile at most
LONGEST = 640  # pixels; the longer side of a tile at most
TEXT = 13  # pixels
SMALLEST = 0.004  # share of a tile that a class needs to be named in it
CELL = 6  # pixels; names are placed on a grid of these


def tile(shown: ShownFrame, names: Sequence[str], colours: Sequence[Colour]) -> Image.Image:
    """Return a frame with its classes drawn and named; void is dark."""
    frame, label = reduced(shown)
    if label is None:
        return Image.fromarray(frame)
    picture = Image.fromarray(overlay(frame, label, names, colours, opacity=0.55, legend=False))
    write_names(picture, label, names)
    return picture


def seen(shown: ShownFrame, names: Sequence[str], colours: Sequence[Colour]) -> Image.Image:
    """Return a frame as it is, and beside it with its classes drawn and named."""
    frame, _ = reduced(shown)
    both = Image.new("RGB", (2 * frame.shape[1], frame.shape[0]))
    both.paste(Image.fromarray(frame), (0, 0))
    both.paste(tile(shown, names, colours), (frame.shape[1], 0))
    return both


def reduced(shown: ShownFrame) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return frame and class map at the size of a tile."""
    height, width = shown.frame.shape[:2]
    side = min(TILE_SIDE, max(1, LONGEST * min(height, width) // max(height, width)))
    size = reduced_size((height, width), side)
    size = max(1, size[0]), max(1, size[1])
    frame = resize(shown.frame, size)
    return frame, None if shown.label is None else nearest(shown.label, size)


def write_names(picture: Image.Image, label: NDArray[np.uint8], names: Sequence[str]) -> None:
    """Write the name of each class into the widest part of it, unless it is small or another name is there."""
    draw, font = ImageDraw.Draw(picture), default_font(TEXT)
    counts = np.bincount(label.ravel(), minlength=256)[: len(names)]
    taken: list[tuple[float, float, float, float]] = []
    for index in np.argsort(-counts, kind="stable").tolist():
        if counts[index] < SMALLEST * label.size:
            break
        text = ascii_text(names[index])
        row, column = deepest(label[CELL // 2 :: CELL, CELL // 2 :: CELL] == index)
        width = font.getlength(text) + 6
        x = min(max(column * CELL + CELL / 2, width / 2), max(width / 2, picture.width - width / 2))
        y = min(max(row * CELL + CELL / 2, TEXT), max(TEXT, picture.height - TEXT))
        box = (x - width / 2, y - TEXT / 2 - 2, x + width / 2, y + TEXT / 2 + 3)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        draw.text((x, y), text, "white", font, anchor="mm", stroke_width=2, stroke_fill="black")


def deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return row and column of a place of a mask that is far from its border; the middle if it is empty."""
    left = mask
    while left.any():
        last, padded = left, np.pad(left, 1)
        left = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    if not mask.any():
        return mask.shape[0] // 2, mask.shape[1] // 2
    places = np.argwhere(last)
    row, column = places[len(places) // 2]
    return int(row), int(column)


def ascii_text(text: str) -> str:
    """Return a text in letters that the font of pictures has: accents are left out, others become question marks."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(letter if letter.isascii() else "?" for letter in plain if not unicodedata.combining(letter))


def jpeg(picture: Image.Image) -> bytes:
    """Return a picture as JPEG."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
