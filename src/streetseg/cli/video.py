"""Options of `streetseg predict` for videos and cameras."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streetseg.runtime.video_options import VideoOptions


def add_video_options(verb: argparse.ArgumentParser) -> None:
    """Add the options for videos and for cameras, in groups of their own."""
    video = verb.add_argument_group("for a video or a camera")
    video.add_argument(
        "--classmap", metavar="PLACE",
        help="NAME.mkv (lossless) or a folder for PNGs; {name} in it is the video's name (default: no class maps)",
    )  # fmt: skip
    video.add_argument("--every", type=int, metavar="N", help="segment every Nth frame (default: 1)")
    video.add_argument("--max-frames", type=int, metavar="N", help="stop after N segmented frames (default: never)")
    video.add_argument(
        "--stream", type=int, metavar="N",
        help="number of the video stream, as ffprobe counts (default: as players choose)",
    )  # fmt: skip
    video.add_argument(
        "--deinterlace",
        metavar="WHEN",
        help="auto (frames that say they are interlaced), always or never (default: auto)",
    )
    video.add_argument(
        "--absolute-times", action="store_true", help="keep the source's times in NAME.mkv (default: count from 0)"
    )


def video_options(options: argparse.Namespace) -> VideoOptions:
    """Return what `add_video_options` parsed, but --classmap, --every and --max-frames."""
    from streetseg.runtime.video_options import VideoOptions

    names = VideoOptions.__dataclass_fields__
    return VideoOptions(**{name: value for name, value in vars(options).items() if name in names and value is not None})
