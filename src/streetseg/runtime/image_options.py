"""The options of images: finding them, reading them, and segmenting them in parts."""

from __future__ import annotations

from dataclasses import dataclass

from streetseg.errors import UsageError
from streetseg.runtime.frames import MAX_PIXELS
from streetseg.runtime.levels import Levels
from streetseg.runtime.options import Options

SMALLEST_WINDOW = 128


@dataclass(frozen=True)
class ImageOptions(Options):
    """Options of images.

    Attributes:
        recursive: Search folders with their subfolders.
        levels: Black and white of values with more than 8 bits: a number of bits, "12", or both values, "64:4095".
            None: by each file, else by its largest value.
        max_pixels: Images with more pixels are refused.
        void_transparent: Transparent pixels have no class: 255 in the class map.
        window: Side in pixels of the square windows in which a large image is segmented at its own size, 128 or more;
            None: each image whole, reduced to the card's short side.
        confidence: Write the confidence of each pixel, too: NAME_confidence.png, grey values of 0 to 255 for 0 to 1.

    Raises:
        UsageError: If a value is out of its range.
    """

    recursive: bool = True
    levels: str | None = None
    max_pixels: int = MAX_PIXELS
    void_transparent: bool = False
    window: int | None = None
    confidence: bool = False

    def __post_init__(self) -> None:
        if self.levels is not None:
            Levels.parse(self.levels)
        if self.max_pixels < 1:
            raise UsageError(f"max-pixels must be at least 1, got {self.max_pixels}")
        if self.window is not None and self.window < SMALLEST_WINDOW:
            raise UsageError(f"window must be at least {SMALLEST_WINDOW} pixels, got {self.window}")

    @property
    def parsed_levels(self) -> Levels | None:
        """Return `levels` as values.

        Returns:
            The levels; None if none are given.
        """
        return None if self.levels is None else Levels.parse(self.levels)
