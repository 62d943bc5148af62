"""Start figures of matplotlib, which is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streetseg.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of matplotlib, in inches; MissingExtraError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure  # here, for it would slow every command
    except ImportError:
        raise MissingExtraError("matplotlib", "drawing a figure", "plots") from None
    return Figure(figsize=(width, height), layout="constrained")
