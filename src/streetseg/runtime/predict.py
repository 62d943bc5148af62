"""Segment images, videos and cameras into files, as `streetseg predict` does."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from streetseg.errors import StreetsegError, UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.addresses import is_live
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import make_folder, names_file
from streetseg.runtime.films import FailedVideo, PredictedVideo, plan_films, predict_films, split_films
from streetseg.runtime.frames import PICTURE_SUFFIXES, read_frame, write_classmap, write_picture
from streetseg.runtime.inputs import (
    CLASSMAP_ENDING,
    OVERLAY_ENDING,
    ImageFile,
    as_sequence,
    list_images,
)
from streetseg.runtime.overlay import percent
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import in_order
from streetseg.runtime.video_options import VideoOptions


@dataclass(frozen=True, repr=False)
class PredictedImage(Printable):
    """A segmented image.

    Attributes:
        image: The file.
        width: Pixels of the image.
        height: Pixels of the image.
        milliseconds: Stage -> milliseconds: "decode", "network", "class map" and "write".
        share: Class name -> its share of the pixels, 0 to 1; the classes present, largest first.
        classes: The file of the class map.
        overlay: The file of the overlay.
    """

    image: Path
    width: int
    height: int
    milliseconds: Mapping[str, float]
    share: Mapping[str, float]
    classes: Path
    overlay: Path

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            All fields, paths as text; milliseconds with 2 digits, shares with 6.
        """
        return {
            "image": str(self.image),
            "width": self.width,
            "height": self.height,
            "milliseconds": {stage: round(value, 2) for stage, value in self.milliseconds.items()},
            "share": {name: round(part, 6) for name, part in self.share.items()},
            "classes": str(self.classes),
            "overlay": str(self.overlay),
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line: size, milliseconds, shares.
        """
        times = ", ".join(f"{stage} {round(value, 2):.1f}" for stage, value in self.milliseconds.items())
        shares = ", ".join(f"{name} {percent(round(part, 6))}" for name, part in self.share.items())
        return f"{self.image}: {self.width} x {self.height}; ms: {times}; {shares}"


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be segmented or whose results could not be written.

    Attributes:
        image: The file.
        error: The cause.
    """

    image: Path
    error: StreetsegError


@dataclass(frozen=True, repr=False)
class Predictions(Printable):
    """The results of `predict`.

    Attributes:
        images: The segmented images, in natural order.
        videos: The segmented videos, in the order given.
        failed: The images and videos that failed, each with its error.
    """

    images: tuple[PredictedImage, ...] = ()
    videos: tuple[PredictedVideo, ...] = ()
    failed: tuple[FailedImage | FailedVideo, ...] = ()

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


def name_of(failed: FailedImage | FailedVideo) -> str:
    """Return the name of what failed."""
    return str(failed.image) if isinstance(failed, FailedImage) else failed.video


Each: TypeAlias = Callable[[PredictedImage | FailedImage | PredictedVideo | FailedVideo], object]


def predict(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    weights: str | Path | Segmenter | None = None,
    classmap: str | Path | None = None,
    every: int | None = None,
    max_frames: int | None = None,
    video: VideoOptions | None = None,
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
            for one video.
        weights: NAME.onnx, NAME.pt2 or a name of weights; or an open Segmenter, which ignores `size` and `options`;
            None: the package's weights.
        classmap: For a video: NAME.mkv (lossless) or a folder for PNGs; None: no class maps. "{name}" in it stands for
            the video's name. Of several videos, each gets a folder of its own in a folder.
        every: For a video: segment every Nth frame; None: every frame.
        max_frames: For a video: stop after this number of segmented frames; None: at its end.
        video: Further options of videos and cameras; None: the defaults.
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
    maps = None if classmap is None else str(classmap)
    planned = plan_films(films, str(out), maps, alone=alone) if films else []
    jobs = plan(list_images(pictures, Path(out), tell), str(out)) if pictures else []
    live = any(map(is_live, films))
    segmenter = open_segmenter(weights, size, options, 1 if live else options.cpu_threads if films else len(jobs))
    images = predict_images(segmenter, jobs, each, progress) if jobs else Predictions()
    if not planned:
        return images
    done = predict_films(
        segmenter,
        planned,
        every=1 if every is None else every,
        max_frames=max_frames,
        options=video,
        alone=alone,
        each=each,
        tell=tell,
        progress=progress,
    )
    return Predictions(
        images.images,
        tuple(one for one in done if isinstance(one, PredictedVideo)),
        (*images.failed, *(one for one in done if isinstance(one, FailedVideo))),
    )


def open_segmenter(
    weights: str | Path | Segmenter | None, size: int | None, options: EngineOptions, frames: int
) -> Segmenter:
    """Return the segmenter of the weights, with a stream for each of the `frames` to process at once if cores allow."""
    if isinstance(weights, Segmenter):
        return weights
    streams = min(options.cpu_threads, frames)
    return Segmenter.open(weights, size=size, options=dataclasses.replace(options, streams=streams))


# Images


def predict_images(segmenter: Segmenter, jobs: Sequence[Job], each: Each, progress: Progress) -> Predictions:
    """Segment images into files, several at a time; give each to `each` as soon as it is done."""
    images: list[PredictedImage] = []
    failed: list[FailedImage] = []
    for image in progress(in_order(partial(attempt, segmenter), jobs, segmenter.workers), "image", len(jobs)):
        each(image)
        if isinstance(image, FailedImage):
            failed.append(image)
        else:
            images.append(image)
    return Predictions(tuple(images), failed=tuple(failed))


@dataclass(frozen=True)
class Job:
    """An image and the files for its results; an overlay without a picture's suffix gets one when it is written."""

    image: Path
    classes: Path
    overlay: Path


def plan(images: Sequence[ImageFile], out: str) -> list[Job]:
    """Return the jobs for images; create the folder of their results. UsageError if a result would replace an image."""
    place = Path(out)
    if names_file(out):
        jobs = [one_job(images, place)]
        folder = place.parent
    else:
        jobs = [
            Job(image.path, image.output(place, CLASSMAP_ENDING), image.output(place, OVERLAY_ENDING))
            for image in images
        ]
        folder = place
    refuse_overwriting(jobs)
    make_folder(folder)
    return jobs


def one_job(images: Sequence[ImageFile], out: Path) -> Job:
    """Return the job of the single image whose overlay is the file `out`; the class map goes beside it."""
    if len(images) > 1:
        raise UsageError(
            f"--out {out} names a file, but there are {len(images)} images; give a folder, with a slash at its end "
            "if its name has a dot"
        )
    if out.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"--out {out} is neither a picture (NAME.png, NAME.jpg) nor a folder (no suffix)")
    return Job(images[0].path, out.with_name(out.stem + CLASSMAP_ENDING), out)


def refuse_overwriting(jobs: Sequence[Job]) -> None:
    """Raise UsageError if a result would replace an image that is to be segmented."""
    inputs = {job.image.resolve() for job in jobs}
    for job in jobs:
        # An overlay's suffix may not be settled yet.
        overlays = [job.overlay.with_name(job.overlay.name + suffix) for suffix in PICTURE_SUFFIXES]
        for result in (job.classes, job.overlay, *overlays):
            if result.exists() and result.resolve() in inputs:
                raise UsageError(
                    f"{result} is to be segmented, and a result would replace it; choose another --out, and name no "
                    "results of an earlier run"
                )


def attempt(segmenter: Segmenter, job: Job) -> PredictedImage | FailedImage:
    """Segment an image into files; return a failure too, so that the other images are not lost."""
    try:
        return predict_image(segmenter, job)
    except StreetsegError as error:
        return FailedImage(job.image, error)


def predict_image(segmenter: Segmenter, job: Job) -> PredictedImage:
    """Segment an image and write its class map and overlay."""
    start = time.perf_counter()
    frame = read_frame(job.image)
    decoded = time.perf_counter()
    result = segmenter(frame)
    segmented = time.perf_counter()
    write_classmap(job.classes, result.classmap, result.colours)
    overlay = write_picture(job.overlay, result.overlay())
    written = time.perf_counter()
    return PredictedImage(
        image=job.image,
        width=frame.shape[1],
        height=frame.shape[0],
        milliseconds={
            "decode": (decoded - start) * 1e3,
            **result.milliseconds,
            "write": (written - segmented) * 1e3,
        },
        share=result.share(),
        classes=job.classes,
        overlay=overlay,
    )
