"""Take what Python programs hold as frames: arrays, files, PIL images and torch tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import UsageError
from streetseg.runtime.frames import UPRIGHT, Picture, as_rgb, orientation_of, read_picture, upright

# An array, a file, a PIL image, or a torch tensor, whose class is not known here.
FrameLike: TypeAlias = "NDArray[np.uint8] | str | Path | Image.Image | Any"


def as_picture(given: FrameLike, bgr: bool = False) -> Picture:
    """Return a frame in any form as a picture.

    Args:
        given: H x W x 3 uint8; or the path of an image file, a PIL image, or a torch tensor of uint8, H x W x 3 or
            3 x H x W.
        bgr: Arrays and tensors have blue first.

    Returns:
        The picture, RGB, with what was assumed.

    Raises:
        UsageError: It is none of these.
        ImageError: The file cannot be read.
    """
    if isinstance(given, str | Path):
        return read_picture(given)
    if isinstance(given, Image.Image):
        pixels, transparent, remarks = as_rgb(given)
        turn = UPRIGHT[orientation_of(given)]
        shown = None if transparent is None else upright(transparent, *turn)
        return Picture(upright(pixels, *turn), shown, remarks)
    remarks = ()
    if is_tensor(given):
        given, remarks = from_tensor(given)
    check_frame(given)
    return Picture(given[..., ::-1] if bgr else given, assumed=remarks)


def is_tensor(given: object) -> bool:
    """Return True for a torch tensor. PyTorch is not imported for it."""
    return type(given).__module__.partition(".")[0] == "torch" and hasattr(given, "detach")


def from_tensor(tensor: Any) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return a torch tensor as H x W x 3, and what was assumed; UsageError for a wrong type or shape."""
    kind, shape = str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)
    if kind != "uint8":
        raise UsageError(
            f"a tensor must be uint8, 0 to 255, got {kind} of shape {shape}; for values from 0 to 1: "
            "tensor.mul(255).round().byte()"
        )
    array = tensor.detach().cpu().numpy()
    if len(shape) == 3 and shape[2] == 3:
        told = "a tensor H x W x 3" + (" (3 x W x 3 can be both)" if shape[0] == 3 else "")
        return array, (told,)
    if len(shape) == 3 and shape[0] == 3:
        return np.ascontiguousarray(array.transpose(1, 2, 0)), ("a tensor 3 x H x W",)
    hint = "; give one frame after the other" if len(shape) == 4 else ""
    raise UsageError(f"a tensor must be H x W x 3 or 3 x H x W, got shape {shape}{hint}")


def check_frame(frame: object) -> None:
    """Raise UsageError if a frame is not an array, H x W x 3 uint8."""
    if not isinstance(frame, np.ndarray):
        raise UsageError(f"a frame is an array, H x W x 3 uint8 RGB, got {frame!r:.40}")
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        hint = "; transpose it: frame.transpose(1, 2, 0)" if frame.ndim == 3 and frame.shape[0] == 3 else ""
        raise UsageError(f"a frame is H x W x 3 uint8 RGB, got {frame.dtype} of shape {frame.shape}{hint}")
