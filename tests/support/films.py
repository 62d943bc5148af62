"""Films without compression, for a browser's camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def write_y4m(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a frame, H x W x 3 uint8 of even sides, as a film of 10 frames a second."""
    y, cb, cr = (np.asarray(band) for band in Image.fromarray(frame).convert("YCbCr").split())
    planes = y.tobytes() + cb[::2, ::2].tobytes() + cr[::2, ::2].tobytes()
    height, width = y.shape
    path.write_bytes(b"YUV4MPEG2 W%d H%d F10:1 Ip C420jpeg\n" % (width, height) + b"FRAME\n" + planes)
