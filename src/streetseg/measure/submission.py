"""Files for a benchmark's test server, which keeps the labels to itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.data.pairs import Dataset, Pair
from streetseg.errors import DatasetError
from streetseg.measure.evaluate import Predict
from streetseg.runtime.files import make_folder, write_file
from streetseg.runtime.frames import encode_png, read_frame


def write_submission(
    predict: Predict,
    names: tuple[str, ...],
    dataset: Dataset,
    split: str,
    folder: Path,
    progress: Callable[[Iterable[Pair]], Iterable[Pair]] = iter,
) -> int:
    """Write the class map of each frame of a split as folder/FRAME.png, 8-bit grey, in the values the server takes.

    predict, names: as in evaluate. Returns the number of files. DatasetError where the dataset has no server, or does
    not know all of `names`; OutputError where the folder cannot be written to.
    """
    theirs = dataset.labels.names
    if not dataset.server_values:
        raise DatasetError(f"{dataset.root} ({dataset.name}) has no test server; for class maps: streetseg predict")
    unknown = [name for name in names if name not in theirs]
    if unknown:
        raise DatasetError(
            f"the test server of {dataset.name} does not know {', '.join(unknown)}; take weights with its classes"
        )
    values = np.array([dataset.server_values[theirs.index(name)] for name in names], np.uint8)
    pairs = dataset.pairs(split)
    make_folder(folder)
    for pair in progress(pairs):
        classes = predict(read_frame(pair.image))
        write_file(folder / f"{Path(pair.name).name}.png", encode_png(Image.fromarray(values[classes])))
    return len(pairs)
