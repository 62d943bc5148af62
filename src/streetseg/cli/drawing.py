"""Options of `streetseg predict` for the look of overlays."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.options import path

if TYPE_CHECKING:
    from streetseg.runtime.drawing import Drawing


def add_drawing_options(verb: argparse.ArgumentParser) -> None:
    """Add the options for overlays, in a group of their own."""
    group = verb.add_argument_group("for overlays")
    group.add_argument(
        "--opacity", type=float, metavar="SHARE", default=0.5, help="of the colours, from 0 to 1 (default: 0.5)"
    )
    group.add_argument("--no-legend", action="store_true", help="leave out the list of classes")
    group.add_argument("--side-by-side", action="store_true", help="put the plain frame to the left")
    group.add_argument("--only", metavar="CLASS,CLASS", help="paint these classes only (default: all)")
    group.add_argument(
        "--colours",
        type=path,
        metavar="FILE",
        help="lines such as 'car 0 0 142', or JSON (default: the card's)",
    )


def drawing_options(options: argparse.Namespace) -> Drawing:
    """Return what `add_drawing_options` parsed."""
    from streetseg.runtime.drawing import Drawing

    only = tuple(filter(None, map(str.strip, (options.only or "").split(","))))
    return Drawing(options.opacity, not options.no_legend, options.side_by_side, only, options.colours)
