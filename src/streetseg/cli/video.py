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
        help="NAME.mkv (lossless), NAME.npz, or a folder for PNGs; {name} in it is the video's name (default: none)",
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
    video.add_argument("--codec", metavar="NAME", help="codec of the overlay: h264, hevc, av1 or ffv1 (default: h264)")
    video.add_argument(
        "--quality", type=int, metavar="N", help="0 (best) to 51, av1: 63 (default: h264 20, hevc 24, av1 32)"
    )
    video.add_argument("--audio", action="store_true", help="copy the sound into the overlay")
    video.add_argument("--show", action="store_true", help="show the overlay in a window; q closes it and ends")
    video.add_argument("--steady", action="store_true", help="smooth the class maps over time, along the motion")
    camera = verb.add_argument_group("for a camera or a stream")
    camera.add_argument("--camera-size", type=size, metavar="WxH", help="width and height to ask a camera for")
    camera.add_argument("--camera-fps", type=float, metavar="N", help="frames a second to ask a camera for")
    camera.add_argument("--camera-format", metavar="NAME", help="form to ask a camera for: mjpeg, yuyv422, h264, ...")
    camera.add_argument("--transport", metavar="NAME", help="tcp or udp for rtsp:// (default: tcp, else udp)")
    camera.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=10.0,
        help="wait so long for a connection or a frame (default: 10)",
    )  # fmt: skip
    camera.add_argument("--reconnect", action="store_true", help="connect again when it stalls or breaks off")


def size(text: str) -> tuple[int, int]:
    """Return width and height of "WxH", as cameras name their sizes."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give width and height, for example 1280x720")
    return int(width), int(height)


def video_options(options: argparse.Namespace) -> VideoOptions:
    """Return what `add_video_options` parsed, but --classmap, --every and --max-frames."""
    from streetseg.runtime.video_options import VideoOptions

    names = VideoOptions.__dataclass_fields__
    return VideoOptions(**{name: value for name, value in vars(options).items() if name in names and value is not None})
