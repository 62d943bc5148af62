"""Video files and live sources: frames out of them, and pictures into files."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import MissingExtraError, OutputError, VideoError
from streetseg.runtime.files import reason, whole_file
from streetseg.runtime.frames import MAX_PIXELS, upright
from streetseg.runtime.inputs import is_live, without_password

try:
    import av
    from av.sidedata.sidedata import SideDataContainer
    from av.video.reformatter import ColorRange, Colorspace
except ModuleNotFoundError:
    raise MissingExtraError("PyAV", "video", "video") from None

# Containers that hold their frames themselves. Playlists and descriptions (concat, m3u8, sdp, mpd) name other files and
# addresses, which whoever made the file would choose.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mxf,dv,ivf,mjpeg,h264,hevc,gif"
LIVE_TIMEOUT = 10.0  # seconds until a camera or stream that gives nothing is given up

# Frames a second beyond which a rate is that of a clock, in files that leave out what does not fall on its ticks (AVI).
CLOCK_RATE = 240

# A steady video that lost frames has a few gaps; where there are more, and at this share of its frames, it never was.
UNEVEN_GAPS, UNEVEN_SHARE = 4, 0.1

# Video that does not say how its YUV is meant is taken for BT.709's from this height on, for BT.601's below, by players
# as by us. What is written says it (ITU-T H.273: the code points).
HD_HEIGHT = 720
BT709, UNSPECIFIED, BT601 = 1, 2, 6

FRACTION_MAX = 2**30  # FFmpeg's fractions are of 32-bit numbers
H264_MAX_SIDE = 16_384  # pixels; libx264's limit
# x264: quick enough to keep up with the network, and no artefacts that one would take for the network's.
OVERLAY_OPTIONS: dict[str, object] = {"preset": "veryfast", "crf": "20"}


class VideoReader:
    """The frames of a source, to be read once.

    shown: the source as messages name it. size: H, W as stored. aspect: of a stored pixel, width to height. time_base:
    seconds that one step of a timestamp stands for. rate: frames a second. expected: the frames that the file claims to
    hold, None where it does not say. Counted as they are read: decoded, frames; damaged, those of them that the decoder
    had to patch; lost, packets that it could not make a frame of; gaps, between frames, longer than the rate says.
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
        self.expected = self.count()

    def open(self) -> av.container.InputContainer:
        if self.source.startswith("/dev/"):
            return av.open(self.source, format="v4l2", timeout=LIVE_TIMEOUT)
        if self.live:
            return av.open(self.source, format="rtsp", options={"rtsp_transport": "tcp"}, timeout=LIVE_TIMEOUT)
        # "file:" keeps a name with a colon from being taken for another protocol.
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        return av.open(f"file:{self.source}", options=options, metadata_errors="replace")

    def count(self) -> int | None:
        """How many frames the file claims to hold."""
        if self.live:
            return None
        if self.container.format.name.startswith("mov"):  # lists every frame, also those that its maker cut away
            shown = float((self.container.duration or 0) * self.rate / av.time_base)
            return self.stream.frames if round(shown) >= self.stream.frames > 0 else None
        if self.stream.average_rate not in (None, self.stream.base_rate) or self.rate > CLOCK_RATE:
            return None  # not a constant rate: a length says nothing about a number
        seconds = duration(self.container, self.stream)
        return self.stream.frames or (None if seconds is None else int(seconds * self.rate))

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Every frame that can be decoded, with a timestamp (`pts`) that grows; from a live source it starts at 0."""
        first = last = None
        step = max(1, round(1 / (self.rate * self.time_base)))
        for frame in self.decode():
            self.decoded += 1
            self.damaged += frame.is_corrupt
            at = frame.pts
            if self.live and at is not None:  # a camera's clock may count from when the machine was started
                first = at if first is None else first
                at -= first
            if at is None or (last is not None and at <= last):
                at = 0 if last is None else last + step
            self.gaps += last is not None and at - last > 1.5 * step
            last = frame.pts = at
            yield frame

    def decode(self) -> Iterator[av.VideoFrame]:
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
        """Once all is read: the frames that should have come and did not."""
        if self.gaps > max(UNEVEN_GAPS, UNEVEN_SHARE * self.decoded):
            return self.lost  # an uneven rate whatever the file says of it: its length says nothing about a number
        return max(self.lost, (self.expected or 0) - self.decoded)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()


def duration(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """The video's length in seconds, from its first frame on, by what the file says of it."""
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
    """A decoded frame as uint8 RGB, H x W x 3, brought to size (H, W, as stored), then turned or mirrored as a phone or
    a rear camera asks for."""
    matrix = Colorspace.ITU709 if frame.colorspace == UNSPECIFIED and size[0] >= HD_HEIGHT else None
    rgb = frame.to_ndarray(format="rgb24", height=size[0], width=size[1], src_colorspace=matrix)
    return upright(np.asarray(rgb, np.uint8), *display_turn(frame))


