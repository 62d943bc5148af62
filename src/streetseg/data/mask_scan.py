"""Read all masks of a folder whose classes are not known, and tell classes from the mixtures at smoothed borders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streetseg.data.mask_contents import Contents
from streetseg.data.mask_files import open_mask, read_pixels
from streetseg.data.pairs import read_ahead
from streetseg.errors import DatasetError
from streetseg.progress import Progress
from streetseg.runtime.overlay import Colour

FEW_COLOURS = 256  # colours that can all be classes
MOST_COLOURS = 50_000  # with mixtures; the search ends beyond
FLAT = 0.02  # a mixture at a border has at most this share of pixels whose neighbours have its colour
SMALL = 0.05  # a mixture has at most this share of all pixels
BETWEEN = 8.0  # a mixture lies this near, in values of 0 to 255, to the line between two classes' colours
MOST_MIXED = 0.3  # share of mixtures above which masks are not masks


@dataclass
class MaskScan:
    """What masks hold.

    Attributes:
        contents: Values and colours with their numbers of pixels.
        inside: Colour -> number of pixels whose four neighbours have it too.
        palette: Pixel value -> its colour in masks with a palette, where all of them agree.
        unreadable: Masks that cannot be read.
    """

    contents: Contents = field(default_factory=Contents)
    inside: Counter[Colour] = field(default_factory=Counter)
    palette: dict[int, Colour] = field(default_factory=dict)
    unreadable: list[Path] = field(default_factory=list)


def scan_masks(paths: Iterable[Path], progress: Progress) -> MaskScan:
    """Read masks once; DatasetError if they hold so many colours that they are pictures."""
    paths, scan, contradicted = list(paths), MaskScan(), set()
    for path, read in zip(progress(paths, "mask"), read_ahead(read_mask, paths), strict=True):
        if read is None:
            scan.unreadable.append(path)
            continue
        pixels, palette = read
        scan.contents.add(pixels)
        if pixels.ndim == 3:
            scan.inside.update(inside_counts(pixels))
        if len(scan.contents.colours) > MOST_COLOURS:
            raise too_many(scan)
        for value, colour in palette.items():
            if scan.palette.setdefault(value, colour) != colour:
                contradicted.add(value)
    scan.palette = {value: colour for value, colour in scan.palette.items() if value not in contradicted}
    return scan


def read_mask(path: Path) -> tuple[np.ndarray, dict[int, Colour]] | None:
    """Return a mask's pixels and the colours of its palette, of the values that it has; None if it cannot be read.

    Grey values in three channels are returned as one channel.
    """
    try:
        pixels = read_pixels(path)
        with open_mask(path) as image:
            palette = image.getpalette("RGB") if image.mode == "P" else None
    except Exception:  # damaged files make decoders raise any kind of error
        return None
    if pixels.ndim == 3 and (pixels.shape[2] < 3 or (pixels[..., :3] == pixels[..., :1]).all()):
        pixels = pixels[..., 0]
    if pixels.dtype not in (np.uint8, np.uint16, np.int32):
        return None
    colours: dict[int, Colour] = {}
    for value in np.unique(pixels).tolist() if palette else ():
        red, green, blue = (palette or [])[3 * value : 3 * value + 3] or (0, 0, 0)
        colours[value] = (red, green, blue)
    return pixels, colours


def inside_counts(pixels: np.ndarray) -> Counter[Colour]:
    """Return the number of pixels of each colour whose four neighbours have it too, H x W x 3 uint8."""
    rgb = pixels[..., :3].astype(np.uint32)
    packed = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
    middle = packed[1:-1, 1:-1]
    same = middle == packed[:-2, 1:-1]
    for other in (packed[2:, 1:-1], packed[1:-1, :-2], packed[1:-1, 2:]):
        same &= middle == other
    colours, counts = np.unique(middle[same], return_counts=True)
    return Counter(
        {(c >> 16, c >> 8 & 255, c & 255): n for c, n in zip(colours.tolist(), counts.tolist(), strict=True)}
    )


def split_mixtures(scan: MaskScan, known: Iterable[Colour]) -> tuple[list[Colour], list[Colour]]:
    """Return the colours of classes, the most frequent first, and the mixtures of them.

    Args:
        scan: The masks.
        known: Colours that are of classes in any case: published ones, and those of a class file.

    Raises:
        DatasetError: The masks hold so many colours that they are pictures.
    """
    colours, known = scan.contents.colours, set(known)
    total = sum(colours.values())
    classes: list[Colour] = []
    mixtures: list[Colour] = []
    for colour, count in colours.most_common():
        flat = scan.inside[colour] / count
        mixed = (
            colour not in known
            and flat <= FLAT
            and count <= SMALL * total
            and len(classes) > 1
            and (len(colours) > FEW_COLOURS or between(colour, classes))
        )
        (mixtures if mixed else classes).append(colour)
    share = sum(colours[colour] for colour in mixtures) / max(1, total)
    if len(classes) > FEW_COLOURS - 1 or share > MOST_MIXED:
        raise too_many(scan)
    return classes, mixtures


def too_many(scan: MaskScan) -> DatasetError:
    """Return the error about pictures in place of masks."""
    return DatasetError(
        f"the masks hold {len(scan.contents.colours)} colours or more, as pictures or lossy compression have them; "
        "save masks without smoothing, as PNG, with one colour for each class"
    )


def between(colour: Colour, classes: list[Colour]) -> bool:
    """Return True if a colour lies on the line between the colours of two classes, away from both."""
    ends = np.array(classes, float)
    point = np.array(colour, float)
    starts, stops = (part.ravel() for part in np.meshgrid(*[np.arange(len(ends))] * 2))
    start, way = ends[starts], ends[stops] - ends[starts]
    length = (way**2).sum(1)
    usable = length > 0
    start, way, length = start[usable], way[usable], length[usable]
    place = ((point - start) * way).sum(1) / length
    apart = np.linalg.norm(start + place[:, None] * way - point, axis=1)
    return bool(((place > 0.02) & (place < 0.98) & (apart <= BETWEEN)).any())
