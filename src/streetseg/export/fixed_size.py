"""The size of frames that an export takes if it takes one only."""

from __future__ import annotations

from streetseg.errors import UsageError
from streetseg.export.options import ExportOptions
from streetseg.runtime.card import ModelCard

WIDTH_TO_HEIGHT = 4, 3  # of most camera sensors, and of CamVid's frames


def fixed_size(options: ExportOptions, card: ModelCard) -> tuple[int, int]:
    """Return H, W in pixels: the given size, else the card's native short side at its operating scale, 4:3.

    Both sides are rounded to what the network takes.
    """
    if options.size is not None:
        return options.size
    height = card.native_short_side * card.operating_scale
    wide, high = WIDTH_TO_HEIGHT
    rounded = [max(1, round(side / card.size_multiple)) * card.size_multiple for side in (height, height * wide / high)]
    return rounded[0], rounded[1]


def check_output(target: str, options: ExportOptions) -> None:
    """Raise UsageError for an output that these targets do not have."""
    if options.output == "probabilities":
        raise UsageError(f"target {target} has no output probabilities; choose one of logits, classmap")