def display_turn(frame: av.VideoFrame) -> tuple[bool, int, int]:
    """How a frame becomes upright, as `frames.upright` takes it, by its display matrix (ISO 14496-12, 8.3.2)."""
    # Not `frame.rotation`, which knows no mirrors; nor `frame.side_data`, which the frame and it hold each other by: it
    # would stay in memory until Python looks for circles, hundreds of frames later.
    matrix: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # unknown to its stub
    if matrix is not None:
        a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
        swapped = abs(b) > abs(a)
        rows, columns = (b, c) if swapped else (d, a)
        return swapped, 1 if rows >= 0 else -1, 1 if columns >= 0 else -1
    return False, 1, 1


class VideoWriter:
    """A video file being written: overlays as H.264, class maps, H x W, without any loss as FFV1 in 8-bit grey.

    picture: the first of them. aspect: of a pixel, width to height. A context manager: the file is there, whole, once
    it is left without an error. lasting: what was written is of a source that cannot be read again; then the file also
    stays after an OutputError, its own or another file's, as far as its format can be read without its end. kept:
    whether the file is there.
    """

    def __init__(
        self,
        path: Path,
        picture: NDArray[np.uint8],
        rate: Fraction,
        time_base: Fraction,
        *,
        aspect: Fraction = Fraction(1),
        lasting: bool = False,
    ) -> None:
        self.format = "rgb24" if picture.ndim == 3 else "gray"
        height, width = picture.shape[:2]
        if picture.ndim == 3 and max(height, width) > H264_MAX_SIDE:
            raise VideoError(
                f"an overlay of {width} x {height} pixels cannot be written: H.264 takes at most {H264_MAX_SIDE} a "
                "side; reduce the video first"
            )
        self.path, self.lasting, self.finished, self.kept, self.frames = path, lasting, False, False, 0
        with ExitStack() as files:
            self.container = av.open(f"file:{files.enter_context(whole_file(path))}", "w")
            rate = max(rate.limit_denominator(int(FRACTION_MAX / max(rate, Fraction(1)))), Fraction(1, FRACTION_MAX))
            self.stream = self.container.add_stream("libx264" if picture.ndim == 3 else "ffv1", rate=rate)
            self.stream.height, self.stream.width = height, width
            self.stream.pix_fmt = "gray"
            codec = self.stream.codec_context
            self.matrix = None
            if picture.ndim == 3:
                self.stream.options = OVERLAY_OPTIONS
                self.stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
                self.matrix, meaning = (Colorspace.ITU709, BT709) if height >= HD_HEIGHT else (Colorspace.ITU601, BT601)
                codec.colorspace = codec.color_primaries = codec.color_trc = meaning
                codec.color_range = ColorRange.MPEG
                codec.sample_aspect_ratio = aspect
            self.stream.time_base = codec.time_base = self.time_base = time_base
            self.file = files.pop_all()

    def add(self, picture: NDArray[np.uint8], pts: int) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format=self.format)
        frame = frame.reformat(format=self.stream.pix_fmt, dst_colorspace=self.matrix)
        frame.pts, frame.time_base = pts, self.time_base
        with self.refusals():
            self.container.mux(self.stream.encode(frame))
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lasting = self.lasting and self.frames > 0
        if error is not None and not (lasting and isinstance(error, OutputError)):
            with contextlib.suppress(av.FFmpegError):
                self.container.close()
            self.file.__exit__(kind, error, trace)
            return
        failure = None
        with self.file:
            try:
                if not self.finished:
                    self.finish()
            except OutputError as found:
                if not (lasting and self.path.suffix == ".mkv"):  # the others end with what makes them readable
                    raise
                failure = found
        self.kept = True
        if failure is not None and error is None:
            raise failure

    def finish(self) -> None:
        """Write the end, as leaving does, but before the file takes its place."""
        with self.refusals():
            try:
                self.container.mux(self.stream.encode())
            finally:
                self.container.close()
        self.finished = True

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Inside, what codec and container cannot take is a VideoError; what the disk cannot is an OutputError."""
        try:
            yield
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise OutputError(f"{self.path} cannot be written: {reason(error)}; choose another place") from None
            raise VideoError(
                f"no {self.path.suffix} of this video can be written: {error.strerror}; its timestamps may lie too "
                "far apart, which NAME.mkv can hold"
            ) from None
