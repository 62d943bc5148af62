"""How much a film's class maps flicker: the share of pixels whose class changes although the picture only moved.

Optical flow says where a pixel was in the frame before. Where flow there and back agrees and the pixel looks as before,
its class should be the same; where it is not, it flickers. No labels are needed. Flow is known to about a pixel of the
reduced size at which it is found, so a class counts as kept if it was there within one such pixel.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.measure.evaluation import FlickerScore
from streetseg.measure.frames import EvaluatedFrame
from streetseg.measure.inputs import Artefact, opened_artefact
from streetseg.measure.setup import artefact_title
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import read_frame
from streetseg.runtime.inputs import list_images
from streetseg.runtime.motion import SHORT_SIDE, Motion, MotionFinder
from streetseg.runtime.segmenter import Segmenter
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
        milliseconds: Median time of a frame: network and class map, and smoothing.
    """

    film: str
    frames: int
    share: float
    followed: float
    steady: bool
    title: str
    weights: str
    milliseconds: float

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            All fields; shares with 6 digits, milliseconds with 2.
        """
        return asdict(self) | {
            "share": round(self.share, 6),
            "followed": round(self.followed, 6),
            "milliseconds": round(self.milliseconds, 2),
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line.
        """
        smoothed = ", smoothed over time" if self.steady else ""
        return (
            f"{self.film}: {self.share:.2%} of the pixels flicker ({self.title}{smoothed}; {self.frames} frames, "
            f"{self.followed:.0%} of the pixels could be followed; {self.milliseconds:.1f} ms a frame)"
        )


class FlickerMeter:
    """Counts the flicker of class maps over the frames of films, given in order."""

    def __init__(self) -> None:
        self.before: NDArray[np.uint8] | None = None
        self.pixels = self.followed = self.changed = self.frames = 0

    def add(self, motion: Motion | None, classmap: NDArray[np.uint8]) -> None:
        """Count one more frame.

        Args:
            motion: The motion from the frame before; None for the first frame of a film.
            classmap: H x W uint8.
        """
        before, self.before = self.before, classmap
        self.frames += 1
        if motion is None or before is None:
            return
        height, width = classmap.shape
        places, known = motion.at(height, width)
        self.pixels += classmap.size
        self.followed += int(np.count_nonzero(known))
        x, y = (np.clip(np.rint(places[..., i]), 0, side - 1).astype(np.intp) for i, side in ((0, width), (1, height)))
        rows, columns = np.nonzero(known & (before[y, x] != classmap))
        x, y, now = x[rows, columns], y[rows, columns], classmap[rows, columns]
        kept, reach = np.zeros(len(now), np.bool_), max(1, round(min(height, width) / SHORT_SIDE))
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                kept |= before[np.clip(y + down, 0, height - 1), np.clip(x + across, 0, width - 1)] == now
        self.changed += int(np.count_nonzero(~kept))

    @property
    def share(self) -> float:
        """Return the share of the followed pixels whose class changed, 0 to 1."""
        return self.changed / self.followed if self.followed else 0.0


class FilmSegmenter:
    """Segments the frames of films in order, and measures how the class maps, and perhaps labels, flicker.

    Args:
        segmenter: The segmenter.
        films: The name of each frame's film, in order.
        steady: Smooth the class maps over time.
    """

    def __init__(self, segmenter: Segmenter, films: Iterable[str], *, steady: bool) -> None:
        self.segmenter, self.films, self.steady = segmenter, iter(films), steady
        self.film: str | None = None
        self.motion: Motion | None = None
        self.maps, self.labels = FlickerMeter(), FlickerMeter()
        self.milliseconds: list[float] = []

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the class map, H x W uint8, of the next frame, H x W x 3 uint8 RGB."""
        film = next(self.films)
        if film != self.film:
            self.film, self.find, self.smooth = film, MotionFinder(), Steady(self.segmenter)
        result = self.segmenter(frame, logits=self.steady)
        if self.steady:
            result = self.smooth(result)
            self.motion = self.smooth.motion
        else:
            self.motion = self.find(frame)
        self.milliseconds.append(sum(result.milliseconds.values()))
        self.maps.add(self.motion, result.classmap)
        return result.classmap

    def watch(self, evaluated: EvaluatedFrame) -> None:
        """Count the label of the frame that was segmented last."""
        self.labels.add(self.motion, evaluated.label)

    def score(self) -> FlickerScore:
        """Return the figures of all frames; UsageError if no film has two frames of one size."""
        if not self.maps.pixels:
            raise UsageError(f"there are {self.maps.frames} frames; flicker needs two or more of a film, of one size")
        return FlickerScore(
            share=self.maps.share,
            followed=self.maps.followed / self.maps.pixels,
            labels=self.labels.share,
            steady=self.steady,
            milliseconds=statistics.median(self.milliseconds),
        )


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
        artefact: NAME.onnx, NAME.xml, NAME.pt2, a name of weights, or an open Segmenter. None: the package's weights.
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
    with opened_artefact(artefact, options or EngineOptions(), None) as segmenter:
        films = FilmSegmenter(segmenter, repeat(str(film)), steady=steady)
        for frame in progress(islice(frames_of(film), max_frames), "frame"):
            films(frame)
    card, score = segmenter.card, films.score()
    return Flicker(
        str(film), films.maps.frames, score.share, score.followed, steady, artefact_title(card), card.content_hash,
        score.milliseconds,
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
