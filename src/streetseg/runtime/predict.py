"""Segment images, videos and cameras into files, as `streetseg predict` does."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from streetseg.errors import UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.addresses import is_live
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.films import FailedVideo, PredictedVideo, plan_films, predict_films, split_films
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.images import FailedImage, PredictedImage, plan, predict_images
from streetseg.runtime.inputs import as_sequence, list_images
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video_options import VideoOptions


@dataclass(frozen=True, repr=False)
class Predictions(Printable):
    """The results of `predict`.

    Attributes:
        images: The segmented images, in natural order.
        videos: The segmented videos, in the order given.
        failed: The images and videos that failed, each with its error.
        seconds: Time for the images, reading and writing included.
    """

    images: tuple[PredictedImage, ...] = ()
    videos: tuple[PredictedVideo, ...] = ()
    failed: tuple[FailedImage | FailedVideo, ...] = ()
    seconds: float = 0.0

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            "images" and "videos", the facts of each; "failed", the errors by file.
        """
        return {
            "images": [image.facts() for image in self.images],
            "videos": [video.facts() for video in self.videos],
            "failed": {name_of(failed): str(failed.error) for failed in self.failed},
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line for each image, video and error.
        """
        lines = [one.table() for one in (*self.images, *self.videos)]
        return "\n".join([*lines, *(str(failed.error) for failed in self.failed)])

    def summary(self) -> str:
        """Return one line about all images.

        Returns:
            Their number, images a second, the median of each stage, and the number of errors. Images that were the
            first of their size do not count in the medians, for their network was compiled.
        """
        failed = sum(isinstance(one, FailedImage) for one in self.failed)
        usual = [image for image in self.images if not image.first_of_size] or self.images
        medians = [
            f"{stage} {statistics.median(image.milliseconds[stage] for image in usual):.1f}"
            for stage in (usual[0].milliseconds if usual else ())
        ]
        rate = f"{len(self.images) / self.seconds:.1f} a second" if self.seconds else ""
        parts = [f"{len(self.images)} images in {self.seconds:.1f} s", rate]
        parts += [f"median ms: {', '.join(medians)}"] if medians else []
        return "; ".join(filter(None, [*parts, f"{failed} error{'s' * (failed != 1)}"]))


def name_of(failed: FailedImage | FailedVideo) -> str:
    """Return the name of what failed."""
    return str(failed.image) if isinstance(failed, FailedImage) else failed.video


Each: TypeAlias = Callable[[PredictedImage | FailedImage | PredictedVideo | FailedVideo], object]


def predict(
    paths: str | Path | Sequence[str | Path],
    out: str | Path | None,
    *,
    weights: str | Path | Segmenter | None = None,
    classmap: str | Path | None = None,
    every: int | None = None,
    max_frames: int | None = None,
    images: ImageOptions | None = None,
    video: VideoOptions | None = None,
    drawing: Drawing | None = None,
    skip_existing: bool = False,
    size: int | None = None,
    options: EngineOptions | None = None,
    each: Each = lambda image: None,
    tell: Callable[[str], object] = lambda line: None,
    progress: Progress = silent,
) -> Predictions:
    """Segment images, videos and cameras into files.

    An image gives a class map, a palette PNG whose values are the class indices, and an overlay. A video gives an
    overlay video and, with `classmap`, its class maps. What a file is, its content says.

    Args:
        paths: Images, videos, folders and patterns like "drive/*.png"; a camera ("0", "/dev/video0"); or a stream's
            address: "rtsp://...", "http://..." and so on. A folder without images gives its videos.
        out: The folder for the results, which mirrors the folders of the images; or NAME.jpg for one image, NAME.mp4
            for one video; None: no overlays, only what `classmap` and the window of `video` show.
        weights: NAME.onnx, NAME.xml, NAME.pt2, NAME.param or a name of weights; or an open Segmenter, which ignores
            `size` and `options`; None: the package's weights.
        classmap: For a video: NAME.mkv (lossless), NAME.npz or a folder for PNGs; None: no class maps. "{name}" in it
            stands for the video's name. Of several videos, each gets a folder of its own in a folder.
        every: For a video: segment every Nth frame; None: every frame.
        max_frames: For a video: stop after this number of segmented frames; None: at its end.
        images: Options of images; None: the defaults.
        video: Further options of videos and cameras; None: the defaults.
        drawing: How overlays look; None: the defaults.
        skip_existing: Leave out images and videos whose results are there.
        size: Pixels. Reduce frames to this short side; None: the card's.
        options: Engine, device and so on. `streams` is chosen here: one for a camera, else one a thread.
        each: Gets every image and video as soon as it is done, with its figures or its error. The others go on.
        tell: Gets a line for each pattern whose search passed over unreadable images or videos, and for each video of
            which one stream among several was chosen.
        progress: Shows the progress.

    Returns:
        The figures and errors of all images and videos.

    Raises:
        UsageError: If a path or an option is wrong; then nothing is written.
        VideoError: If the one video given is not a video, or has no frame that can be decoded.
        ArtefactError: If the weights cannot be opened.
        EngineError: If no engine runs them as the options say.
        OutputError: If a folder, or the one video's results, cannot be written.
    """
    films, pictures = split_films(str(path) for path in as_sequence(paths))
    options = options or EngineOptions()
    alone = len(films) == 1 and not pictures
    video = video or VideoOptions()
    given = {"classmap": classmap, "every": every, "max_frames": max_frames, **video.given()}
    for name, value in given.items() if not films else ():
        if value is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is for a video, but no video is given; leave it out, or give a video"
            )
    reading = images or ImageOptions()
    for name in reading.given() if not pictures else ():
        option = "no-recursive" if name == "recursive" else name.replace("_", "-")
        raise UsageError(f"--{option} is for images, but only videos are given; leave it out, or give an image")
    drawing = drawing or Drawing()
    if out is None and (pictures or not (classmap or video.show)):
        raise UsageError("--out is missing; give a folder or a file (a video with --show or --classmap needs none)")
    place = None if out is None else str(out)
    maps = None if classmap is None else str(classmap)
    planned = plan_films(films, place, maps, video, alone=alone) if films else []
    listed = (
        list_images(pictures, Path(place or "."), tell, recursive=reading.recursive, progress=progress)
        if pictures
        else []
    )
    jobs = plan(listed, str(place), confidence=reading.confidence) if listed else []
    if skip_existing:
        left = [job for job in jobs if not job.is_done()], [film for film in planned if not film.is_done()]
        if skipped := len(jobs) + len(planned) - len(left[0]) - len(left[1]):
            tell(f"note: {skipped} skipped, for their results are there")
        jobs, planned = left
        if not jobs and not planned:
            return Predictions()
    live = any(map(is_live, films))
    segmenter = open_segmenter(weights, size, options, 1 if live else options.cpu_threads if films else len(jobs))
    drawing.check(segmenter.card.classes)
    start = time.perf_counter()
    pictured = []
    for one in progress(predict_images(segmenter, jobs, reading, drawing, tell), "image", len(jobs)) if jobs else ():
        each(one)
        pictured.append(one)
    still = Predictions(
        tuple(one for one in pictured if isinstance(one, PredictedImage)),
        failed=tuple(one for one in pictured if isinstance(one, FailedImage)),
        seconds=time.perf_counter() - start,
    )
    if not planned:
        return still
    done = predict_films(
        segmenter,
        planned,
        every=1 if every is None else every,
        max_frames=max_frames,
        options=video,
        drawing=drawing,
        alone=alone,
        each=each,
        tell=tell,
        progress=progress,
    )
    return dataclasses.replace(
        still,
        videos=tuple(one for one in done if isinstance(one, PredictedVideo)),
        failed=(*still.failed, *(one for one in done if isinstance(one, FailedVideo))),
    )


def open_segmenter(
    weights: str | Path | Segmenter | None, size: int | None, options: EngineOptions, frames: int
) -> Segmenter:
    """Return the segmenter of the weights, with a stream for each of the `frames` to process at once if cores allow."""
    if isinstance(weights, Segmenter):
        return weights
    streams = min(options.cpu_threads, frames)
    return Segmenter.open(weights, size=size, options=dataclasses.replace(options, streams=streams))
