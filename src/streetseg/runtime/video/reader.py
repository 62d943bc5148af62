"""Read frames from video files, cameras and network streams."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from streetseg.errors import VideoError
from streetseg.runtime.frames import MAX_PIXELS, upright
from streetseg.runtime.inputs import is_live, without_password

# Containers that hold their frames themselves. Playlists and descriptions (concat, m3u8, sdp, mpd) name other files and
# addresses, and the file's maker would choose what is read.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mxf,dv,ivf,mjpeg,h264,hevc,gif"
LIVE_TIMEOUT = 10.0  # seconds without a frame until we give a camera or stream up

# Frames a second. A higher rate is a clock's, in files that leave out what does not fall on its ticks (AVI).
CLOCK_RATE = 240

# A video at a constant rate that lost frames has a few gaps. With more, at this share of its frames, the rate varies.
UNEVEN_GAPS, UNEVEN_SHARE = 4, 0.1

# If a video does not name its colour space, players and we assume BT.709 from this height on and BT.601 below. The
# videos that we write name it (code points of ITU-T H.273).
HD_HEIGHT = 720
BT709, UNSPECIFIED, BT601 = 1, 2, 6


class VideoReader:
    """A reader of a source's frames, for one pass.

    Attributes:
        shown: The source's name in messages.
        size: H, W of the stored frames in pixels.
        aspect: Width of a stored pixel by its height.
        time_base: Seconds per step of a timestamp.
        rate: Frames per second.
        expected: Number of frames by the file's header; None if unknown.
        decoded: Number of frames read so far.
        damaged: Number of frames among them that the decoder patched.
        lost: Number of packets that could not be decoded.
        gaps: Number of pauses between frames that are longer than the rate says.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.shown = shown = without_password(source)
        self.live = is_live(source)
        self.decoded = self.damaged = self.lost = self.gaps = 0
        try:
            self.container = self.open()
        except av.FFmpegError as error:
            raise VideoError(
                f"{shown} cannot be opened as a video: {error.strerror}; give a video file (playlists that name other "
                "files are refused), /dev/videoN or rtsp://..."
            ) from None
        videos = [stream for stream in self.container.streams.video if stream.codec_context is not None]
        if not videos:
            self.container.close()
            raise VideoError(f"{shown} holds no video of a kind that can be decoded; give another file")
        self.stream = videos[0]
        self.size = self.stream.height, self.stream.width
        if self.size[0] * self.size[1] > MAX_PIXELS:
            self.container.close()
            raise VideoError(f"{shown} has {self.size[1]} x {self.size[0]} pixels; at most {MAX_PIXELS:,} are allowed")
        self.aspect = self.stream.sample_aspect_ratio or Fraction(1)
        self.stream.thread_type = "AUTO"
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = self.stream.time_base or 1 / self.rate
        self.expected = self.frames_by_header()

    def open(self) -> av.container.InputContainer:
        """Open the source by its kind."""
        if self.source.startswith("/dev/"):
            return av.open(self.source, format="v4l2", timeout=LIVE_TIMEOUT)
        if self.live:
            return av.open(self.source, format="rtsp", options={"rtsp_transport": "tcp"}, timeout=LIVE_TIMEOUT)
        # "file:" keeps a name with a colon from being taken for another protocol.
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        return av.open(f"file:{self.source}", options=options, metadata_errors="replace")

    def frames_by_header(self) -> int | None:
        """Return the number of frames that the file's header claims; None if it does not say."""
        if self.live:
            return None
        if self.container.format.name.startswith("mov"):  # lists every frame, also those that an edit cut away
            presented = float((self.container.duration or 0) * self.rate / av.time_base)
            return self.stream.frames if round(presented) >= self.stream.frames > 0 else None
        if self.stream.average_rate not in (None, self.stream.base_rate) or self.rate > CLOCK_RATE:
            return None  # the rate varies, so the length says nothing about the number of frames
        seconds = duration(self.container, self.stream)
        return self.stream.frames or (None if seconds is None else int(seconds * self.rate))

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be decoded. Its timestamp (`pts`) grows; from a live source it starts at 0."""
        first = last = None
        step = max(1, round(1 / (self.rate * self.time_base)))
        for frame in self.decode():
            self.decoded += 1
            self.damaged += frame.is_corrupt
            pts = frame.pts
            if self.live and pts is not None:  # a camera's clock may count from the start of the machine
                first = pts if first is None else first
                pts -= first
            if pts is None or (last is not None and pts <= last):
                pts = 0 if last is None else last + step
            self.gaps += last is not None and pts - last > 1.5 * step
            last = frame.pts = pts
            yield frame

    def decode(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be decoded, and count the packets that cannot."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:  # the file itself is broken here, or the stream has ended
                self.lost += 1
                return
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.lost += 1

    @property
    def missing(self) -> int:
        """Return the number of missing frames; valid once all frames are read."""
        if self.gaps > max(UNEVEN_GAPS, UNEVEN_SHARE * self.decoded):
            return self.lost  # the rate varies, whatever the header says
        return max(self.lost, (self.expected or 0) - self.decoded)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()


def duration(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Return the video's length in seconds from its first frame on, by the file's header; None if it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    start = float((stream.start_time or 0) * (stream.time_base or 0))  # the others count from 0, not the first frame
    with contextlib.suppress(KeyError, ValueError):  # Matroska
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - start
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base - start
    return None


def upright_rgb(frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a decoded frame as uint8 RGB, H x W x 3.

    It is resized to `size` (H, W as stored), then turned or mirrored by its display matrix (phones, rear cameras).
    """
    matrix = Colorspace.ITU709 if frame.colorspace == UNSPECIFIED and size[0] >= HD_HEIGHT else None
    rgb = frame.to_ndarray(format="rgb24", height=size[0], width=size[1], src_colorspace=matrix)
    return upright(np.asarray(rgb, np.uint8), *display_turn(frame))


def display_turn(frame: av.VideoFrame) -> tuple[bool, int, int]:
    """Return the arguments of `frames.upright` for a frame, by its display matrix (ISO 14496-12, 8.3.2)."""
    # Not `frame.rotation`, which knows no mirrors. Not `frame.side_data` either: frame and side data hold each other,
    # and stay in memory until Python collects reference cycles, hundreds of frames later.
    matrix: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # unknown to its stub
    if matrix is not None:
        a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
        swapped = abs(b) > abs(a)
        rows, columns = (b, c) if swapped else (d, a)
        return swapped, 1 if rows >= 0 else -1, 1 if columns >= 0 else -1
    return False, 1, 1
