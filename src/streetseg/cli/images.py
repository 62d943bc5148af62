"""Options of `streetseg predict` for images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streetseg.runtime.image_options import ImageOptions


def add_image_options(verb: argparse.ArgumentParser) -> None:
    """Add the options for images, in a group of their own."""
    group = verb.add_argument_group("for images")
    group.add_argument(
        "--recursive", action=argparse.BooleanOptionalAction, default=None,
        help="search folders with their subfolders (default: yes)",
    )  # fmt: skip
    group.add_argument(
        "--confidence", action="store_true", default=None,
        help="write NAME_confidence.png, too: how sure the network is, from 0 (black) to 1 (white)",
    )  # fmt: skip
    add_reading(group)


def add_image_reading(verb: argparse.ArgumentParser) -> None:
    """Add the options of reading images, in a group of their own."""
    add_reading(verb.add_argument_group("for images"))


def add_reading(group: argparse._ArgumentGroup) -> None:
    """Add the options of reading images."""
    group.add_argument(
        "--levels", metavar="BITS|BLACK:WHITE",
        help="range of values with more than 8 bits: 12, or 64:4095 (default: by the file)",
    )  # fmt: skip
    group.add_argument("--max-pixels", type=int, metavar="N", help="refuse larger images (default: 100,000,000)")
    group.add_argument(
        "--void-transparent", action="store_true", default=None,
        help="give transparent pixels no class (255 in the class map)",
    )  # fmt: skip
    group.add_argument(
        "--window", type=int, metavar="PIXELS",
        help="segment large images at their own size, in overlapping windows of this side (default: whole, reduced)",
    )  # fmt: skip


def image_options(options: argparse.Namespace) -> ImageOptions:
    """Return what `add_image_options` parsed."""
    from streetseg.runtime.image_options import ImageOptions

    names = ImageOptions.__dataclass_fields__
    return ImageOptions(**{name: value for name, value in vars(options).items() if name in names and value is not None})
