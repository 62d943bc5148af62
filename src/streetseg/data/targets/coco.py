"""COCO JSON: SPLIT/ with the images, annotations/instances_SPLIT.json with a run-length mask for each class of a frame.

A pixel without an annotation is void. Readers take it for background if there is a class of that name; then void is a
category of its own. The JSON is written frame by frame, so that a large dataset needs no memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from streetseg.data.coco_runs import class_runs, compressed
from streetseg.data.pairs import IGNORE, LabelSpace
from streetseg.data.targets.target import CleanFrame, Target, save_frame


class CocoTarget(Target):
    """COCO's layout. Category 1 is the first class."""

    def __init__(self, root: Path, labels: LabelSpace) -> None:
        super().__init__(root, labels)
        self.images: dict[str, list[str]] = {}
        self.lines: dict[str, IO[str]] = {}  # split -> its annotations, a JSON object a line
        self.annotations = 0
        self.void_is_category = any(name.casefold() == "background" for name in labels.names)

    def add(self, frame: CleanFrame) -> None:
        """Write the image, and keep its annotations."""
        path = save_frame(frame, self.root / frame.split / frame.name)
        images = self.images.setdefault(frame.split, [])
        number = sum(map(len, self.images.values())) + 1
        height, width = frame.frame.shape[:2]
        entry = {"id": number, "file_name": path.name, "width": width, "height": height, "license": 1}
        images.append(json.dumps(entry, ensure_ascii=False))
        if frame.split not in self.lines:
            folder = self.root / "annotations"
            folder.mkdir(exist_ok=True)
            self.lines[frame.split] = (folder / f".{frame.split}.lines").open("w+", encoding="utf-8")
        if frame.label is None:
            return
        for index, runs in class_runs(frame.label).items():
            if index == IGNORE and not self.void_is_category:
                continue
            self.annotations += 1
            annotation = {
                "id": self.annotations,
                "image_id": number,
                "category_id": len(self.labels.names) + 1 if index == IGNORE else index + 1,
                "segmentation": {"size": [height, width], "counts": compressed(runs)},
                "area": int(runs[1::2].sum()),
                "bbox": box_of(frame.label == index),
                "iscrowd": 0,
            }
            self.lines[frame.split].write(json.dumps(annotation) + "\n")

    def finish(self) -> None:
        """Write the JSON of each split."""
        categories = [
            {"id": index + 1, "name": name, "supercategory": "street", "color": list(colour)}
            for index, (name, colour) in enumerate(zip(self.labels.names, self.labels.colours, strict=True))
        ]
        if self.void_is_category:
            categories.append({"id": len(categories) + 1, "name": "void", "supercategory": "void", "color": [0, 0, 0]})
        terms = [{"id": 1, "name": "see origin.yaml", "url": ""}]
        for split, lines in self.lines.items():
            path = self.root / "annotations" / f"instances_{split}.json"
            with path.open("w", encoding="utf-8") as file:
                file.write('{"info": {"description": "one run-length mask for each class of a frame"},\n"licenses": ')
                file.write(f"{json.dumps(terms)},\n")
                file.write(f'"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [\n')
                file.write(",\n".join(self.images[split]) + '\n],\n"annotations": [\n')
                lines.seek(0)
                for number, line in enumerate(lines):
                    file.write((",\n" if number else "") + line.rstrip("\n"))
                file.write("\n]}\n")
            lines.close()
            Path(lines.name).unlink()


def box_of(mask: NDArray[np.bool_]) -> list[int]:
    """Return the box around a mask: left, top, width, height."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]
