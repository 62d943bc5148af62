"""`streetseg predict`: images, videos and cameras."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from streetseg.cli.drawing import add_drawing_options, drawing_options
from streetseg.cli.images import add_image_options, image_options
from streetseg.cli.options import add_engine_options, add_json, add_verb, engine_options, path
from streetseg.cli.output import CHECK_FAILED, DONE, INTERRUPTED, complain, progress, say
from streetseg.cli.video import add_video_options, video_options

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs
    from streetseg.runtime.films import FailedVideo, PredictedVideo
    from streetseg.runtime.images import FailedImage, PredictedImage


# How a camera or a stream was lost -> the exit code.
LOST = {"stalled": 3, "broke off": 4}


def add_verbs(verbs: Verbs) -> None:
    """Add predict."""
    verb = add_verb(verbs, "predict", predict, "write the class map and the overlay of images, videos and cameras")
    verb.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="image, video, folder or pattern such as 'drive/*.png'; 0 or /dev/video0 (a camera); rtsp://...",
    )  # fmt: skip
    verb.add_argument(
        "--out", type=place, metavar="PLACE",
        help="folder for the results; or NAME.jpg for one image, NAME.mp4 for one video",
    )  # fmt: skip
    verb.add_argument(
        "--weights",
        type=path,
        metavar="FILE",
        help="NAME.onnx, NAME.xml, NAME.pt2, NAME.param or a name of weights (default: the package's)",
    )
    add_engine_options(verb)
    verb.add_argument("--cache", type=path, metavar="DIR", help="folder for what the engine compiles (default: none)")
    verb.add_argument(
        "--size", type=int, metavar="PIXELS", help="reduce frames to this short side (default: the card's)"
    )
    add_json(verb, "one JSON object a line instead of text")
    verb.add_argument("--skip-existing", action="store_true", help="leave out what has its results already")
    add_drawing_options(verb)
    add_image_options(verb)
    add_video_options(verb)


def predict(options: argparse.Namespace) -> int:
    """Segment images and videos; report a bad one and go on with the others."""
    from streetseg.runtime.films import FailedVideo, PredictedVideo
    from streetseg.runtime.images import FailedImage
    from streetseg.runtime.predict import predict

    codes: list[int] = []

    def show(one: PredictedImage | FailedImage | PredictedVideo | FailedVideo) -> None:
        if isinstance(one, FailedImage | FailedVideo):
            complain(one.error)
            codes.append(one.error.exit_code)
        else:
            say(json.dumps(one.facts()) if options.json else one.table())
            if isinstance(one, PredictedVideo):
                codes.append(show_problems(one, options.classmap, options.timeout))

    done = predict(
        options.paths,
        options.out,
        weights=options.weights,
        classmap=options.classmap,
        every=options.every,
        max_frames=options.max_frames,
        images=image_options(options),
        video=video_options(options),
        drawing=drawing_options(options),
        skip_existing=options.skip_existing,
        size=options.size,
        options=engine_options(options),
        each=show,
        tell=complain,
        progress=progress,
    )
    if len(done.images) > 1 and not options.json:
        say(done.summary())
    return max(codes, default=DONE)


def show_problems(done: PredictedVideo, classmap: str | None, timeout: float) -> int:
    """Print what is wrong with a video; return the exit code."""
    video, report, out = done.video, done.report, done.overlay or classmap or "the window"
    damaged = not report.live and (report.damaged or report.missing)
    if damaged:
        complain(
            f"{video} is damaged: the decoder patched {report.damaged} of {report.decoded} frames, and "
            f"{report.missing} more are missing; {out} holds what could be read"
        )
    if report.stale:
        complain(f"note: {classmap} holds {report.stale} more class maps, of an earlier video or another --every")
    if report.interrupted:
        complain(f"interrupted; {out} holds the {report.frames} frames done so far" if report.frames else "interrupted")
        return INTERRUPTED
    if report.ending in LOST:
        why = f"gave nothing more for {timeout:g} s" if report.ending == "stalled" else "closed without a goodbye"
        complain(
            f"{video} {report.ending}: it {why}; {out} holds the {report.frames} frames until then; "
            "--reconnect connects again"
        )
        return LOST[report.ending]
    return CHECK_FAILED if damaged else DONE


def place(text: str) -> str:
    """Return a path as it is written: a slash at its end makes it a folder, even with a dot in its name."""
    path(text)
    return text
