"""Cityscapes' layout, with *_polygons.json for its label tool beside labelIds.

Its tools paint with Pillow: corners are pixels, and the outline belongs to the object.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from streetseg.bulk.prelabel.outlined import Outliner, Outlines
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.data.polygon_files import ENDING
from streetseg.data.targets.cityscapes import CityscapesTarget
from streetseg.data.targets.target import CleanFrame

UNLABELLED = "unlabeled"  # Cityscapes' spelling


class CityscapesPolygons(CityscapesTarget):
    """Cityscapes' layout with polygons."""

    def __init__(self, root: Path, labels: LabelSpace, outlines: Outlines) -> None:
        super().__init__(root, labels)
        self.outliner = Outliner(labels, outlines)

    def add(self, frame: CleanFrame) -> None:
        """Write the image, its class map and its polygons."""
        super().add(frame)
        if frame.label is None:
            return
        height, width = frame.label.shape
        canvas = Image.new("L", (width, height), IGNORE)
        pen, objects = ImageDraw.Draw(canvas), []
        for region in self.outliner.regions(frame.label):
            corners = np.floor(region.outline).astype(int)
            pen.polygon([(x, y) for x, y in corners.tolist()], fill=region.index)
            name = UNLABELLED if region.index == IGNORE else self.labels.names[region.index]
            objects.append({"label": name, "polygon": corners.tolist()})
        self.outliner.agreement.add(frame.label, np.asarray(canvas))
        stem = self.names[-1][0]
        path = self.root / "gtFine" / frame.split / stem.partition("_")[0] / f"{stem}_gtFine{ENDING}"
        content = {"imgHeight": height, "imgWidth": width, "objects": objects}
        path.write_text(json.dumps(content), encoding="utf-8")
