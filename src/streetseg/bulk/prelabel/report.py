"""What a pre-labelling wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streetseg.results import Facts, Printable, rounded


@dataclass(frozen=True, repr=False)
class Prelabelled(Printable):
    """The result of `prelabel`.

    Attributes:
        out: The folder or the zip.
        to: The label tool.
        classes: The classes, in their order.
        frames: Number of frames written.
        listed: Number of images that the source holds.
        failed: Image -> why it could not be segmented.
        tolerance: Pixels by which outlines may miss the true ones; None for masks.
        iou: Mean IoU of the class maps and of what the annotations give, 0 to 1; 1 for masks.
    """

    out: Path
    to: str
    classes: tuple[str, ...]
    frames: int
    listed: int
    failed: dict[Path, str]
    tolerance: float | None
    iou: float

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The fields by their names; paths as text, IoU with 6 digits.
        """
        return {
            "out": str(self.out),
            "to": self.to,
            "classes": list(self.classes),
            "frames": self.frames,
            "listed": self.listed,
            "failed": {str(path): text for path, text in self.failed.items()},
            "tolerance": self.tolerance,
            "iou": rounded(self.iou),
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line.
        """
        way = "masks" if self.tolerance is None else f"polygons, tolerance {self.tolerance:g} pixels"
        errors = f"{len(self.failed)} error{'s' * (len(self.failed) != 1)}"
        return (
            f"{self.out}: {self.frames} of {self.listed} frames, {len(self.classes)} classes for {self.to}; {way}, "
            f"IoU there and back {100 * self.iou:.2f} %; {errors}"
        )
