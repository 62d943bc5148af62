"""The rows of the table: one for each frame, one for what could not be segmented."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

STAGES = ("decode", "network", "class map", "write")


@dataclass(frozen=True)
class Runs:
    """A class map as runs: row by row, a class and for how many pixels it goes on.

    Attributes:
        values: N uint8, the classes.
        lengths: N uint32, the pixels of each run; their sum is H * W.
    """

    values: NDArray[np.uint8]
    lengths: NDArray[np.uint32]

    @classmethod
    def of(cls, classmap: NDArray[np.uint8]) -> Runs:
        """Return the runs of a class map."""
        flat = classmap.reshape(-1)
        starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
        return cls(flat[starts], np.diff(np.r_[starts, len(flat)]).astype(np.uint32))


@dataclass(frozen=True)
class Row:
    """A frame, or what could not be segmented.

    Attributes:
        source: The path or the address.
        seconds: Time of a film's frame from the first one; None for an image, and for an error of a whole film.
        width: Pixels of the frame; None if there is none.
        height: Pixels of the frame.
        result: The file of the class map below the output, or the file of the shard; None if there is none.
        key: Name of the frame in its shard; None for a PNG.
        overlay: The file of the overlay; None if there is none.
        shares: Share of each class in the pixels, 0 to 1, by index.
        confidence: Mean confidence of the pixels, 0 to 1.
        unsure: Share of the pixels whose confidence is below the threshold.
        error: Why there is no class map; None if there is one. A film's damage stands in a row of its own.
        milliseconds: Stage -> milliseconds.
        runs: The class map for a shard.
    """

    source: str
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    result: str | None = None
    key: str | None = None
    overlay: str | None = None
    shares: tuple[float, ...] | None = None
    confidence: float | None = None
    unsure: float | None = None
    error: str | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    runs: Runs | None = None


def to_bytes(rows: list[Row]) -> bytes:
    """Return rows as one line of JSON each, without runs."""
    lines = [
        json.dumps({f.name: getattr(row, f.name) for f in dataclasses.fields(Row) if f.name != "runs"}) for row in rows
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def from_bytes(data: bytes) -> list[Row]:
    """Return the rows that `to_bytes` wrote; ValueError for other bytes."""
    return [from_json(json.loads(line)) for line in data.decode().splitlines()]


def from_json(values: dict[str, Any]) -> Row:
    """Return a row from its JSON."""
    shares = values["shares"]
    return Row(**{**values, "shares": None if shares is None else tuple(shares)})
