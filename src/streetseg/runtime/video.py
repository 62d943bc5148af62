"""Videos: from a file, a camera or a network stream to frames, and from pictures to files.

    source ── decode ──┬─ RGB, segment, draw ─┬── encode
                       └─ RGB, segment, draw ─┘

A file is segmented frame by frame. From a live source the newest frame is taken and the late ones are dropped.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import MissingExtraError, OutputError, UsageError, VideoError
from streetseg.runtime.files import make_folder, reason, same_file, whole_file
from streetseg.runtime.frames import MAX_PIXELS, is_live, upright, without_password, write_classmap
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import Newest, in_order

try:
    import av
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

MAX_EVERY = 1_000_000  # frames; a day and a half of most cameras', beyond which no result has a frame rate
FRACTION_MAX = 2**30  # FFmpeg's fractions are of 32-bit numbers
H264_MAX_SIDE = 16_384  # pixels; libx264's limit
OVERLAY_SUFFIXES = (".mp4", ".mkv", ".mov")
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
    # Not `frame.rotation`, which knows no mirrors.
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
        swapped = abs(b) > abs(a)
        rows, columns = (b, c) if swapped else (d, a)
        return swapped, 1 if rows >= 0 else -1, 1 if columns >= 0 else -1
    return False, 1, 1


class VideoWriter:
    """A video file being written: overlays as H.264, class maps, H x W, without any loss as FFV1 in 8-bit grey.

    picture: the first of them. target: what `path` is to become, which errors name.
    """

    def __init__(
        self,
        path: Path,
        picture: NDArray[np.uint8],
        rate: Fraction,
        time_base: Fraction,
        aspect: Fraction,
        *,
        target: Path | None = None,
    ) -> None:
        self.format = "rgb24" if picture.ndim == 3 else "gray"
        height, width = picture.shape[:2]
        if picture.ndim == 3 and max(height, width) > H264_MAX_SIDE:
            raise VideoError(
                f"an overlay of {width} x {height} pixels cannot be written: H.264 takes at most {H264_MAX_SIDE} a "
                "side; reduce the video first"
            )
        self.target = target or path
        self.container = av.open(f"file:{path}", "w")
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

    def add(self, picture: NDArray[np.uint8], pts: int) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format=self.format)
        frame = frame.reformat(format=self.stream.pix_fmt, dst_colorspace=self.matrix)
        frame.pts, frame.time_base = pts, self.time_base
        with self.refusals():
            self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        with self.refusals():
            try:
                self.container.mux(self.stream.encode())
            finally:
                self.container.close()

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Inside, what codec and container cannot take is a VideoError; what the disk cannot is an OutputError."""
        try:
            yield
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise OutputError(f"{self.target} cannot be written: {reason(error)}; choose another place") from None
            raise VideoError(
                f"no {self.target.suffix} of this video can be written: {error.strerror}; its timestamps may lie too "
                "far apart, which NAME.mkv can hold"
            ) from None


@dataclass(frozen=True)
class SegmentedFrame:
    """index: of the frame in its source. pts: its timestamp there, in steps of the time base. Overlay and class map."""

    index: int
    pts: int
    overlay: NDArray[np.uint8]
    classmap: NDArray[np.uint8]


Progress = Callable[[Iterable[SegmentedFrame], int | None], Iterable[SegmentedFrame]]


@dataclass
class VideoReport:
    """What became of a video. decoded, damaged, missing: see VideoReader. frames: segmented and written."""

    width: int = 0
    height: int = 0
    frames: int = 0
    seconds: float = 0.0
    decoded: int = 0
    damaged: int = 0
    missing: int = 0
    dropped: int = 0
    interrupted: bool = False


