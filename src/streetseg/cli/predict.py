"""`streetseg predict`: images and videos."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streetseg.cli.options import add_engine_options, engine_options, path
from streetseg.cli.output import CHECK_FAILED, DONE, INTERRUPTED, complain, progress, say
from streetseg.errors import StreetsegError, UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs
    from streetseg.runtime.inputs import ImageFile
    from streetseg.runtime.segmenter import Segmenter


def add_verbs(verbs: Verbs) -> None:
    """predict."""
    verb = verbs.add_parser("predict", help="class map and overlay of images or a video")
    verb.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="an image, a folder, a pattern like 'drive/*.png'; or one video, /dev/video0 (a camera), rtsp://...",
    )  # fmt: skip
    verb.add_argument(
        "--out",
        required=True,
        type=place,
        help="folder for the results; NAME.jpg for one image, NAME.mp4 for a video",
    )
    video = verb.add_argument_group("for a video")
    video.add_argument("--classmap", type=path, metavar="PLACE", help="NAME.mkv (lossless) or a folder for PNGs")
    video.add_argument("--every", type=int, metavar="N", help="segment each Nth frame only")
    video.add_argument("--max-frames", type=int, metavar="N", help="stop after N segmented frames")
    verb.add_argument("--weights", type=path, metavar="WEIGHTS", help="an artefact, or a name (default: the package's)")
    add_engine_options(verb)
    verb.add_argument("--cache", type=path, metavar="DIR", help="where OpenVINO may keep what it compiled")
    verb.add_argument("--size", type=int, metavar="PIXELS", help="reduce frames to this short side")
    verb.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    verb.set_defaults(verb=predict)


def predict(options: argparse.Namespace) -> int:
    """Segment images or a video; a bad image is reported and the others still done."""
    from streetseg.runtime.files import make_folder
    from streetseg.runtime.inputs import CLASSMAP_ENDING, OVERLAY_ENDING, is_video, list_images
    from streetseg.runtime.stream import in_order

    if any(map(is_video, options.paths)):
        return predict_video(options)
    for option in ("classmap", "every", "max_frames"):
        if getattr(options, option) is not None:
            raise UsageError(f"--{option.replace('_', '-')} is for a video, and none is given")
    out = Path(options.out)
    images = list_images(options.paths, out, complain)
    if names_file(options.out):
        jobs = [one_job(images, out)]
        folder = out.parent
    else:
        jobs = [(image.path, image.output(out, CLASSMAP_ENDING), image.output(out, OVERLAY_ENDING)) for image in images]
        folder = out
    refuse_overwriting(jobs)
    make_folder(folder)
    segmenter = open_segmenter(options, at_once=len(jobs))

    def report_one(job: tuple[Path, Path, Path]) -> dict[str, Any] | StreetsegError:
        try:
            return predict_one(segmenter, *job)
        except StreetsegError as error:
            return error

    exit_code = DONE
    for report in progress(in_order(report_one, jobs, segmenter.workers), "image", len(jobs)):
        if isinstance(report, StreetsegError):
            complain(report)
            exit_code = report.exit_code
        else:
            say(json.dumps(report) if options.json else describe(report))
    return exit_code


def predict_video(options: argparse.Namespace) -> int:
    """Segment one video."""
    from streetseg.runtime.inputs import is_live, without_password
    from streetseg.runtime.video.segment import segment_video

    if len(options.paths) > 1:
        raise UsageError(f"predict takes one video at a time, got {len(options.paths)} paths; call it for each")
    (source,) = options.paths
    live = is_live(source)
    # Matroska is readable wherever it breaks off.
    name = f"{live_name(source)}_overlay.mkv" if live else f"{Path(source).stem}_overlay.mp4"
    out = Path(options.out) if names_file(options.out) else Path(options.out, name)
    segmenter = open_segmenter(options, at_once=1 if live else None)
    report = segment_video(
        segmenter,
        source,
        out,
        options.classmap,
        every=1 if options.every is None else options.every,
        max_frames=options.max_frames,
        progress=lambda frames, total: progress(frames, "frame", total),
    )
    rate = report.frames / report.seconds
    source = without_password(source)
    if options.json:
        say(json.dumps({"video": source, "overlay": str(out), **vars(report), "frames_per_second": round(rate, 2)}))
    else:
        dropped = f", {report.dropped} late ones dropped" if live else ""
        say(
            f"{source}: {report.width} x {report.height}; {report.frames} frames in {report.seconds:.1f} s, "
            f"{rate:.1f} a second{dropped}; {out}"
        )
    if report.damaged or report.missing:
        complain(
            f"{source} is damaged: of {report.decoded} frames read {report.damaged} had to be patched up, and "
            f"{report.missing} more are missing; {out} holds what could be read"
        )
    if report.stale:
        complain(f"note: {options.classmap} holds {report.stale} more class maps, of an earlier video or another step")
    if report.interrupted:
        complain(f"interrupted; {out} holds the {report.frames} frames done so far" if report.frames else "interrupted")
        return INTERRUPTED
    return CHECK_FAILED if report.damaged or report.missing else DONE


def place(text: str) -> str:
    """A path as it is written: what ends with a slash is a folder, also with a dot in its name."""
    path(text)
    return text


def names_file(out: str) -> bool:
    """Whether a place for results is a file, not a folder."""
    return bool(Path(out).suffix) and not Path(out).is_dir() and not out.endswith(("/", os.sep))


def live_name(source: str) -> str:
    """A name for what is recorded now: of the camera and the time, or the next recording would replace it."""
    from streetseg.runtime.inputs import without_password

    camera = without_password(source).removeprefix("/dev/").rpartition("://")[2].partition("?")[0]
    return re.sub(r"[^\w.-]+", "_", camera) + time.strftime("_%Y%m%d-%H%M%S")


def open_segmenter(options: argparse.Namespace, at_once: int | None) -> Segmenter:
    """What `predict` was asked to segment with, at most `at_once` frames at a time (None: a frame a thread)."""
    from streetseg.runtime.segmenter import Segmenter

    one = engine_options(options)
    threads = one.cpu_threads
    streams = threads if at_once is None else min(threads, at_once)
    return Segmenter.open(options.weights, size=options.size, options=engine_options(options, streams=streams))


def one_job(images: list[ImageFile], out: Path) -> tuple[Path, Path, Path]:
    """The single image and its outputs where --out names a file: that is the overlay, the class map goes beside it."""
    from streetseg.runtime.frames import PICTURE_SUFFIXES
    from streetseg.runtime.inputs import CLASSMAP_ENDING

    if len(images) > 1:
        raise UsageError(
            f"--out {out} names a file, but there are {len(images)} images; name a folder, with a slash at its end "
            "where it has a dot"
        )
    if out.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"--out {out} is neither a picture (NAME.png, NAME.jpg) nor a folder (no suffix)")
    return images[0].path, out.with_name(out.stem + CLASSMAP_ENDING), out


def refuse_overwriting(jobs: list[tuple[Path, Path, Path]]) -> None:
    """UsageError where a result would take the place of an image that is to be segmented."""
    from streetseg.runtime.frames import PICTURE_SUFFIXES

    inputs = {image.resolve() for image, _, _ in jobs}
    for _, classes, overlay in jobs:
        # An overlay's suffix may not be settled yet.
        for result in (classes, overlay, *(overlay.with_name(overlay.name + suffix) for suffix in PICTURE_SUFFIXES)):
            if result.exists() and result.resolve() in inputs:
                raise UsageError(
                    f"{result} is to be segmented, and a result would replace it; choose another --out, and name no "
                    "results of an earlier run"
                )


def predict_one(segmenter: Segmenter, image: Path, classes: Path, overlay: Path) -> dict[str, Any]:
    """Segment an image and write its class map and overlay; returns what there is to say about it."""
    from streetseg.runtime.frames import read_frame, write_classmap, write_picture

    start = time.perf_counter()
    frame = read_frame(image)
    decoded = time.perf_counter()
    result = segmenter(frame)
    segmented = time.perf_counter()
    write_classmap(classes, result.classmap, result.colours)
    overlay = write_picture(overlay, result.overlay())
    written = time.perf_counter()
    milliseconds = {
        "decode": (decoded - start) * 1e3,
        **result.milliseconds,
        "write": (written - segmented) * 1e3,
    }
    return {
        "image": str(image),
        "width": frame.shape[1],
        "height": frame.shape[0],
        "milliseconds": {stage: round(value, 2) for stage, value in milliseconds.items()},
        "share": {name: round(part, 6) for name, part in result.share().items()},
        "classes": str(classes),
        "overlay": str(overlay),
    }


def describe(report: dict[str, Any]) -> str:
    """One line about a segmented image."""
    from streetseg.runtime.overlay import percent

    times = ", ".join(f"{stage} {value:.1f}" for stage, value in report["milliseconds"].items())
    shares = ", ".join(f"{name} {percent(part)}" for name, part in report["share"].items())
    return f"{report['image']}: {report['width']} x {report['height']}; ms: {times}; {shares}"
