"""The options of videos and cameras: reading them and writing their results."""

from __future__ import annotations

from dataclasses import dataclass

from streetseg.errors import UsageError
from streetseg.runtime.options import Options

DEINTERLACE = ("auto", "always", "never")
WORST_QUALITY = {"h264": 51, "hevc": 51, "av1": 63, "ffv1": None}  # the largest constant rate factor
TRANSPORTS = ("tcp", "udp")


@dataclass(frozen=True)
class VideoOptions(Options):
    """Options of a video, a camera or a stream.

    Attributes:
        stream: Index of the video stream among all streams of the file, as ffprobe counts; None: the one that players
            choose: no cover picture, then the default track, then the largest one.
        deinterlace: "auto": frames that say they are interlaced; "always"; "never".
        absolute_times: Keep the source's times in Matroska, instead of counting from the first frame.
        camera_size: W, H in pixels that a camera shall give; None: the camera's default.
        camera_fps: Frames a second that a camera shall give; None: the camera's default.
        camera_format: Pixel format or codec that a camera shall give, such as "mjpeg", "yuyv422" or "h264"; None: the
            camera's default.
        transport: "tcp" or "udp" for RTSP; None: TCP, and UDP if the camera refuses it.
        timeout: Seconds without a frame until a camera or a stream counts as stalled.
        reconnect: Connect again, as often as needed, when a camera or a stream stalls or breaks off.
        codec: Codec of the overlay: "h264", "hevc", "av1" or "ffv1" (lossless, NAME.mkv only).
        quality: Constant rate factor of the codec: 0 (best) to 51, for AV1 to 63; None: the codec's default here.
        audio: Copy the sound of a file into its overlay.
        show: Show the overlay in a window while it is made.
        steady: Smooth the class maps over time.

    Raises:
        UsageError: If a value is out of its range.
    """

    stream: int | None = None
    deinterlace: str = "auto"
    absolute_times: bool = False
    camera_size: tuple[int, int] | None = None
    camera_fps: float | None = None
    camera_format: str | None = None
    transport: str | None = None
    timeout: float = 10.0
    reconnect: bool = False
    codec: str = "h264"
    quality: int | None = None
    audio: bool = False
    show: bool = False
    steady: bool = False

    def __post_init__(self) -> None:
        check_choice("deinterlace", self.deinterlace, DEINTERLACE)
        check_choice("transport", self.transport, (None, *TRANSPORTS))
        check_choice("codec", self.codec, tuple(WORST_QUALITY))
        worst = WORST_QUALITY[self.codec]
        if self.quality is not None and worst is None:
            raise UsageError(f"{self.codec} is lossless and takes no quality, got {self.quality}")
        if self.quality is not None and worst is not None and not 0 <= self.quality <= worst:
            raise UsageError(f"quality of {self.codec} is from 0 (best) to {worst}, got {self.quality}")
        if self.stream is not None and self.stream < 0:
            raise UsageError(f"stream must be at least 0, got {self.stream}")
        if not 0 < self.timeout < 86_400:
            raise UsageError(f"timeout must be above 0 and below 86,400 seconds, got {self.timeout:g}")
        if self.camera_fps is not None and not 0 < self.camera_fps <= 1000:
            raise UsageError(f"camera-fps must be above 0 and at most 1000 frames a second, got {self.camera_fps:g}")
        if self.camera_size is not None and min(self.camera_size) < 1:
            raise UsageError(f"camera-size must be at least 1x1, got {'x'.join(map(str, self.camera_size))}")


def check_choice(name: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    """Raise UsageError if a value is not one of those allowed."""
    if value not in allowed:
        raise UsageError(f"{name} must be one of {', '.join(filter(None, allowed))}, got {value!r}")
