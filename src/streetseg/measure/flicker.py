"""How much a film's class maps flicker: the share of pixels whose class changes although the picture only moved.

Optical flow says where a pixel was in the frame before. Where flow there and back agrees and the pixel looks as before,
its class should be the same; where it is not, it flickers. No labels are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.measure.inputs import Artefact, opened_artefact
from streetseg.measure.setup import artefact_title
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import read_frame
from streetseg.runtime.inputs import list_images
from streetseg.runtime.motion import MotionFinder
from streetseg.runtime.steady import Steady


@dataclass(frozen=True, repr=False)
class Flicker(Printable):
    """The flicker of a film's class maps.

    Attributes:
        film: The film.
        frames: Number of frames.
        share: Share of the followed pixels whose class changed, 0 to 1.
        followed: Share of all pixels that could be followed from the frame before, 0 to 1.
        steady: True if the class maps were smoothed over time.
        title: The artefact.
        weights: Its content hash.
    """

    film: str
    frames: int
    share: float
    followed: float
    steady: bool
    title: str
    weights: str

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            All fields; shares with 6 digits.
        """
        return asdict(self) | {"share": round(self.share, 6), "followed": round(self.followed, 6)}

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line.
        """
        smoothed = ", smoothed over time" if self.steady else ""
        return (
            f"{self.film}: {self.share:.2%} of the pixels flicker ({self.title}{smoothed}; {self.frames} frames, "
            f"{self.followed:.0%} of the pixels could be followed)"
        )


class FlickerMeter:
    """Counts flicker over the frames of one film, given in order."""

    def __init__(self) -> None:
        self.motion = MotionFinder()
        self.before: NDArray[np.uint8] | None = None
        self.pixels = self.followed = self.changed = self.frames = 0

    def add(self, frame: NDArray[np.uint8], classmap: NDArray[np.uint8]) -> None:
        """Count one more frame.

        Args:
            frame: H x W x 3 uint8 RGB.
            classmap: H x W uint8.
        """
        motion, before = self.motion(frame), self.before
        self.before = classmap
        self.frames += 1
        if motion is None or before is None:
            return
        height, width = classmap.shape
        places, known = motion.at(height, width)
        x = np.clip(np.rint(places[..., 0]), 0, width - 1).astype(np.intp)
        y = np.clip(np.rint(places[..., 1]), 0, height - 1).astype(np.intp)
        self.pixels += classmap.size
        self.followed += int(np.count_nonzero(known))
        self.changed += int(np.count_nonzero(known & (before[y, x] != classmap)))

    @property
    def share(self) -> float:
        """Return the share of the followed pixels whose class changed, 0 to 1."""
        return self.changed / self.followed if self.followed else 0.0


def measure_flicker(
    artefact: Artefact = None,
    *,
    film: Path | str,
    steady: bool = False,
    max_frames: int | None = None,
    options: EngineOptions | None = None,
    progress: Progress = silent,
) -> Flicker:
    """Measure how much an artefact's class maps of a film flicker.

    Args:
        artefact: NAME.onnx, NAME.pt2, a name of weights, or an open Segmenter. None: the package's weights.
        film: A video file, or a folder of its frames.
        steady: Smooth the class maps over time, as `predict --steady` does.
        max_frames: Stop after this number of frames; None: at the end.
        options: How the artefact is run.
        progress: Shows the progress over the frames.

    Returns:
        The share of flickering pixels.

    Raises:
        MissingExtraError: OpenCV or PyAV is not installed.
        UsageError: The film has fewer than two frames.
        VideoError: The film cannot be read.
    """
    meter = FlickerMeter()
    with opened_artefact(artefact, options or EngineOptions(), None) as segmenter:
        smooth = Steady(segmenter) if steady else None
        card = segmenter.card
        for frame in progress(islice(frames_of(film), max_frames), "frame"):
            result = segmenter(frame, logits=steady)
            meter.add(frame, (smooth(result) if smooth else result).classmap)
    if not meter.pixels:
        raise UsageError(f"{film} has {meter.frames} frames; flicker needs two or more of one size")
    return Flicker(
        str(film), meter.frames, meter.share, meter.followed / meter.pixels, steady, artefact_title(card),
        card.content_hash,
    )  # fmt: skip


def frames_of(film: Path | str) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video file, or of a folder of images in natural order; H x W x 3 uint8 RGB each."""
    if Path(film).is_dir():
        yield from (read_frame(image.path) for image in list_images([film]))
        return
    from streetseg.runtime.video.pixels import upright_rgb  # needs PyAV
    from streetseg.runtime.video.reader import VideoReader

    with VideoReader(str(film)) as reader:
        for frame in reader:
            yield upright_rgb(frame, reader.size)
