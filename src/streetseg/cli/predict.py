"""`streetseg predict`: images and videos."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from streetseg.cli.options import add_engine_options, add_json, add_verb, engine_options, path
from streetseg.cli.output import CHECK_FAILED, DONE, INTERRUPTED, complain, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs
    from streetseg.runtime.predict import PredictedVideo


def add_verbs(verbs: Verbs) -> None:
    """Add predict."""
    verb = add_verb(verbs, "predict", predict, "write the class map and the overlay of images or a video")
    verb.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="image, folder or pattern such as 'drive/*.png'; or one video, /dev/video0 (a camera) or rtsp://...",
    )  # fmt: skip
    verb.add_argument(
        "--out", required=True, type=place, metavar="PLACE",
        help="folder for the results; or NAME.jpg for one image, NAME.mp4 for a video",
    )  # fmt: skip
    video = verb.add_argument_group("for a video")
    video.add_argument(
        "--classmap", type=path, metavar="PLACE",
        help="NAME.mkv (lossless) or a folder for PNGs (default: no class maps)",
    )  # fmt: skip
    video.add_argument("--every", type=int, metavar="N", help="segment every Nth frame (default: 1)")
    video.add_argument("--max-frames", type=int, metavar="N", help="stop after N segmented frames (default: never)")
    verb.add_argument(
        "--weights", type=path, metavar="FILE", help="NAME.onnx, NAME.pt2 or a name of weights (default: the package's)"
    )
    add_engine_options(verb)
    verb.add_argument("--cache", type=path, metavar="DIR", help="folder for what the engine compiles (default: none)")
    verb.add_argument(
        "--size", type=int, metavar="PIXELS", help="reduce frames to this short side (default: the card's)"
    )
    add_json(verb, "one JSON object a line instead of text")


def predict(options: argparse.Namespace) -> int:
    """Segment images or a video; report a bad image and go on with the others."""
    from streetseg.runtime.predict import FailedImage, PredictedImage, predict

    def show(image: PredictedImage | FailedImage) -> None:
        if isinstance(image, FailedImage):
            complain(image.error)
        else:
            say(json.dumps(image.facts()) if options.json else image.table())

    done = predict(
        options.paths,
        options.out,
        weights=options.weights,
        classmap=options.classmap,
        every=options.every,
        max_frames=options.max_frames,
        size=options.size,
        options=engine_options(options),
        each=show,
        tell=complain,
        progress=progress,
    )
    if done.video is not None:
        return show_video(done.video, options)
    return done.failed[-1].error.exit_code if done.failed else DONE


def show_video(done: PredictedVideo, options: argparse.Namespace) -> int:
    """Print the figures of a video and what is wrong with it; return the exit code."""
    video, report, out = done.video, done.report, done.overlay
    say(json.dumps(done.facts()) if options.json else done.table())
    damaged = report.damaged or report.missing
    if damaged:
        complain(
            f"{video} is damaged: the decoder patched {report.damaged} of {report.decoded} frames, and "
            f"{report.missing} more are missing; {out} holds what could be read"
        )
    if report.stale:
        complain(
            f"note: {options.classmap} holds {report.stale} more class maps, of an earlier video or another --every"
        )
    if report.interrupted:
        complain(f"interrupted; {out} holds the {report.frames} frames done so far" if report.frames else "interrupted")
        return INTERRUPTED
    return CHECK_FAILED if damaged else DONE


def place(text: str) -> str:
    """Return a path as it is written: a slash at its end makes it a folder, even with a dot in its name."""
    path(text)
    return text
