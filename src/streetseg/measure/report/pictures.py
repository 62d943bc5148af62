"""The pictures of a report: a frame in four tiles, and the confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from streetseg.data.pairs import IGNORE
from streetseg.runtime.overlay import Colour, default_font

TILE_SIDE = 640  # pixels; the longest side of a tile
CELL = 46  # pixels; a cell of the heat map
TEXT = 14  # pixels; the height of the letters
WRONG = (255, 60, 60)


def tiles(
    frame: NDArray[np.uint8], label: NDArray[np.uint8], prediction: NDArray[np.uint8], colours: Sequence[Colour]
) -> dict[str, Image.Image]:
    """Return an evaluated frame as four pictures by caption.

    They show the frame, its label and its prediction in class colours (void is black), and the errors in red over the
    grey frame.
    """
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours
    grey = frame.mean(2, keepdims=True).astype(np.uint8).repeat(3, axis=2) // 2
    wrong = (label != prediction) & (label != IGNORE)
    errors = np.where((label == IGNORE)[..., None], np.uint8(0), grey)
    errors[wrong] = WRONG
    height, width = frame.shape[:2]
    ratio = min(1.0, TILE_SIDE / max(height, width))
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    share = wrong.sum() / max(1, (label != IGNORE).sum())
    return {
        "image": Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR),
        "truth (void black)": Image.fromarray(palette[label]).resize(size, Image.Resampling.NEAREST),
        "prediction": Image.fromarray(palette[prediction]).resize(size, Image.Resampling.NEAREST),
        f"errors: {share:.1%} of the labelled pixels": Image.fromarray(errors).resize(size, Image.Resampling.NEAREST),
    }


def sheet(tiles: dict[str, Image.Image]) -> Image.Image:
    """Return the four tiles as one picture, two by two, with their captions."""
    width, height = next(iter(tiles.values())).size
    caption = TEXT + 10
    picture = Image.new("RGB", (2 * width + 4, 2 * (height + caption)), "white")
    draw = ImageDraw.Draw(picture)
    for place, (title, tile) in enumerate(tiles.items()):
        left, top = place % 2 * (width + 4), place // 2 * (height + caption)
        picture.paste(tile, (left, top + caption))
        draw.text((left + 4, top + caption // 2), title, "black", default_font(TEXT), anchor="lm")
    return picture


def heat_map(matrix: NDArray[np.int64], names: Sequence[str]) -> Image.Image:
    """Return a picture of the confusion matrix: per cent of each row's pixels.

    matrix: C x C pixel counts; rows are true classes, columns are predicted classes. The diagonal is blue, errors are
    red; a larger share is darker.
    """
    font, small = default_font(TEXT), default_font(TEXT - 3)
    corner = "true \\ predicted"
    margin = round(max(small.getlength(corner), *(font.getlength(name) for name in names))) + 16
    side = margin + CELL * len(names) + 8
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((margin - 8, margin - 12), corner, "grey", small, anchor="rs")
    for i, name in enumerate(names):
        middle = margin + CELL * i + CELL // 2
        draw.text((margin - 8, middle), name, "black", font, anchor="rm")
        upright = Image.new("RGB", (margin - 8, TEXT + 6), "white")
        ImageDraw.Draw(upright).text((2, TEXT // 2 + 3), name, "black", font, anchor="lm")
        picture.paste(upright.rotate(90, expand=True), (middle - TEXT // 2 - 3, 0))
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    for (row, column), share in np.ndenumerate(shares):
        full = np.array([20, 80, 170] if row == column else [200, 30, 30])
        shade = tuple(int(v) for v in 255 - (255 - full) * share**0.5)
        left, top = margin + CELL * column, margin + CELL * row
        draw.rectangle((left, top, left + CELL - 2, top + CELL - 2), shade)
        if matrix[row].any():
            text = f"{share:.1%}".removesuffix("%") if share >= 0.0005 else ("0" if matrix[row, column] else "")
            colour = "white" if share > 0.3 else "black"
            draw.text((left + CELL // 2 - 1, top + CELL // 2 - 1), text, colour, small, anchor="mm")
    return picture


def png(picture: Image.Image) -> bytes:
    return encoded(picture, "PNG")


def jpeg(picture: Image.Image) -> bytes:
    return encoded(picture, "JPEG")


def encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, quality=88)
    return buffer.getvalue()
