"""Paint class colours, their borders and a legend over a frame."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from streetseg.runtime.kernel import binding

Colour = tuple[int, int, int]

LEGEND_MIN_SIDE = 64  # pixels; in a smaller frame a legible legend would hide the picture
FONT_MIN_SIZE = 8  # pixels; smaller text cannot be read
BOX_OPACITY = 0.6


def overlay(
    frame: NDArray[np.uint8],
    classmap: NDArray[np.uint8],
    names: Sequence[str],
    colours: Sequence[Colour],
    *,
    opacity: float = 0.5,
    legend: bool = True,
    only: Sequence[int] | None = None,
    out: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> NDArray[np.uint8]:
    """Paint the classes over a frame.

    Args:
        frame: H x W x 3 uint8 RGB.
        classmap: H x W uint8, indices into `names` and `colours`.
        names: Class names by index. The legend's font has ASCII letters; others show as boxes.
        colours: RGB by index, 0 to 255.
        opacity: Opacity of the colours, 0 (only the frame) to 1 (only the colours). Borders between classes get more.
        legend: Draw the classes present and their shares into the upper left corner. Frames with a side below
            LEGEND_MIN_SIDE get none.
        only: Indices of the classes to paint and to list; None: all.
        out: H x W x 3 uint8 to write the picture to, C-contiguous; None: a new array.
        threads: Threads that the kernel may use.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ValueError: If an array has another type or shape.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"expected a frame of uint8, H x W x 3, got {frame.dtype}, {frame.shape}")
    if classmap.dtype != np.uint8 or classmap.shape != frame.shape[:2]:
        raise ValueError(f"expected a class map of uint8, {frame.shape[:2]}, got {classmap.dtype}, {classmap.shape}")
    if out is not None and not (
        out.dtype == np.uint8 and out.shape == frame.shape and out.flags.c_contiguous and out.flags.writeable
    ):
        raise ValueError(f"expected out to be uint8, {frame.shape}, C-contiguous and writeable")
    if out is None:
        out = np.empty_like(frame, order="C")
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours
    inside, border = round(255 * opacity), round(255 * (1 - (1 - opacity) ** 3))  # as if blended three times
    library = binding.load()
    if library is None:
        blend(frame, classmap, palette, inside, border, out)
    else:
        frame, classmap = np.ascontiguousarray(frame), np.ascontiguousarray(classmap)
        binding.paint(library, frame, classmap, palette, np.array([inside, border], np.uint8), out, threads)
    plain = np.zeros(256, np.bool_)
    if only is not None:
        plain[:] = True
        plain[list(only)] = False
        np.copyto(out, frame, where=plain[classmap][..., None])
    if legend and min(classmap.shape) >= LEGEND_MIN_SIDE:
        shares = np.where(plain[: len(names)], 0, share(classmap, len(names)))
        if shares.any():
            draw_legend(out, names, colours, shares)
    return out


def blend(
    frame: NDArray[np.uint8],
    classmap: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    inside: int,
    border: int,
    out: NDArray[np.uint8],
) -> None:
    """Write the frame with its classes' colours into `out` with Pillow; the same result as the kernel's paint.

    palette: 256 x 3. inside, border: The opacity inside a class and on its border, 0 to 255.
    """
    picture = Image.fromarray(frame)
    tint = Image.fromarray(classmap)
    tint.putpalette(palette.tobytes())
    # Pillow blends by an 8-bit mask in integers, one pass over the pixels, without temporaries.
    opacities = np.full(classmap.shape, inside, np.uint8)
    opacities[borders(classmap)] = border
    picture.paste(tint.convert("RGB"), mask=Image.fromarray(opacities))
    out[...] = np.asarray(picture)


def share(classmap: NDArray[np.uint8], num_classes: int) -> NDArray[np.float64]:
    """Return the share of each class in all pixels.

    Args:
        classmap: H x W uint8, indices below `num_classes`, or 255 for pixels without a class.
        num_classes: Number of classes.

    Returns:
        num_classes float64, 0 to 1; with the share without a class they sum to 1.
    """
    counts = np.array(Image.fromarray(classmap).histogram())  # numpy's bincount widens every pixel to 64 bits first
    assert not counts[num_classes:255].any(), "a class map holds an index beyond its classes"
    return counts[:num_classes] / classmap.size


def borders(classmap: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return H x W booleans: True where the right or the lower neighbour is of another class."""
    border = np.zeros(classmap.shape, np.bool_)
    border[:, :-1] = classmap[:, :-1] != classmap[:, 1:]
    border[:-1] |= classmap[:-1] != classmap[1:]
    return border


def draw_legend(
    picture: NDArray[np.uint8], names: Sequence[str], colours: Sequence[Colour], shares: NDArray[np.float64]
) -> None:
    """Draw the classes present, largest first, into a dark box in the upper left corner of the picture.

    The text grows with the picture. It shrinks if the lines do not fit. If that is not enough, the smallest classes
    are left out.
    """
    height, width = picture.shape[:2]
    present = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i] > 0]

    for size in range(max(FONT_MIN_SIZE, round(6 + min(width, height) / 54)), FONT_MIN_SIZE - 1, -1):
        font = default_font(size)
        pad, pitch = size // 2, round(1.4 * size)
        name_width = ceil(max(font.getlength(names[i]) for i in present))
        percent_width = ceil(max(font.getlength(percent(shares[i])) for i in present))
        box_width = pad + size + pad + name_width + size + percent_width + pad  # size: of a swatch, and a wide gap
        if box_width + 2 * pad <= width and pitch * len(present) + 4 * pad <= height:
            break
    present = present[: (height - 4 * pad) // pitch]
    if box_width + 2 * pad > width:
        return

    mask = Image.new("L", (box_width, pitch * len(present) + 2 * pad))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), pad, fill=round(255 * BOX_OPACITY))
    part = picture[pad : pad + mask.height, pad : pad + mask.width]  # only this part goes through Pillow
    box = Image.fromarray(part)
    box.paste("black", mask=mask)

    draw = ImageDraw.Draw(box)
    left, right = pad, box_width - pad
    for line, i in enumerate(present):
        middle = pad + line * pitch + pitch // 2
        top = middle - size // 2
        draw.rectangle((left, top, left + size - 1, top + size - 1), colours[i], "white")
        draw.text((left + size + pad, middle), names[i], "white", font, anchor="lm")
        draw.text((right, middle), percent(shares[i]), "white", font, anchor="rm")
    part[...] = np.asarray(box)


def percent(share: float) -> str:
    """Return a share above 0, up to 1, as text: never "0.0%"."""
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


@cache
def default_font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own scalable font; size in pixels."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font
