"""Turn decoded frames into RGB: colour matrix, range, bit depth, display matrix."""

from __future__ import annotations

import struct
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from streetseg.runtime.frames import upright

# If a video does not name its colour space, players and we assume BT.709 from this height on and BT.601 below. The
# videos that we write name it (code points of ITU-T H.273).
HD_HEIGHT = 720
BT709, UNSPECIFIED, BT601 = 1, 2, 6


def upright_rgb(frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a decoded frame as uint8 RGB, H x W x 3.

    It is resized to `size` (H, W as stored), then turned or mirrored by its display matrix (phones, rear cameras).
    """
    matrix = Colorspace.ITU709 if frame.colorspace == UNSPECIFIED and size[0] >= HD_HEIGHT else None
    # One thread: several frames are converted at once, and each conversion would start threads of its own.
    rgb = frame.to_ndarray(format="rgb24", height=size[0], width=size[1], src_colorspace=matrix, threads=1)
    return upright(np.asarray(rgb, np.uint8), *display_turn(frame))


def display_turn(frame: av.VideoFrame) -> tuple[bool, int, int]:
    """Return the arguments of `frames.upright` for a frame, by its display matrix (ISO 14496-12, 8.3.2)."""
    # Not `frame.rotation`, which knows no mirrors. Not `frame.side_data` either: frame and side data hold each other,
    # and stay in memory until Python collects reference cycles, hundreds of frames later.
    matrix: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # unknown to its stub
    if matrix is not None:
        a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
        swapped = abs(b) > abs(a)
        rows, columns = (b, c) if swapped else (d, a)
        return swapped, 1 if rows >= 0 else -1, 1 if columns >= 0 else -1
    return False, 1, 1
