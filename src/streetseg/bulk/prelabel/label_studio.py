"""Label Studio's tasks with predictions: tasks.json, label_config.xml and images/.

Label Studio shows predictions as a first draft; an annotator corrects and submits them. They are polygons, or brush
masks on request. Images are addressed as its local storage gives them: /data/local-files/?d=images/NAME.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from streetseg.bulk.prelabel.outlined import Outliner, Outlines
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.data.targets.target import CleanFrame, Target, save_frame

ADDRESS = "/data/local-files/?d=images/"
CHANNELS = 4  # of the RGBA that a brush's run lengths are of
WIDTHS = (4, 8, 12, 16)  # bits of run lengths; the numbers of the format are these less 1
LONGEST_RUN = 2 ** WIDTHS[-1]


class LabelStudioTarget(Target):
    """Label Studio's tasks."""

    def __init__(self, root: Path, labels: LabelSpace, outlines: Outlines) -> None:
        super().__init__(root, labels)
        self.outliner, self.brush = Outliner(labels, outlines), outlines.brush
        self.file: IO[str] | None = None

    def add(self, frame: CleanFrame) -> None:
        """Write the image and its task."""
        image = save_frame(frame, self.root / "images" / frame.name)
        results = [] if frame.label is None else self.results(frame.label)
        task = {
            "data": {"image": ADDRESS + quote(image.name)},
            "predictions": [{"model_version": "streetseg", "result": results}],
        }
        if self.file is None:
            self.file = (self.root / "tasks.json").open("w", encoding="utf-8")
            self.file.write("[\n")
        else:
            self.file.write(",\n")
        self.file.write(json.dumps(task, ensure_ascii=False))

    def results(self, label: NDArray[np.uint8]) -> list[dict[str, object]]:
        """Return the regions of a class map."""
        height, width = label.shape
        values = self.masks(label) if self.brush else self.polygons(label)
        kind = "brush" if self.brush else "polygon"
        return [
            {
                "id": f"{kind}{number}", "from_name": kind, "to_name": "image", "type": f"{kind}labels",
                "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
            }
            for number, value in enumerate(values)
        ]  # fmt: skip

    def masks(self, label: NDArray[np.uint8]) -> list[dict[str, object]]:
        """Return a brush mask for each class."""
        self.outliner.agreement.add(label, label)
        return [
            {"format": "rle", "rle": brush_runs(label == index), "brushlabels": [self.labels.names[index]]}
            for index in np.unique(label).tolist()
            if index != IGNORE
        ]

    def polygons(self, label: NDArray[np.uint8]) -> list[dict[str, object]]:
        """Return a polygon for each region; places are in per cent of the frame."""
        height, width = label.shape
        return [
            {
                "points": (region.outline * (100 / width, 100 / height)).round(5).tolist(),
                "closed": True,
                "polygonlabels": [self.labels.names[region.index]],
            }
            for region in self.outliner.outline(label)
        ]

    def finish(self) -> None:
        """Close the tasks, and write the project's labelling interface."""
        if self.file is not None:
            self.file.write("\n]\n")
            self.file.close()
        kind = "Brush" if self.brush else "Polygon"
        lines = [
            f'    <Label value={quoteattr(name)} background="#{r:02x}{g:02x}{b:02x}"/>'
            for name, (r, g, b) in zip(self.labels.names, self.labels.colours, strict=True)
        ]
        text = (
            f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
            f'  <{kind}Labels name="{kind.lower()}" toName="image">\n' + "\n".join(lines) +
            f"\n  </{kind}Labels>\n</View>\n"
        )  # fmt: skip
        (self.root / "label_config.xml").write_text(text, encoding="utf-8")


def brush_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return a mask as Label Studio's brush has it (`encoded_masks.brush_mask` says the form).

    Args:
        mask: H x W bool.

    Returns:
        The bytes.
    """
    flat = mask.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size) * CHANNELS
    pieces = [f"{flat.size * CHANNELS:032b}{7:05b}", *(f"{width - 1:04b}" for width in WIDTHS)]
    for inside, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        left = length
        while left:
            run = min(left, LONGEST_RUN)
            number = next(place for place, width in enumerate(WIDTHS) if run <= 2**width)
            pieces.append(f"1{number:02b}{run - 1:0{WIDTHS[number]}b}{255 * inside:08b}")
            left -= run
    bits = np.frombuffer("".join(pieces).encode("ascii"), np.uint8) - ord("0")
    packed: list[int] = np.packbits(bits).tolist()
    return packed
