"""Videos: a file, a camera or a network stream segmented into files.

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
from streetseg.runtime.files import make_folder, same_file
from streetseg.runtime.frames import write_classmap
from streetseg.runtime.inputs import is_live
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import Newest, in_order
from streetseg.runtime.video.files import VideoReader, VideoWriter, upright_rgb

if TYPE_CHECKING:
    import av

MAX_EVERY = 1_000_000  # frames; a day and a half of most cameras', beyond which no result has a frame rate
OVERLAY_SUFFIXES = (".mp4", ".mkv", ".mov")


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
    """What became of a video. decoded, damaged, missing: see VideoReader. frames: segmented and written. stale: PNGs
    named like class maps in the folder for these that are not of this video."""

    width: int = 0
    height: int = 0
    frames: int = 0
    seconds: float = 0.0
    decoded: int = 0
    damaged: int = 0
    missing: int = 0
    dropped: int = 0
    stale: int = 0
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
    what a live source gave before a result could no longer be written, in the others and as far as Matroska holds it.
    Raises VideoError, UsageError or OutputError; damage that leaves some frames is counted in the report.
    """
    if not (is_live(source) or Path(source).exists()):
        raise VideoError(f"{source} is not there; give a video file, /dev/videoN or rtsp://...")
    check_outputs(source, overlay, classmap, every, max_frames)
    report = VideoReport()
    start = time.perf_counter()
    with VideoReader(source) as reader:
        total = reader.expected and -(-reader.expected // every)
        if max_frames is not None:
            total = min(total or max_frames, max_frames)

        def work(item: tuple[int, av.VideoFrame]) -> SegmentedFrame:
            index, frame = item
            result = segmenter(upright_rgb(frame, reader.size))
            return SegmentedFrame(index, frame.pts or 0, result.overlay(), result.classmap)

        results = Results(overlay, classmap, every, reader, segmenter.card.colours)
        try:
            with closing(Newest(reader)) if reader.live else nullcontext() as newest, results:
                chosen = islice(islice(enumerate(newest or reader), 0, None, every), max_frames)
                with closing(in_order(work, chosen, segmenter.workers)) as done:
                    report.interrupted = write_all(progress(done, total), results)
                if results.frames == 0 and not report.interrupted:
                    raise VideoError(f"{reader.shown} holds no frame that can be decoded; give an undamaged video")
                if not reader.live:
                    for video in results.videos:  # all before one takes its place: both are there, or none
                        video.finish()
        except OutputError as error:
            kept = [str(video.path) for video in results.videos if video.kept]
            if not kept:
                raise
            raise OutputError(f"{error}; kept as far as written: {', '.join(kept)}") from None
    report.seconds = time.perf_counter() - start
    report.frames, (report.height, report.width) = results.frames, results.size
    report.decoded, report.damaged = reader.decoded, reader.damaged
    whole = not (reader.live or report.interrupted or report.frames == max_frames)
    report.missing = reader.missing if whole else reader.lost
    report.dropped = newest.dropped if newest else 0
    if results.folder is not None:
        there = [path for path in results.folder.glob("*.png") if re.fullmatch(r"\d{6,}", path.stem)]
        report.stale = len(there) - results.frames
    return report


class Results:
    """What the frames of a video become: files of their own, opened with the first of them.

    overlay, classmap, every: as `segment_video` takes them. size: H, W of the results. A context manager, left as
    `VideoWriter` is, every file for itself; what a live source showed cannot be recorded again, so it is lasting.
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
        self.frames, self.size = 0, (0, 0)

    def add(self, frame: SegmentedFrame) -> None:
        pictures = (frame.overlay, frame.classmap)[: len(self.paths)]
        if not self.videos:
            height, width = frame.classmap.shape
            self.size = height, width
            for path, picture in zip(self.paths, pictures, strict=True):
                self.videos.append(self.files.enter_context(self.video(path, picture)))
        for video, picture in zip(self.videos, pictures, strict=True):
            video.add(picture, frame.pts)
        if self.folder is not None:
            write_classmap(self.folder / f"{frame.index:06d}.png", frame.classmap, self.colours)
        self.frames += 1

    def video(self, path: Path, picture: NDArray[np.uint8]) -> VideoWriter:
        reader = self.reader
        aspect = reader.aspect if picture.shape[:2] == reader.size else 1 / reader.aspect  # turned by a quarter
        return VideoWriter(path, picture, self.rate, reader.time_base, aspect=aspect, lasting=reader.live)

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.files.__exit__(kind, error, trace)


def write_all(frames: Iterable[SegmentedFrame], results: Results) -> bool:
    """Add all frames to the results; whether an interruption (Ctrl-C) ended it early."""
    # An interruption strikes the main thread only: written by another, a frame is in all outputs and the count, or in
    # none.
    written: Future[None] | None = None
    with ThreadPoolExecutor(1) as pen:
        try:
            for frame in frames:
                written = pen.submit(results.add, frame)
                written.result()
        except KeyboardInterrupt:
            if written is not None and (failure := written.exception()):  # it failed while the other was on its way
                raise failure from None
            return True
    return False


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
