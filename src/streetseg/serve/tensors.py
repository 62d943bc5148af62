"""Tensors of the Open Inference Protocol, as JSON or as raw bytes behind it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from streetseg.serve.errors import RefusedError

TYPES: dict[str, Any] = {"UINT8": np.uint8, "FP32": np.float32}
HEADER_LENGTH = "inference-header-content-length"
JSON_VALUES = 2_000_000  # of an output in JSON; more go as bytes


def split_body(body: bytes, header_length: str | None, most: int) -> tuple[dict[str, Any], memoryview]:
    """Return a request's JSON and the bytes behind it.

    Args:
        body: The body.
        header_length: The header Inference-Header-Content-Length; None: all is JSON.
        most: Bytes that the JSON may have.

    Returns:
        The JSON object and the bytes.

    Raises:
        RefusedError: If the body is not a JSON object, or the length is wrong.
    """
    length = len(body)
    if header_length is not None:
        if not (header_length.isascii() and header_length.isdecimal() and len(header_length) < 12):
            refuse(f"Inference-Header-Content-Length is a number of bytes, got {header_length[:40]!r}")
        length = int(header_length)
        if length > len(body):
            refuse(f"Inference-Header-Content-Length is {length}, but the body has {len(body)} bytes")
    if length > most:
        raise RefusedError(413, f"the JSON has more than {most >> 20} MiB; send tensors as binary data")
    try:
        content = json.loads(body[:length], parse_constant=no_number)
    except (ValueError, RecursionError):
        refuse("the body is not JSON, or Inference-Header-Content-Length is missing")
    if not isinstance(content, dict):
        refuse("the JSON is not an object")
    return content, memoryview(body)[length:]


def no_number(name: str) -> NoReturn:
    """Raise ValueError for NaN and infinity, which JSON does not have."""
    raise ValueError(name)


def refuse(message: str) -> NoReturn:
    """Refuse a request."""
    raise RefusedError(400, message)


def frames_of(entry: Any, raw: memoryview | None, most_frames: int, most_pixels: int) -> NDArray[np.uint8]:
    """Return the frames in a request's input.

    Args:
        entry: The input of the JSON.
        raw: Its bytes; None: they are in the JSON.
        most_frames: Frames that are taken.
        most_pixels: Pixels of all frames together.

    Returns:
        N x H x W x 3 uint8.

    Raises:
        RefusedError: If the input is anything else.
    """
    shape = shape_of(entry)
    if entry.get("datatype") != "UINT8":
        refuse(f"input frames is UINT8, got {str(entry.get('datatype'))[:40]!r}")
    if len(shape) != 4 or shape[3] != 3 or 0 in shape:
        refuse(f"input frames has the shape [N, H, W, 3], RGB, got {shape[:8]}")
    if shape[0] > most_frames or shape[0] * shape[1] * shape[2] > most_pixels:
        raise RefusedError(413, f"a request has at most {most_frames} frames and {most_pixels:,} pixels")
    size = math.prod(shape)
    if raw is not None:
        if len(raw) != size:
            refuse(f"input frames has {len(raw)} bytes, its shape needs {size}")
        return np.frombuffer(raw, np.uint8).reshape(shape)
    try:
        values = np.array(entry.get("data"), dtype=object if entry.get("data") is None else None)
    except (ValueError, OverflowError):
        refuse("the data of input frames is ragged, or holds numbers beyond 0 to 255")
    if values.dtype.kind not in "iu" or values.size != size or values.min() < 0 or values.max() > 255:
        refuse(f"the data of input frames is {size} whole numbers from 0 to 255, nested or flat")
    return values.astype(np.uint8).reshape(shape)


def shape_of(entry: Any) -> list[int]:
    """Return the shape of an input; RefusedError if it has none."""
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side < 1 << 31 for side in shape):
        refuse("an input has no shape of whole numbers")
    return list(shape)


def binary_size(entry: Any) -> int | None:
    """Return the bytes of a binary input, by its parameters; None if its data are in the JSON."""
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        refuse("the parameters of an input are not an object")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        refuse("binary_data_size is a number of bytes")
    return int(size)


def encode(outputs: Sequence[tuple[str, str, NDArray[Any], bool]], head: dict[str, Any]) -> tuple[bytes, int | None]:
    """Return the body of an answer.

    Args:
        outputs: Name, datatype, values and whether they go as bytes, of each output.
        head: The other keys of the JSON.

    Returns:
        The body, and the length of its JSON; None if there is nothing else.

    Raises:
        RefusedError: If an output is too long for JSON.
    """
    described, raw = [], []
    for name, datatype, values, binary in outputs:
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(values.shape)}
        if binary:
            raw.append(np.ascontiguousarray(values).tobytes())
            entry["parameters"] = {"binary_data_size": len(raw[-1])}
        elif values.size > JSON_VALUES:
            refuse(f"output {name} has {values.size} values, JSON takes {JSON_VALUES}; ask for binary data")
        else:
            entry["data"] = values.ravel().tolist()
        described.append(entry)
    text = json.dumps({**head, "outputs": described}).encode()
    return (b"".join([text, *raw]), len(text)) if raw else (text, None)
