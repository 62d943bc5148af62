"""Measure how the rate of a bulk run grows with its workers, decoding and writing included."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streetseg.bulk.options import BulkOptions
from streetseg.bulk.run import bulk
from streetseg.errors import UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import write_image
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from streetseg.runtime.shelf.shelf import find_weights

DISTINCT = 8  # images; the others are copies


@dataclass(frozen=True, repr=False)
class BulkSpeed(Printable):
    """Frames a second of bulk runs.

    Attributes:
        size: H, W of the images in pixels.
        images: Number of images of each run.
        rates: Workers -> frames a second, from the moment that all workers were ready.
    """

    size: tuple[int, int]
    images: int
    rates: dict[int, float]

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            "height", "width", "images", and "workers": number -> frames a second and how often the first row's.
        """
        first = next(iter(self.rates.values()))
        rows = {
            str(count): {"frames_per_second": round(rate, 2), "times": round(rate / first, 2)}
            for count, rate in self.rates.items()
        }
        return {"height": self.size[0], "width": self.size[1], "images": self.images, "workers": rows}

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            A row for each number of workers.
        """
        first = next(iter(self.rates.values()))
        rows = [[str(count), f"{rate:.1f}", f"{rate / first:.2f}"] for count, rate in self.rates.items()]
        height, width = self.size
        head = f"{self.images} JPEGs of {height} x {width}, decoded, segmented by one thread a worker, written"
        return f"{head}\n\n{text_table([['workers', 'frames/s', 'times the first'], *rows])}"


def bench_bulk(
    workers: Sequence[int] = (1, 2),
    *,
    weights: str | Path | None = None,
    images: int = 200,
    size: tuple[int, int] | None = None,
    options: EngineOptions | None = None,
    progress: Progress = silent,
) -> BulkSpeed:
    """Measure bulk runs over the same images with different numbers of workers, one thread each.

    Args:
        workers: Numbers of workers, each 1 or more.
        weights: NAME.onnx, NAME.pt2 or a name of weights; None: the package's.
        images: Number of images of each run, 1 or more.
        size: H, W of the images in pixels; None: 4:3 at the card's native short side.
        options: Engine, device and precision.
        progress: Shows the progress.

    Returns:
        The rates.

    Raises:
        UsageError: If a number is below 1.
        ArtefactError: If the weights cannot be opened.
    """
    if not workers or min(workers) < 1 or images < 1:
        raise UsageError(f"workers and images must be at least 1, got {', '.join(map(str, workers))} and {images}")
    from streetseg.streets.scene import render  # here, for it would slow every command

    given = options or EngineOptions()
    one = EngineOptions(given.engine, given.device, 1, given.precision)
    short = read_card(DEFAULT_WEIGHTS if weights is None else find_weights(weights)).native_short_side
    height, width = size or (short, short * 4 // 3)
    rates = {}
    with tempfile.TemporaryDirectory(prefix="streetseg-") as folder:
        frames = [np.ascontiguousarray(render(seed, (height, width)).frame) for seed in range(min(DISTINCT, images))]
        for number in range(images):
            place = Path(folder, "images", f"{number:06d}.jpg")
            if number < len(frames):
                place.parent.mkdir(exist_ok=True)
                write_image(place, frames[number])
            else:
                place.hardlink_to(place.with_name(f"{number % len(frames):06d}.jpg"))
        for count in progress(workers, "run"):
            out = Path(folder, f"out{count}")
            done = bulk(Path(folder, "images"), out, weights=weights, workers=count, options=one, bulk=BulkOptions())
            rates[count] = done.rate or 0.0
    return BulkSpeed((height, width), images, rates)
