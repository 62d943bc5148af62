"""Open video files, cameras and network streams, and choose the stream to segment."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from streetseg.errors import UsageError, VideoError
from streetseg.runtime.addresses import is_address, is_number, without_password
from streetseg.runtime.video_options import VideoOptions

# Containers that hold their frames themselves. Playlists and descriptions (concat, m3u8, sdp, mpd) name other files and
# addresses, and the file's maker would choose what is read.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,live_flv,ogg,mxf,dv,ivf,mjpeg,mpjpeg,h264,"
    "hevc,vvc,obu,m4v,h263,h261,vc1,gif,nut,yuv4mpegpipe,dhav,gxf,wtv,rm,nsv,ty"
)
PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,rtmp,rtmps,crypto"  # no files: a stream's maker must not read ours

# A picture among the streams: a cover, or a thumbnail.
PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
DEVICES = {"linux": "v4l2", "darwin": "avfoundation"}  # platform -> FFmpeg's name of its cameras


def open_source(source: str, options: VideoOptions) -> av.container.InputContainer:
    """Open a source by its kind; VideoError if it is no video, or nothing answers."""
    shown = without_password(source)
    try:
        if is_address(source):
            return open_address(source, options)
        if source.startswith("/dev/") or (is_number(source) and not Path(source).exists()):
            return open_camera(source, options)
        return open_file(source)
    except av.FFmpegError as error:
        late = isinstance(error, av.ExitError)
        why = f"no answer within {options.timeout:g} s" if late else error.strerror
        if is_address(source):
            raise VideoError(f"{shown} does not answer: {why}; check the address, and that the camera is on") from None
        if source.startswith("/dev/") or is_number(source):
            raise VideoError(f"the camera {camera_path(source)} does not answer: {why}; {cameras_here()}") from None
        raise VideoError(
            f"{shown} cannot be opened as a video: {why}; give a video file (playlists that name other "
            "files are refused), /dev/videoN or rtsp://..."
        ) from None


def open_file(source: str, wishes: dict[str, str] | None = None) -> av.container.InputContainer:
    """Open a video file; wishes: further options of FFmpeg."""
    # "file:" keeps a name with a colon from being taken for another protocol.
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", **(wishes or {})}
    return av.open(f"file:{source}", options=options, metadata_errors="replace")


def open_address(source: str, options: VideoOptions) -> av.container.InputContainer:
    """Open a network stream."""
    timeout = (options.timeout, options.timeout)
    if source.lower().startswith("rtsp"):
        transport = {"rtsp_transport": options.transport} if options.transport else {"rtsp_flags": "prefer_tcp"}
        return av.open(source, format="rtsp", options=transport, timeout=timeout, metadata_errors="replace")
    network = {"format_whitelist": FORMATS, "protocol_whitelist": PROTOCOLS}
    if source.lower().startswith("udp"):
        network |= {"overrun_nonfatal": "1", "fifo_size": "200000"}
    return av.open(source, options=network, timeout=timeout, metadata_errors="replace")


def camera_path(source: str) -> str:
    """Return the name by which FFmpeg knows a camera."""
    return f"/dev/video{int(source)}" if is_number(source) and sys.platform == "linux" else source


def open_camera(source: str, options: VideoOptions) -> av.container.InputContainer:
    """Open a camera of this machine."""
    if sys.platform not in DEVICES:
        raise VideoError(f"cameras are read on Linux and macOS only, got {source}; give a stream's address or a file")
    wishes: dict[str, str] = {}
    if options.camera_size is not None:
        wishes["video_size"] = "x".join(map(str, options.camera_size))
    if options.camera_fps is not None:
        wishes["framerate"] = str(Fraction(options.camera_fps).limit_denominator(1001))
    if options.camera_format is not None:
        wishes["input_format" if sys.platform == "linux" else "pixel_format"] = options.camera_format
    timeout = (options.timeout, options.timeout)
    return av.open(camera_path(source), format=DEVICES[sys.platform], options=wishes, timeout=timeout)


def cameras_here() -> str:
    """Return what to do about a camera that does not answer."""
    found = ", ".join(sorted(map(str, Path("/dev").glob("video*"))))
    if not found:
        return "this machine shows no camera; give a video file or a stream's address"
    return f"cameras here: {found}; check also --camera-size, --camera-fps and --camera-format"


def choose_stream(container: av.container.InputContainer, index: int | None, shown: str) -> av.VideoStream:
    """Return the stream to segment: the wished one, or the one that players choose.

    Cover pictures and thumbnails are never chosen by themselves. Then the default track comes first, then the largest.
    """
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    films = films_of(container)
    if index is not None:
        for stream in streams:
            if stream.index == index:
                return stream
        there = ", ".join(map(described, streams))
        raise UsageError(f"{shown} has no video stream {index}; give one of: {there}")
    if not films:
        raise VideoError(f"{shown} holds no video of a kind that can be decoded; give another file")
    return max(films, key=lambda stream: (stream.frames != 1, *preference(stream), -stream.index))


def films_of(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Return the video streams that can be decoded and are no pictures."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    return [stream for stream in streams if not stream.disposition & PICTURE]


def preference(stream: av.VideoStream) -> tuple[bool, int]:
    """Return the key by which players prefer a stream: the default flag, then the number of pixels."""
    return bool(stream.disposition & Disposition.default), stream.height * stream.width


def described(stream: av.VideoStream) -> str:
    """Return a stream's number, codec and size."""
    return f"{stream.index} ({stream.codec_context.name}, {stream.width} x {stream.height})"


def holds_video(path: Path) -> bool:
    """Return True if a file can be opened and holds a video."""
    try:
        with open_file(str(path)) as container:
            choose_stream(container, None, str(path))
    except (av.FFmpegError, VideoError):
        return False
    return True
