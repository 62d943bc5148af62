"""Write class maps for a benchmark's test server, which does not publish its labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError
from streetseg.measure.frames import Predict
from streetseg.progress import Progress, silent
from streetseg.runtime.files import make_folder, write_file
from streetseg.runtime.frames import encode_png, read_frame


def write_submission(
    predict: Predict,
    names: tuple[str, ...],
    dataset: Dataset,
    split: str,
    folder: Path,
    progress: Progress = silent,
) -> int:
    """Write the class map of each frame of a split as folder/FRAME.png, 8-bit grey, in the values of the server.

    Args:
        predict: Takes a frame, H x W x 3 uint8 RGB, and returns its class map, H x W uint8.
        names: Class names of the predicted indices.
        dataset: The dataset of the benchmark.
        split: The split to predict; it needs no labels.
        folder: Where to write.
        progress: Shows how far the loop is.

    Returns:
        The number of files.

    Raises:
        DatasetError: The dataset has no test server, or the server does not know all of `names`.
        OutputError: The folder cannot be written to.
    """
    known = dataset.labels.names
    if not dataset.server_values:
        raise DatasetError(f"{dataset.root} ({dataset.name}) has no test server; for class maps: streetseg predict")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DatasetError(
            f"the test server of {dataset.name} does not know {', '.join(unknown)}; take weights with its classes"
        )
    values = np.array([dataset.server_values[known.index(name)] for name in names], np.uint8)
    pairs = dataset.pairs(split)
    make_folder(folder)
    for pair in progress(pairs, "frame"):
        classes = predict(read_frame(pair.image))
        write_file(folder / f"{Path(pair.name).name}.png", encode_png(Image.fromarray(values[classes])))
    return len(pairs)
