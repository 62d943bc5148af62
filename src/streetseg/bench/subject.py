"""What is counted and timed: a network as it is built, at one input size. No torch here."""

from __future__ import annotations

from typing import Any, NamedTuple


class Subject(NamedTuple):
    """What is counted and timed for a row: a network as built, at an input of height and width `size`."""

    network: str
    arguments: tuple[tuple[str, Any], ...]
    classes: int
    size: tuple[int, int]
