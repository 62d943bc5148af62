"""Write class maps for the test server of a benchmark that keeps its labels secret: `streetseg.write_submission`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError
from streetseg.measure.frames import Predict
from streetseg.measure.inputs import Artefact, Exporter, engine_options, opened_artefact, opened_dataset
from streetseg.measure.views import Views, ViewSegmenter
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import make_folder, write_file
from streetseg.runtime.frames import encode_png, read_frame


@dataclass(frozen=True, repr=False)
class Submission(Printable):
    """The files for a test server.

    Attributes:
        folder: Where they are.
        files: Their number.
    """

    folder: Path
    files: int

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The folder and the number of files.
        """
        return {"folder": str(self.folder), "files": self.files}

    def table(self) -> str:
        """Return the result for a terminal.

        Returns:
            One line with the number of files and the folder.
        """
        return f"{self.files} files for the test server: {self.folder}"


def write_submission(
    artefact: Artefact = None,
    *,
    data: Dataset | Path | str,
    out: Path | str,
    dataset: str | None = None,
    split: str = "val",
    scales: Sequence[float] | None = None,
    flip: bool = False,
    window: tuple[int, int] | None = None,
    overlap: float = Views.overlap,
    options: EngineOptions | None = None,
    engine: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    export: Exporter | None = None,
    progress: Progress = silent,
) -> Submission:
    """Write the class maps of a split in the format of a benchmark's test server.

    Args:
        artefact: NAME.onnx, NAME.xml, NAME.pt2, a name of the shelf, or an open Segmenter; NAME.safetensors, which is
            exported first. None: the weights that come with the package.
        data: The dataset's folder, or an open dataset.
        out: Folder for the class maps: FRAME.png, 8-bit grey, in the server's values.
        dataset: The name of the dataset; None: its layout decides.
        split: The split to predict; it needs no labels.
        scales: Scales of the network's input instead of the card's; several are averaged.
        flip: Average with the mirrored frame.
        window: H, W in pixels of windows; None: the whole frame at once.
        overlap: Least share of its size by which a window overlaps the next one, from 0 to below 1.
        options: How the artefact is run, in place of the four keywords that follow.
        engine: See `EngineOptions`, as for the next three.
        device: The device that runs the network.
        threads: CPU threads.
        precision: The arithmetic.
        export: What exports NAME.safetensors; None: `streetseg.export`.
        progress: Shows the progress over the frames.

    Returns:
        The folder and the number of files.

    Raises:
        ArtefactError: The artefact is not there, or is damaged.
        DatasetError: The dataset has no test server, or the server does not know all of the artefact's classes.
        EngineError: No engine runs the artefact as the options say.
        OutputError: A file cannot be written.
        UsageError: A value is out of range.
    """
    views = Views.of(scales, flip, window, overlap)
    options = engine_options(options, engine, device, threads, precision)
    opened = opened_dataset(data, dataset)
    with opened_artefact(artefact, options, export) as segmenter:
        predict, names = ViewSegmenter(segmenter, views), segmenter.card.classes
        return Submission(Path(out), write_server_files(predict, names, opened, split, Path(out), progress))


def write_server_files(
    predict: Predict,
    names: tuple[str, ...],
    dataset: Dataset,
    split: str,
    folder: Path,
    progress: Progress = silent,
) -> int:
    """Write the class map of each frame of a split as folder/FRAME.png; return the number of files.

    names: Class names of the predicted indices. Raises as `write_submission` does.
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
