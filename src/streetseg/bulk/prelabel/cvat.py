"""CVAT's "Segmentation mask 1.1": JPEGImages/, SegmentationClass/ in the labels' colours, labelmap.txt and a list.

Names keep their folders, because CVAT finds a task's frames by them. Void is CVAT's label `background`, black.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streetseg.data.pairs import IGNORE, LabelSpace, distinct_colours
from streetseg.data.targets.target import CleanFrame, Target, save_frame, save_png

BACKGROUND = "background"
BLACK = (0, 0, 0)


class CvatTarget(Target):
    """CVAT's masks."""

    def __init__(self, root: Path, labels: LabelSpace) -> None:
        super().__init__(root, labels)
        colours = labels.colours
        if len({BLACK, *colours}) <= len(colours):  # the colour is all that tells a class
            colours = distinct_colours(len(labels.names))
        self.palette = np.zeros((IGNORE + 1, 3), np.uint8)
        self.palette[: len(colours)] = colours
        self.names: list[str] = []

    def add(self, frame: CleanFrame) -> None:
        """Write the image and its mask."""
        save_frame(frame, self.root / "JPEGImages" / frame.name)
        if frame.label is not None:
            save_png(self.palette[frame.label], self.root / "SegmentationClass" / f"{frame.name}.png")
        self.names.append(frame.name)

    def finish(self) -> None:
        """Write the labels and the list of names."""
        lines = ["# label:color_rgb:parts:actions"]
        if not any(name.casefold() == BACKGROUND for name in self.labels.names):
            lines.append(f"{BACKGROUND}:0,0,0::")
        for name, colour in zip(self.labels.names, self.palette.tolist(), strict=False):
            lines.append(f"{name}:{','.join(map(str, colour))}::")
        (self.root / "labelmap.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        listed = self.root / "ImageSets" / "Segmentation" / "default.txt"
        listed.parent.mkdir(parents=True)
        listed.write_text("".join(f"{name}\n" for name in self.names), encoding="utf-8")
