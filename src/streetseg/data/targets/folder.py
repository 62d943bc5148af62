"""images/SPLIT/, masks/SPLIT/ and classes.yaml. Masks hold class indices in a palette of the classes' colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

from streetseg.data.classes_yaml import CLASSES_FILE
from streetseg.data.pairs import IGNORE
from streetseg.data.targets.target import CleanFrame, Target, save_frame
from streetseg.data.yaml_lines import class_line


class FolderTarget(Target):
    """A user's own data."""

    def add(self, frame: CleanFrame) -> None:
        """Write the image to images/SPLIT/, and its class map to masks/SPLIT/."""
        save_frame(frame, self.root / "images" / frame.split / frame.name)
        if frame.label is not None:
            mask = Image.fromarray(frame.label)
            palette = np.zeros((256, 3), np.uint8)
            palette[: len(self.labels.colours)] = self.labels.colours
            mask.putpalette(palette.tobytes())
            path = self.root / "masks" / frame.split / f"{frame.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            mask.save(path)

    def finish(self) -> None:
        """Write classes.yaml."""
        lines = [
            class_line(name, indices=(index,), colours=[colour])
            for index, (name, colour) in enumerate(zip(self.labels.names, self.labels.colours, strict=True))
        ]
        lines.append(class_line("void", indices=(IGNORE,), ignore=True))
        (self.root / CLASSES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
