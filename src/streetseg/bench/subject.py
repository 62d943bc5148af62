"""The network that is counted or timed. This module does not import PyTorch."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Argument: TypeAlias = bool | int | float | str | tuple[str, ...]


class Subject(NamedTuple):
    """A network with its arguments, at one input size.

    network: its name in models/networks.py. arguments: (name, value) of its builder. classes: number of classes.
    size: height and width of the input in pixels.
    """

    network: str
    arguments: tuple[tuple[str, Argument], ...]
    classes: int
    size: tuple[int, int]
