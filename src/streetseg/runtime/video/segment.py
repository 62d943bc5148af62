"""Segment a video file, a camera or a network stream into files.

    source ── decode ──┬─ RGB, segment, draw ─┬── encode
                       └─ RGB, segment, draw ─┘

A file is segmented frame by frame. From a live source the newest frame is taken and the late ones are dropped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import OutputError, UsageError, VideoError
from streetseg.progress import Progress, silent
from streetseg.runtime.addresses import is_live
from streetseg.runtime.files import make_folder, same_file
from streetseg.runtime.frames import write_classmap
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import Newest, in_order
from streetseg.runtime.video.endings import Ending
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.writer import VideoWriter
from streetseg.runtime.video_options import VideoOptions

if TYPE_CHECKING:
    import av

MAX_EVERY = 1_000_000  # frames: over nine hours at 30 a second; beyond it the result's frame rate cannot be written
OVERLAY_SUFFIXES = (".mp4", ".mkv", ".mov")


@dataclass(frozen=True)
class SegmentedFrame:
    """A segmented frame of a video.

    Attributes:
        index: Index of the frame in its source, from 0.
        pts: Its timestamp in the source, in steps of the time base.
        overlay: H x W x 3 uint8 RGB.
        classmap: H x W uint8, class indices.
    """

    index: int
    pts: int
    overlay: NDArray[np.uint8]
    classmap: NDArray[np.uint8]


@dataclass(frozen=True)
class VideoReport:
    """The outcome for a video.

    Attributes:
        width: Width of the results in pixels.
        height: Height of the results in pixels.
        frames: Number of frames segmented and written.
        seconds: Duration of the whole work.
        decoded: Number of frames read.
        damaged: Number of frames among them that the decoder patched.
        missing: Number of frames that the file should hold but does not.
        dropped: Number of late frames of a live source, which were left out.
        stale: Number of class maps in their folder that another run has left.
        interrupted: True if Ctrl-C ended it early.
        ending: "ended"; "stalled" or "broke off" if a camera or a stream was lost.
        reconnections: How often a camera or a stream was connected again.
    """

    width: int
    height: int
    frames: int
    seconds: float
    decoded: int
    damaged: int
    missing: int
    dropped: int
    stale: int
    interrupted: bool
    ending: str = Ending.ORDERLY
    reconnections: int = 0


def segment_video(
    segmenter: Segmenter,
    source: str,
    overlay: Path,
    classmap: Path | None = None,
    *,
    every: int = 1,
    max_frames: int | None = None,
    options: VideoOptions | None = None,
    tell: Callable[[str], object] = lambda line: None,
    progress: Progress = silent,
) -> VideoReport:
    """Segment a video into an overlay video and, if asked for, class maps.

    Timestamps count from the first frame. Ctrl-C ends the video early and keeps the frames done so far.
    If a result of a live source can no longer be written, the frames before stay in the other files, and in this one if
    it is Matroska.

    Args:
        segmenter: The segmenter.
        source: A video file, /dev/videoN or rtsp://...
        overlay: NAME.mp4, NAME.mkv or NAME.mov.
        classmap: NAME.mkv, a lossless video whose grey values are class indices; or a folder, for a PNG a frame.
        every: Segment every Nth frame.
        max_frames: Stop after this number of segmented frames; None: at the end.
        options: The stream, the camera's wishes and so on; None: the defaults.
        tell: Gets a line about a choice that was made for the user.
        progress: Shows the progress.

    Returns:
        The report. It counts damage that leaves some frames.

    Raises:
        VideoError: If the source does not exist, is not a video, or has no frame that can be decoded.
        UsageError: If a name or a number is wrong.
        OutputError: If a result cannot be written.
    """
    if not (is_live(source) or Path(source).exists()):
        raise VideoError(f"{source} is not there; give a video file, /dev/videoN or rtsp://...")
    options = options or VideoOptions()
    check_outputs(source, overlay, classmap, every, max_frames)
    if options.absolute_times and overlay.suffix.lower() != ".mkv":
        raise UsageError(f"--absolute-times needs Matroska, got {overlay}; give NAME.mkv")
    interrupted = False
    start = time.perf_counter()
    with VideoReader(source, options, tell) as reader:
        if reader.note:
            tell(reader.note)
        total = reader.about and -(-reader.about // every)
        if max_frames is not None:
            total = min(total or max_frames, max_frames)

        def work(item: tuple[int, av.VideoFrame]) -> SegmentedFrame:
            index, frame = item
            result = segmenter(upright_rgb(frame, reader.size))
            return SegmentedFrame(index, frame.pts or 0, result.overlay(), result.classmap)

        results = Results(overlay, classmap, every, reader, segmenter.card.colours)
        try:
            with closing(Newest(reader, reader.stop)) if reader.live else nullcontext() as newest, results:
                chosen = islice(islice(enumerate(newest or reader), 0, None, every), max_frames)
                with closing(in_order(work, chosen, segmenter.workers)) as done:
                    interrupted = write_all(progress(done, "frame", total), results)
                if results.frames == 0 and not interrupted:
                    raise VideoError(f"{reader.shown} {no_frame(reader)}")
                if not reader.live:
                    for video in results.videos:  # all end before one gets its name: either all are there, or none
                        video.finish()
        except OutputError as error:
            kept = [str(video.path) for video in results.videos if video.kept]
            if not kept:
                raise
            raise OutputError(f"{error}; kept as far as written: {', '.join(kept)}") from None
    seconds = time.perf_counter() - start
    height, width = results.size
    whole = not (interrupted or results.frames == max_frames)  # read to its end
    return VideoReport(
        width=width,
        height=height,
        frames=results.frames,
        seconds=seconds,
        decoded=reader.clock.frames,
        damaged=reader.tally.patched,
        missing=reader.missing if whole else 0,
        dropped=newest.dropped if newest else 0,
        stale=results.stale(),
        interrupted=interrupted,
        ending=reader.ending if reader.live and whole else Ending.ORDERLY,
        reconnections=reader.reconnections,
    )


class Results:
    """The result files of a video, opened with its first frame.

    It is a context manager that leaves every file as `VideoWriter` does. A live source cannot be recorded again, so its
    files are lasting.

    Args:
        overlay: As for `segment_video`, like `classmap` and `every`.
        reader: The source.
        colours: RGB of the classes, 0 to 255.

    Attributes:
        frames: Frames written.
        size: H, W of the results, in pixels.
    """

    def __init__(
        self,
        overlay: Path,
        classmap: Path | None,
        every: int,
        reader: VideoReader,
        colours: Sequence[tuple[int, int, int]],
    ) -> None:
        self.folder = None if classmap is None or classmap.suffix else classmap
        self.paths = [overlay] if classmap is None or self.folder else [overlay, classmap]
        self.rate, self.reader, self.colours = reader.rate / every, reader, colours
        self.files = ExitStack()
        self.videos: list[VideoWriter] = []
        self.frames, self.size, self.start = 0, (0, 0), 0

    def add(self, frame: SegmentedFrame) -> None:
        """Write a frame to all files."""
        pictures = (frame.overlay, frame.classmap)[: len(self.paths)]
        if not self.videos:
            height, width = frame.classmap.shape
            self.size = height, width
            if self.reader.options.absolute_times:
                self.start = self.reader.clock.start or 0
            for path, picture in zip(self.paths, pictures, strict=True):
                self.videos.append(self.files.enter_context(self.video(path, picture)))
        for video, picture in zip(self.videos, pictures, strict=True):
            video.add(picture, frame.pts + self.start)
        if self.folder is not None:
            write_classmap(self.folder / f"{frame.index:06d}.png", frame.classmap, self.colours)
        self.frames += 1

    def video(self, path: Path, picture: NDArray[np.uint8]) -> VideoWriter:
        """Open a video file for pictures like this one."""
        reader = self.reader
        aspect = reader.aspect if picture.shape[:2] == reader.size else 1 / reader.aspect  # turned by a quarter
        return VideoWriter(path, picture, self.rate, reader.time_base, aspect=aspect, lasting=reader.live)

    def stale(self) -> int:
        """Return the number of class maps in their folder that another run has left."""
        if self.folder is None:
            return 0
        return sum(bool(re.fullmatch(r"\d{6,}", path.stem)) for path in self.folder.glob("*.png")) - self.frames

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.files.__exit__(kind, error, trace)


def no_frame(reader: VideoReader) -> str:
    """Return why a source gave no frame."""
    if reader.live and reader.ending != Ending.ORDERLY:
        return f"{reader.ending} before its first frame; check the camera"
    return "holds no frame that can be decoded; give an undamaged video"


def write_all(frames: Iterable[SegmentedFrame], results: Results) -> bool:
    """Add all frames to the results; return True if Ctrl-C ended it early."""
    # Ctrl-C interrupts the main thread only. Another thread writes, so a frame is in all files and the count, or in
    # none.
    written: Future[None] | None = None
    with ThreadPoolExecutor(1) as writer:
        try:
            for frame in frames:
                written = writer.submit(results.add, frame)
                written.result()
        except KeyboardInterrupt:
            if written is not None and (
                failure := written.exception()
            ):  # writing failed while the interrupt was on its way
                raise failure from None
            return True
    return False


def check_outputs(source: str, overlay: Path, classmap: Path | None, every: int, max_frames: int | None) -> None:
    """Raise UsageError if a name or a number cannot work, before anything is opened; create the folders."""
    if overlay.suffix.lower() not in OVERLAY_SUFFIXES:
        raise UsageError(
            f"{overlay} is not a name for a video; allowed are names ending in {', '.join(OVERLAY_SUFFIXES)}"
        )
    if classmap is not None and classmap.suffix not in ("", ".mkv"):
        raise UsageError(f"--classmap {classmap} must be NAME.mkv, or a folder (no suffix) for PNGs")
    if not 1 <= every <= MAX_EVERY or (max_frames is not None and max_frames < 1):
        raise UsageError(f"--every takes 1 to {MAX_EVERY:,} and --max-frames at least 1, got {every} and {max_frames}")
    for path in (overlay, classmap):
        if path is not None and same_file(path, Path(source)):
            raise UsageError(f"{path} is the video to segment; choose another name for the result")
    if classmap is not None and classmap.resolve() == overlay.resolve():
        raise UsageError(f"{overlay} cannot be the overlay and the class map at once; choose another name")
    make_folder(overlay.parent)
    if classmap is not None:
        make_folder(classmap.parent if classmap.suffix else classmap)
