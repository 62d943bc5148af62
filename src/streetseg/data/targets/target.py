"""What every target of a conversion does: take frames with their class maps, and write them."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetseg.data.pairs import LabelSpace

ORIENTATION = 0x0112  # EXIF's tag
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}  # formats that every reader knows


@dataclass(frozen=True)
class CleanFrame:
    """A frame to write.

    Attributes:
        split: The split that it belongs to.
        name: Its name, unique in the split, without suffix and folders.
        drive: The drive that it was taken from.
        image: Its file.
        frame: Its pixels, H x W x 3 uint8.
        label: Its class map, H x W uint8, class indices or 255; None if it has none.
    """

    split: str
    name: str
    drive: str
    image: Path
    frame: NDArray[np.uint8]
    label: NDArray[np.uint8] | None


class Target(ABC):
    """A layout that is being written.

    Attributes:
        root: A new, empty folder.
        labels: The classes.
    """

    def __init__(self, root: Path, labels: LabelSpace) -> None:
        self.root, self.labels = root, labels

    @abstractmethod
    def add(self, frame: CleanFrame) -> None:
        """Write a frame and its class map."""

    @abstractmethod
    def finish(self) -> None:
        """Write what can only be written at the end."""


def save_frame(frame: CleanFrame, stem: Path) -> Path:
    """Write a frame's image beside `stem`; return its file.

    A JPEG or PNG whose pixels are the frame's is copied. Others (turned by EXIF, with alpha, of 16 bits, of other
    formats) become a PNG of the same pixels.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(frame.image) as image:
        plain = image.mode in ("RGB", "L") and "transparency" not in image.info and image.format in SUFFIXES
        suffix = SUFFIXES.get(image.format or "", ".png")
        upright = plain and image.getexif().get(ORIENTATION, 1) == 1 and image.size == frame.frame.shape[1::-1]
    if not upright:
        return save_png(frame.frame, stem.with_name(f"{stem.name}.png"))
    path = stem.with_name(f"{stem.name}{suffix}")
    shutil.copyfile(frame.image, path)
    return path


def save_png(pixels: NDArray[np.uint8], path: Path) -> Path:
    """Write pixels as a PNG; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path