def segment_video(
    segmenter: Segmenter,
    source: str,
    overlay: Path,
    classmap: Path | None = None,
    *,
    every: int = 1,
    max_frames: int | None = None,
    progress: Progress = lambda frames, total: frames,
) -> VideoReport:
    """Segment a video into an overlay video and, where asked for, class maps; timestamps are kept, audio is not.

    overlay: NAME.mp4, .mkv or .mov. classmap: NAME.mkv, a lossless video whose grey values are class indices, or a
    folder, for a PNG a frame. every: take each so-manieth frame. max_frames: stop after so many. progress: wraps the
    frames, given how many are expected. An interruption (Ctrl-C) ends the video early, and what was done is kept; so is
    what a live source gave before its results could no longer be written, as far as a Matroska file holds it.
    Raises VideoError, UsageError or OutputError; damage that leaves some frames is counted in the report.
    """
    if not (is_live(source) or Path(source).exists()):
        raise VideoError(f"{source} is not there; give a video file, /dev/videoN or rtsp://...")
    check_outputs(source, overlay, classmap, every, max_frames)
    report = VideoReport()
    start = time.perf_counter()
    with VideoReader(source) as reader, ExitStack() as outputs:
        total = reader.expected and -(-reader.expected // every)
        if max_frames is not None:
            total = min(total or max_frames, max_frames)

        newest = outputs.enter_context(closing(Newest(reader))) if reader.live else None

        def work(item: tuple[int, av.VideoFrame]) -> SegmentedFrame:
            index, frame = item
            result = segmenter(upright_rgb(frame, reader.size))
            return SegmentedFrame(index, frame.pts or 0, result.overlay(), result.classmap)

        def writer(path: Path, picture: NDArray[np.uint8]) -> VideoWriter:
            temporary = outputs.enter_context(whole_file(path))
            aspect = reader.aspect if picture.shape[:2] == reader.size else 1 / reader.aspect  # turned by a quarter
            rate = reader.rate / every
            return VideoWriter(temporary, picture, rate, reader.time_base, aspect, target=path)

        overlays: VideoWriter | None = None
        classmaps: VideoWriter | None = None

        def write(frame: SegmentedFrame) -> None:
            nonlocal overlays, classmaps
            if overlays is None:
                report.height, report.width = frame.classmap.shape
                overlays = writer(overlay, frame.overlay)
                if classmap is not None and classmap.suffix:
                    classmaps = writer(classmap, frame.classmap)
            overlays.add(frame.overlay, frame.pts)
            if classmaps is not None:
                classmaps.add(frame.classmap, frame.pts)
            elif classmap is not None:
                write_classmap(classmap / f"{frame.index:06d}.png", frame.classmap, segmenter.card.colours)
            report.frames += 1

        chosen = islice(islice(enumerate(newest or reader), 0, None, every), max_frames)
        done = outputs.enter_context(closing(in_order(work, chosen, segmenter.workers)))
        # An interruption strikes the main thread only: written by another, a frame is in all outputs and the count, or
        # in none.
        written: Future[None] | None = None
        failure: BaseException | None = None
        with ThreadPoolExecutor(1) as pen:
            try:
                for frame in progress(done, total):
                    written = pen.submit(write, frame)
                    written.result()
            except KeyboardInterrupt:
                report.interrupted = True
            except OutputError as error:
                failure = error
        if failure is None and written is not None:
            failure = written.exception()  # what the write failed of while an interruption was on its way
        # What a camera showed cannot be recorded again: where the disk is full, say, what is there stays.
        keep = reader.live and report.frames > 0
        if failure is not None and not (keep and isinstance(failure, OutputError)):
            raise failure
        done.close()
        for video in (overlays, classmaps):
            if video is not None:
                try:
                    video.finish()
                except OutputError as error:
                    if not keep or video.target.suffix != ".mkv":  # the others end with what makes them readable
                        raise
                    failure = failure or error
        if report.frames == 0 and not report.interrupted:
            raise VideoError(f"{reader.shown} holds no frame that can be decoded; give an undamaged video")
    if failure is not None:
        raise OutputError(f"{failure}; what was written before is kept")
    report.seconds = time.perf_counter() - start
    report.decoded, report.damaged = reader.decoded, reader.damaged
    whole = not (reader.live or report.interrupted or report.frames == max_frames)
    report.missing = reader.missing if whole else reader.lost
    report.dropped = newest.dropped if newest else 0
    return report


def check_outputs(source: str, overlay: Path, classmap: Path | None, every: int, max_frames: int | None) -> None:
    """Refuse what cannot work before anything is opened."""
    if overlay.suffix.lower() not in OVERLAY_SUFFIXES:
        raise UsageError(f"{overlay} is no name for a video; allowed are names ending in {', '.join(OVERLAY_SUFFIXES)}")
    if classmap is not None and classmap.suffix not in ("", ".mkv"):
        raise UsageError(f"--classmap {classmap} must be NAME.mkv, or a folder (no suffix) for PNGs")
    if not 1 <= every <= MAX_EVERY or (max_frames is not None and max_frames < 1):
        raise UsageError(f"--every takes 1 to {MAX_EVERY:,} and --max-frames at least 1, got {every} and {max_frames}")
    for path in (overlay, classmap):
        if path is not None and same_file(path, Path(source)):
            raise UsageError(f"{path} is what is to be segmented; choose another name for the result")
    if classmap is not None and classmap.resolve() == overlay.resolve():
        raise UsageError(f"{overlay} cannot be the overlay and the class map at once; choose another name")
    make_folder(overlay.parent)
    if classmap is not None:
        make_folder(classmap.parent if classmap.suffix else classmap)
