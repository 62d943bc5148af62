"""Where the pixels of a frame were in the frame before: dense optical flow (DIS, in OpenCV), with where to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import MissingExtraError

SHORT_SIDE = 180  # pixels: frames are reduced to it, for flow at full size takes longer than a network
TOLERANCE = 1.0  # pixels of that size: flow there and back must end where it began
BRIGHTNESS = 24  # a moved pixel may differ by this, of 255


def opencv(purpose: str) -> Any:
    """Return OpenCV; MissingExtraError if it is not installed."""
    try:
        import cv2
    except ModuleNotFoundError:
        raise MissingExtraError("OpenCV", purpose, "opencv") from None
    return cv2


@dataclass(frozen=True)
class Motion:
    """The way of the pixels between two frames, at a reduced size.

    Attributes:
        places: h x w x 2 float32: x and y of each pixel in the frame before, as shares of its width and height.
        known: h x w bool: True where flow there and back agrees, and the pixel looks as before.
    """

    places: NDArray[np.float32]
    known: NDArray[np.bool_]

    def at(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return places, in pixels, and where they are known, at another size.

        Args:
            height: Pixels.
            width: Pixels.

        Returns:
            H x W x 2 float32, x and y among the pixels of the frame before; H x W bool.
        """
        cv2 = opencv("motion")
        places = cv2.resize(self.places, (width, height), interpolation=cv2.INTER_LINEAR)
        places = places * np.array([width, height], np.float32) - np.float32(0.5)
        known = cv2.resize(self.known.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return places, known.view(bool)


class MotionFinder:
    """Finds the motion from each frame to the next one."""

    def __init__(self) -> None:
        self.cv2 = opencv("motion between frames")
        self.flow = self.cv2.DISOpticalFlow_create(self.cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.before: NDArray[np.uint8] | None = None

    def __call__(self, frame: NDArray[np.uint8]) -> Motion | None:
        """Return the motion from the last frame to this one.

        Args:
            frame: H x W x 3 uint8 RGB.

        Returns:
            The motion; None for the first frame, and for a frame of another size.
        """
        cv2 = self.cv2
        height, width = frame.shape[:2]
        ratio = min(1.0, SHORT_SIDE / min(height, width))
        size = max(16, round(width * ratio)), max(16, round(height * ratio))  # the flow's smallest patch
        grey = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        before, self.before = self.before, grey
        if before is None or before.shape != grey.shape:
            return None
        back = self.flow.calc(grey, before, None)  # from each pixel of this frame to the one before
        forth = self.flow.calc(before, grey, None)
        sides = np.array(size, np.float32)
        grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=2).astype(np.float32)
        source = grid + back
        returned = cv2.remap(forth, source, None, cv2.INTER_LINEAR)
        looked = cv2.remap(before, source, None, cv2.INTER_LINEAR)
        inside = ((source >= 0) & (source <= sides - 1)).all(axis=2)
        agrees = np.square(back + returned).sum(axis=2) <= TOLERANCE**2
        alike = np.abs(looked.astype(np.int16) - grey) <= BRIGHTNESS
        return Motion((source + np.float32(0.5)) / sides, inside & agrees & alike)


def moved(values: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values of the frame before where the pixels of this one were, bilinear.

    Args:
        values: h x w x C float32.
        places: h x w x 2 float32, x and y.

    Returns:
        h x w x C float32; beyond the border the nearest value.
    """
    height, width = values.shape[:2]
    x = np.clip(places[..., 0], 0, width - 1)
    y = np.clip(places[..., 1], 0, height - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[bottom, left] * (1 - across) + values[bottom, right] * across
    mixed: NDArray[np.float32] = upper * (1 - down) + lower * down
    return mixed
