"""YOLO's polygons, as ultralytics and CVAT read them: data.yaml, images/train/ and labels/train/.

A line is "CLASS x y x y ...", with x and y as shares of the frame's width and height. Larger regions come first; later
lines cover them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from streetseg.bulk.prelabel.outlined import Outliner, Outlines
from streetseg.data.pairs import LabelSpace
from streetseg.data.targets.target import CleanFrame, Target, save_frame

DIGITS = 6


class YoloTarget(Target):
    """YOLO segmentation."""

    def __init__(self, root: Path, labels: LabelSpace, outlines: Outlines) -> None:
        super().__init__(root, labels)
        self.outliner = Outliner(labels, outlines)

    def add(self, frame: CleanFrame) -> None:
        """Write the image, and its polygons."""
        save_frame(frame, self.root / "images" / frame.split / frame.name)
        if frame.label is None:
            return
        height, width = frame.label.shape
        lines = [
            " ".join([str(region.index), *numbers(region.outline / (width, height))])
            for region in self.outliner.outline(frame.label)
        ]
        path = self.root / "labels" / frame.split / f"{frame.name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def finish(self) -> None:
        """Write data.yaml."""
        content = {"path": ".", "train": "images/train", "names": dict(enumerate(self.labels.names))}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (self.root / "data.yaml").write_text(text, encoding="utf-8")


def numbers(corners: np.ndarray) -> list[str]:
    """Return corners as texts, x and y in turn."""
    return [f"{value:.{DIGITS}f}" for value in corners.ravel().tolist()]
