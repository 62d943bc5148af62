"""Segment images into files."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from streetseg.errors import StreetsegError, UsageError
from streetseg.results import Facts, Printable
from streetseg.runtime.confidence import grey
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.files import make_folder, names_file
from streetseg.runtime.frames import PICTURE_SUFFIXES, read_picture, write_classmap, write_image, write_picture
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.inputs import CLASSMAP_ENDING, CONFIDENCE_ENDING, OVERLAY_ENDING, ImageFile
from streetseg.runtime.overlay import percent
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import in_order
from streetseg.runtime.windows import segment_picture


@dataclass(frozen=True, repr=False)
class PredictedImage(Printable):
    """A segmented image.

    Attributes:
        image: The file.
        width: Pixels of the image.
        height: Pixels of the image.
        milliseconds: Stage -> milliseconds: "decode", "network", "class map" and "write".
        first_of_size: True if the network met this size for the first time: its time includes compilation.
        share: Class name -> its share of the pixels, 0 to 1; the classes present, largest first.
        classes: The file of the class map.
        overlay: The file of the overlay.
        confidence: The file of the confidence; None unless asked for.
        assumed: What was assumed about its values, a phrase each.
        tolerated: Faults of the file that take no pixel, a phrase each.
    """

    image: Path
    width: int
    height: int
    milliseconds: Mapping[str, float]
    share: Mapping[str, float]
    classes: Path
    overlay: Path
    confidence: Path | None = None
    first_of_size: bool = False
    assumed: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()

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
            **({} if self.confidence is None else {"confidence": str(self.confidence)}),
            "first_of_size": self.first_of_size,
            "assumed": list(self.assumed),
            "tolerated": list(self.tolerated),
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line: size, milliseconds, shares, tolerated faults.
        """
        marks = {"network": " (first of its size)"} if self.first_of_size else {}
        times = ", ".join(f"{at} {round(value, 2):.1f}{marks.get(at, '')}" for at, value in self.milliseconds.items())
        shares = ", ".join(f"{name} {percent(round(part, 6))}" for name, part in self.share.items())
        faults = f"; tolerated: {'; '.join(self.tolerated)}" if self.tolerated else ""
        return f"{self.image}: {self.width} x {self.height}; ms: {times}; {shares}{faults}"


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be segmented or whose results could not be written.

    Attributes:
        image: The file.
        error: The cause.
    """

    image: Path
    error: StreetsegError


@dataclass(frozen=True)
class Job:
    """An image and the files for its results; an overlay without a picture's suffix gets one when it is written."""

    image: Path
    classes: Path
    overlay: Path
    confidence: Path | None = None

    def is_done(self) -> bool:
        """Return True if all results are there."""
        overlays = [self.overlay, *(self.overlay.with_name(self.overlay.name + suffix) for suffix in PICTURE_SUFFIXES)]
        maps = [self.classes, *filter(None, [self.confidence])]
        return all(map(Path.exists, maps)) and any(overlay.exists() for overlay in overlays)


def plan(images: Sequence[ImageFile], out: str, *, confidence: bool = False) -> list[Job]:
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
    if confidence:
        jobs = [dataclasses.replace(job, confidence=confidence_beside(job.classes)) for job in jobs]
    refuse_overwriting(jobs)
    make_folder(folder)
    return jobs


def confidence_beside(classes: Path) -> Path:
    """Return the file for the confidence beside a class map."""
    return classes.with_name(classes.name.removesuffix(CLASSMAP_ENDING) + CONFIDENCE_ENDING)


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
    names = cache(names_in)  # each folder is read once, however many results it gets
    standing: list[Path] = []
    for job in jobs:
        # An overlay's suffix may not be settled yet.
        overlays = [job.overlay.name, *(job.overlay.name + suffix for suffix in PICTURE_SUFFIXES)]
        maps = [job.classes, *filter(None, [job.confidence])]
        places = [*((path.parent, path.name) for path in maps), *((job.overlay.parent, name) for name in overlays)]
        standing += [folder / name for folder, name in places if name.casefold() in names(folder)]
    inputs = {job.image.resolve() for job in jobs} if standing else set()
    for result in standing:
        if result.resolve() in inputs:
            raise UsageError(
                f"{result} is to be segmented, and a result would replace it; choose another --out, and name no "
                "results of an earlier run"
            )


def names_in(folder: Path) -> set[str]:
    """Return the names of what a folder holds, without regard to case; none if it is not there."""
    try:
        return {name.casefold() for name in os.listdir(folder)}  # noqa: PTH208  # names are enough
    except OSError:
        return set()


def predict_images(
    segmenter: Segmenter, jobs: Sequence[Job], options: ImageOptions, drawing: Drawing, tell: Callable[[str], object]
) -> Iterator[PredictedImage | FailedImage]:
    """Segment images into files, several at a time; yield each as soon as it and those before it are done.

    tell: Gets a line about each assumption, once for the images of a folder.
    """
    told: set[tuple[Path, str]] = set()
    for done in in_order(partial(attempt, segmenter, options, drawing), jobs, segmenter.workers):
        if isinstance(done, PredictedImage):
            for phrase in done.assumed:
                kind = (done.image.parent, re.sub(r"\d+", "", phrase))
                if kind not in told:
                    told.add(kind)
                    others = "; images like it in its folder are read alike" if len(jobs) > 1 else ""
                    tell(f"note: {done.image}: {phrase}{others}")
        yield done


def attempt(segmenter: Segmenter, options: ImageOptions, drawing: Drawing, job: Job) -> PredictedImage | FailedImage:
    """Segment an image into files; return a failure too, so that the other images are not lost."""
    try:
        return predict_image(segmenter, options, drawing, job)
    except UsageError as error:  # of the network's input, which knows no file
        return FailedImage(job.image, UsageError(f"{job.image}: {error}"))
    except StreetsegError as error:
        return FailedImage(job.image, error)


def predict_image(segmenter: Segmenter, options: ImageOptions, drawing: Drawing, job: Job) -> PredictedImage:
    """Segment an image and write its class map and overlay."""
    start = time.perf_counter()
    picture = read_picture(job.image, levels=options.parsed_levels, max_pixels=options.max_pixels)
    frame = picture.frame
    decoded = time.perf_counter()
    result = segment_picture(segmenter, picture, options)
    segmented = time.perf_counter()
    write_classmap(job.classes, result.classmap, drawing.palette(result))
    overlay = write_picture(job.overlay, drawing.paint(result))
    if job.confidence is not None:
        write_image(job.confidence, grey(result.confidence()))
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
        confidence=job.confidence,
        first_of_size=result.first_of_size,
        assumed=picture.assumed,
        tolerated=picture.tolerated,
    )
