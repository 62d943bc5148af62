"""Turn sensor_msgs/Image into RGB frames, and arrays into messages. Needs numpy only."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

# Encoding -> bytes a pixel, and the places of red, green and blue among them. 8UC3 is what OpenCV's images are sent as.
PACKED = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "8UC3": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
}
# Encoding -> the places of the first brightness, of blue and of red difference among the four bytes of two pixels.
YUV422 = {"uyvy": (1, 0, 2), "yuv422": (1, 0, 2), "yuyv": (0, 1, 3), "yuv422_yuy2": (0, 1, 3)}


def to_frame(message: Any) -> Bytes:
    """Return the frame of an image message.

    Args:
        message: A sensor_msgs/Image. Its rows may be longer than their pixels (`step`).

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ValueError: If the encoding is not known here, or the message contradicts itself.
    """
    height, width, step, encoding = message.height, message.width, message.step, message.encoding
    if encoding in PACKED:
        wide = PACKED[encoding][0] * width
    elif encoding in YUV422:
        wide = 2 * width
        if width % 2:
            raise ValueError(f"an image in {encoding} of odd width {width}")
    else:
        known = ", ".join((*PACKED, *YUV422))
        raise ValueError(f"encoding {encoding!r} is not taken; convert it (image_proc) to one of {known}")
    data = np.frombuffer(message.data, np.uint8)
    # The last row may come without its padding.
    if height < 1 or width < 1 or step < wide or len(data) < step * (height - 1) + wide:
        raise ValueError(f"{len(data)} bytes do not hold {height} x {width} pixels in {encoding} with rows of {step}")
    rows = np.lib.stride_tricks.as_strided(data, (height, wide), (step, 1), writeable=False)
    if encoding in PACKED:
        size, places = PACKED[encoding]
        return np.ascontiguousarray(rows.reshape(height, width, size)[:, :, list(places)])
    return from_yuv422(rows.reshape(height, width // 2, 4), *YUV422[encoding])


def from_yuv422(pairs: Bytes, first: int, blue: int, red: int) -> Bytes:
    """Return RGB of pairs of pixels, H x W/2 x 4, in BT.601 with 16 to 235 for brightness, as cameras send."""
    y = 1.164 * (pairs[:, :, [first, first + 2]].astype(np.float32) - 16)  # H x W/2 x 2
    u, v = (pairs[:, :, [at]].astype(np.float32) - 128 for at in (blue, red))
    rgb = np.stack([y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u], axis=3)
    frame: Bytes = np.clip(np.rint(rgb), 0, 255).astype(np.uint8).reshape(len(pairs), -1, 3)
    return frame


def fill(message: Any, header: Any, picture: Bytes) -> Any:
    """Fill an image message.

    Args:
        message: An empty sensor_msgs/Image.
        header: The header of the frame's message: stamp and frame id stay those of the camera.
        picture: H x W uint8 for mono8, or H x W x 3 uint8 for rgb8.

    Returns:
        The message.
    """
    message.header = header
    message.height, message.width = picture.shape[:2]
    message.encoding = "mono8" if picture.ndim == 2 else "rgb8"
    message.is_bigendian = 0
    message.step = picture[0].size
    message.data = array.array("B", picture.tobytes())  # the one type that rclpy takes without looking at each byte
    return message
