"""Save rendered frames, masks and films."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from streetseg.data.camvid import LABELS
from streetseg.errors import OutputError
from streetseg.streets.sequence import RATE
from streetseg.streets.world import Bytes

Masks = Literal["index", "palette", "colour"]
Named = tuple[tuple[str, str], Bytes, Bytes]  # (split, name), frame, surfaces


def mask_of(label: Bytes, masks: Masks) -> Bytes | Image.Image:
    """Return a label map as a user's mask."""
    if masks == "index":
        return label
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(LABELS.colours)] = LABELS.colours
    if masks == "colour":
        return palette[label]
    image = Image.fromarray(label)
    image.putpalette(palette.tobytes())
    return image


def save(pixels: Bytes | Image.Image, path: Path) -> None:
    """Write an image; create its folder."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    with folder_for(path):
        image.save(path)


def save_text(text: str, path: Path) -> None:
    """Write a text; create its folder."""
    with folder_for(path):
        path.write_text(text)


@contextlib.contextmanager
def folder_for(path: Path) -> Iterator[None]:
    """Create the folder of `path` for the block; OutputError if it or the block's file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; give a folder that can be written to") from None


def filmed(root: Path, shots: Iterable[Named], frames: int) -> Iterator[Named]:
    """Yield the frames of drives; write each drive, of so many frames, to a film in `root`, too."""
    from streetseg.runtime.video.writer import VideoWriter  # needs PyAV

    shots = iter(shots)
    for first in shots:
        (_, name), frame, _ = first
        path = root / f"{name.rpartition('_')[0]}.mp4"
        with folder_for(path), VideoWriter(path, frame, Fraction(RATE), Fraction(1, RATE)) as film:
            for number, shot in enumerate(chain([first], islice(shots, frames - 1))):
                film.add(shot[1], number)
                yield shot
