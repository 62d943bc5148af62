"""Draw a class map over its frame as the user wishes: opacity, legend, colours, chosen classes, side by side."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.runtime.documents import parse_json, parse_toml, read_text
from streetseg.runtime.overlay import Colour, overlay
from streetseg.runtime.result import Result

HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
# "car 0 0 142", "car, 0, 0, 142", "car:0,0,142::" or "car #00008e": a name, then a colour.
LINE = re.compile(r"(?P<name>.+?)[\s,;:=]+(?P<colour>#[0-9a-fA-F]{6}|\d+[\s,;]+\d+[\s,;]+\d+)[\s,;:]*")


@dataclass(frozen=True)
class Drawing:
    """Wishes for overlays.

    Attributes:
        opacity: Opacity of the colours, 0 (only the frame) to 1 (only the colours).
        legend: Draw the classes present and their shares.
        side_by_side: Put the plain frame to the left of its overlay.
        only: Names of the classes to paint; empty: all. Class maps keep all classes.
        colours: A file of class names with their colours: NAME.json or NAME.toml (name -> [R, G, B] or "#rrggbb"), or
            text or CSV with a name and R, G, B a line. Classes that it leaves out keep the card's colours, and so do
            all if it is None.

    Raises:
        UsageError: If the opacity is out of range, or the file cannot be read.
    """

    opacity: float = 0.5
    legend: bool = True
    side_by_side: bool = False
    only: tuple[str, ...] = ()
    colours: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise UsageError(f"opacity must be from 0 to 1, got {self.opacity:g}")
        _ = self.wished

    @cached_property
    def wished(self) -> Mapping[str, Colour]:
        """Return the colours of the file by class name."""
        return {} if self.colours is None else read_colours(Path(self.colours))

    def check(self, names: Sequence[str]) -> None:
        """Check that the network has the classes that are named.

        Args:
            names: The network's classes.

        Raises:
            UsageError: If it lacks one of `only`, or all of the file with colours.
        """
        known = set(map(str.casefold, names))
        for name in self.only:
            if name.casefold() not in known:
                raise UsageError(f"{name!r} is no class of these weights; classes are {', '.join(names)}")
        if self.wished and not known & set(self.wished):
            raise UsageError(f"{self.colours} names no class of these weights; classes are {', '.join(names)}")

    def palette(self, result: Result) -> tuple[Colour, ...]:
        """Return the classes' colours by index.

        Args:
            result: A segmented frame.

        Returns:
            RGB, 0 to 255.
        """
        pairs = zip(result.names, result.colours, strict=True)
        return tuple(self.wished.get(name.casefold(), colour) for name, colour in pairs)

    def paint(self, result: Result) -> NDArray[np.uint8]:
        """Paint the classes over the frame.

        Args:
            result: A segmented frame.

        Returns:
            H x W x 3 uint8 RGB; H x 2W x 3 side by side.
        """
        only = {name.casefold() for name in self.only}
        chosen = [index for index, name in enumerate(result.names) if name.casefold() in only] if only else None
        painted = overlay(
            result.frame,
            result.classmap,
            result.names,
            self.palette(result),
            opacity=self.opacity,
            legend=self.legend,
            only=chosen,
        )
        return np.hstack([result.frame, painted]) if self.side_by_side else painted

    def given(self) -> dict[str, object]:
        """Return the options that are not the defaults.

        Returns:
            Name -> value.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value != getattr(type(self), name)}


def read_colours(path: Path) -> dict[str, Colour]:
    """Return the colours of a file by class name, in lower case; UsageError if it cannot be read."""
    try:
        text = read_text(path)
        if path.suffix.lower() == ".json":
            pairs = dict(parse_json(text)).items()
        elif path.suffix.lower() == ".toml":
            pairs = parse_toml(text).items()
        else:
            lines = [line.strip() for line in text.splitlines()]
            matches = [match for match in map(LINE.fullmatch, lines) if match]  # a header is no match
            if len(matches) < len([line for line in lines if line and not line.startswith("#")]) - 1:
                raise ValueError("a line is not a name and R, G, B")
            pairs = {match["name"]: re.split(r"[\s,;]+", match["colour"]) for match in matches}.items()
        found = {str(name).strip().casefold(): as_colour(value) for name, value in pairs}
        if not found:
            raise ValueError("it holds no colour")
    except (OSError, ValueError, TypeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(
            f"colours {path} cannot be read: {reason}; give lines such as 'car 0 0 142', or JSON such as "
            '{"car": [0, 0, 142]}'
        ) from None
    return found


def as_colour(value: object) -> Colour:
    """Return a colour that is written as #rrggbb or as three numbers; ValueError for another."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str) and (match := HEX.fullmatch(value)):
        return int(match[1], 16), int(match[2], 16), int(match[3], 16)
    if isinstance(value, list) and len(value) == 3:
        red, green, blue = (int(part) for part in value)
        if all(0 <= part <= 255 for part in (red, green, blue)):
            return red, green, blue
    raise ValueError(f"{value!r} is no colour")
