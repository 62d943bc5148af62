"""Open video files, cameras and network streams, and choose the stream to segment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import av
from av.stream import Disposition

from streetseg.errors import UsageError, VideoError
from streetseg.runtime.addresses import is_address, is_number, without_password
from streetseg.runtime.video.http import HttpStream
from streetseg.runtime.video.rtsp import Relay
from streetseg.runtime.video_options import VideoOptions

# Containers that hold their frames themselves. Playlists and descriptions (concat, m3u8, sdp, mpd) name other files and
# addresses, and the file's maker would choose what is read.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,live_flv,ogg,mxf,dv,ivf,mjpeg,mpjpeg,h264,"
    "hevc,vvc,obu,m4v,h263,h261,vc1,gif,nut,yuv4mpegpipe,dhav,gxf,wtv,rm,nsv,ty"
)
PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,rtmp,rtmps,crypto"  # no files: a stream's maker must not read ours

# Content types of MJPEG over HTTP -> FFmpeg's formats.
MJPEG_KINDS = {"multipart/x-mixed-replace": "mpjpeg", "video/x-motion-jpeg": "mjpeg", "image/jpeg": "mjpeg"}

# A picture among the streams: a cover, or a thumbnail.
PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
DEVICES = {"linux": "v4l2", "darwin": "avfoundation"}  # platform -> FFmpeg's name of its cameras


@dataclass(frozen=True)
class Opened:
    """An open source.

    Attributes:
        container: FFmpeg's view of it.
        link: The connection behind it, if we watch it for the way in which it ends.
    """

    container: av.container.InputContainer
    link: Relay | HttpStream | None = None

    def close(self) -> None:
        """Close all."""
        if self.link is not None:
            self.link.close()
        self.container.close()
        if isinstance(self.link, Relay):
            self.link.join()


def open_source(source: str, options: VideoOptions) -> Opened:
    """Open a source by its kind; VideoError if it is no video, or nothing answers."""
    shown = without_password(source)
    camera = source.startswith("/dev/") or (is_number(source) and not Path(source).exists())
    try:
        if is_address(source):
            return open_address(source, options)
        return Opened(open_camera(source, options) if camera else open_file(source))
    except (av.FFmpegError, OSError, ValueError, HTTPException) as error:
        why = cause(error, options.timeout)
        if is_address(source):
            raise VideoError(f"{shown} does not answer: {why}; check the address, and that the camera is on") from None
        if camera:
            raise VideoError(f"the camera {camera_path(source)} does not answer: {why}; {cameras_here()}") from None
        raise VideoError(
            f"{shown} cannot be opened as a video: {why}; give a video file (playlists that name other "
            "files are refused), /dev/videoN or rtsp://..."
        ) from None


def cause(error: Exception, timeout: float) -> str:
    """Return why a source could not be opened."""
    inner = getattr(error, "reason", error)  # of an HTTP request
    if isinstance(inner, av.ExitError | TimeoutError):
        return f"no answer within {timeout:g} s"
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return f"{text} ({error.code})" if isinstance(error, HTTPError) else text


def open_file(source: str, wishes: dict[str, str] | None = None) -> av.container.InputContainer:
    """Open a video file; wishes: further options of FFmpeg."""
    # "file:" keeps a name with a colon from being taken for another protocol.
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", **(wishes or {})}
    return av.open(f"file:{source}", options=options, metadata_errors="replace")


def open_address(source: str, options: VideoOptions) -> Opened:
    """Open a network stream."""
    protocol = source.partition("://")[0].lower()
    if protocol == "rtsp" and options.transport != "udp":
        try:
            return open_watched(source, options)
        except av.FFmpegError:
            if options.transport is not None:
                raise
    if protocol in ("rtsp", "rtsps"):
        transport = options.transport or ("udp" if protocol == "rtsp" else "tcp")
        return Opened(open_rtsp(source, transport, options))
    if protocol in ("http", "https"):
        link = HttpStream(source, options.timeout)
        if link.kind in MJPEG_KINDS:
            try:
                container = av.open(link, "r", format=MJPEG_KINDS[link.kind], metadata_errors="replace")
                return Opened(container, link)
            except BaseException:
                link.close()
                raise
        link.close()  # FFmpeg asks again, and can go to any place of a file
    network = {"format_whitelist": FORMATS, "protocol_whitelist": PROTOCOLS}
    if protocol == "udp":
        network |= {"overrun_nonfatal": "1", "fifo_size": "200000"}
    timeout = (options.timeout, options.timeout)
    return Opened(av.open(source, options=network, timeout=timeout, metadata_errors="replace"))


def open_watched(source: str, options: VideoOptions) -> Opened:
    """Open an RTSP camera over TCP, watched for its goodbye."""
    relay = Relay(source, options.timeout)
    try:
        return Opened(open_rtsp(relay.address, "tcp", options), relay)
    except BaseException:
        relay.close()
        relay.join()
        raise


def open_rtsp(address: str, transport: str, options: VideoOptions) -> av.container.InputContainer:
    """Open an RTSP camera."""
    wishes = {"rtsp_transport": transport, "allowed_media_types": "video"}
    timeout = (options.timeout, options.timeout)
    return av.open(address, format="rtsp", options=wishes, timeout=timeout, metadata_errors="replace")


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
