"""Segment a video file, a camera or a network stream into files.

    source ── decode ──┬─ RGB, segment, draw ─┬── encode
                       └─ RGB, segment, draw ─┘

A file is segmented frame by frame. From a live source the newest frame is taken and the late ones are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from streetseg.errors import OutputError, UsageError, VideoError
from streetseg.progress import Progress, silent
from streetseg.runtime.addresses import is_live
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.result import Result
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.steady import Steady
from streetseg.runtime.stream import Newest, in_order
from streetseg.runtime.video.endings import Ending
from streetseg.runtime.video.outputs import Results, SegmentedFrame, check_outputs
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.window import Window, open_window
from streetseg.runtime.video_options import VideoOptions

if TYPE_CHECKING:
    import av

Segmented: TypeAlias = tuple[int, int, Result]  # index and timestamp of a frame, and its result

MAX_EVERY = 1_000_000  # frames: over nine hours at 30 a second; beyond it the result's frame rate cannot be written


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
        live: True if frames came at their own pace and late ones were dropped.
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
    live: bool = False


def segment_video(
    segmenter: Segmenter,
    source: str,
    overlay: Path | None,
    classmap: Path | None = None,
    *,
    every: int = 1,
    max_frames: int | None = None,
    options: VideoOptions | None = None,
    drawing: Drawing | None = None,
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
        overlay: NAME.mp4, NAME.mkv or NAME.mov; None: no overlay.
        classmap: NAME.mkv, a lossless video whose grey values are class indices; a folder, for a PNG a frame; NAME.npz,
            for an array a frame; None: no class maps.
        every: Segment every Nth frame.
        max_frames: Stop after this number of segmented frames; None: at the end.
        options: The stream, the camera's wishes, the codec and so on; None: the defaults.
        drawing: How overlays look; None: the defaults.
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
    options, drawing = options or VideoOptions(), drawing or Drawing()
    drawing.check(segmenter.card.classes)
    if not 1 <= every <= MAX_EVERY or (max_frames is not None and max_frames < 1):
        raise UsageError(f"--every takes 1 to {MAX_EVERY:,} and --max-frames at least 1, got {every} and {max_frames}")
    check_outputs(source, overlay, classmap, options)
    start = time.perf_counter()
    with VideoReader(source, options, tell) as reader:
        if reader.note:
            tell(reader.note)
        total = reader.about and -(-reader.about // every)
        if max_frames is not None:
            total = min(total or max_frames, max_frames)

        smooth = Steady(segmenter) if options.steady else None

        def segment(item: tuple[int, av.VideoFrame]) -> Segmented:
            index, frame = item
            return index, frame.pts or 0, segmenter(upright_rgb(frame, reader.size), logits=options.steady)

        def work(item: tuple[int, av.VideoFrame]) -> SegmentedFrame:
            return paint(drawing, segment(item))

        results = Results(overlay, classmap, every, reader, drawing)
        try:
            with closing(Newest(reader, reader.stop)) if reader.live else nullcontext() as newest, results:
                chosen = islice(islice(enumerate(newest or reader), 0, None, every), max_frames)
                with (
                    open_window(reader.shown) if options.show else nullcontext() as window,
                    closing(
                        in_order(work, chosen, segmenter.workers)
                        if smooth is None
                        else smoothed(smooth, drawing, in_order(segment, chosen, segmenter.workers))
                    ) as done,
                ):
                    ended = write_all(progress(done, "frame", total), results, window)
                interrupted = ended == "interrupted"
                if results.frames == 0 and not ended:
                    raise VideoError(f"{reader.shown} {no_frame(reader)}")
                if not reader.live:
                    results.finish()
        except OutputError as error:
            if not results.kept:
                raise
            raise OutputError(f"{error}; kept as far as written: {', '.join(map(str, results.kept))}") from None
    seconds = time.perf_counter() - start
    height, width = results.size
    whole = not (ended or results.frames == max_frames)  # read to its end
    return VideoReport(
        width=width,
        height=height,
        frames=results.frames,
        seconds=seconds,
        decoded=reader.clock.frames,
        damaged=reader.tally.patched,
        missing=reader.missing if whole else 0 if reader.live else reader.tally.lost,
        dropped=newest.dropped if newest else 0,
        stale=results.stale(),
        interrupted=interrupted,
        ending=reader.ending if reader.live and whole else Ending.ORDERLY,
        reconnections=reader.reconnections,
        live=reader.live,
    )


def paint(drawing: Drawing, segmented: Segmented) -> SegmentedFrame:
    """Draw the overlay of a segmented frame."""
    index, pts, result = segmented
    return SegmentedFrame(index, pts, drawing.paint(result), result)


def smoothed(smooth: Steady, drawing: Drawing, frames: Generator[Segmented]) -> Generator[SegmentedFrame]:
    """Yield segmented frames with smoothed class maps, drawn; a thread smooths and draws the next one meanwhile."""

    def each(segmented: Segmented) -> SegmentedFrame:
        index, pts, result = segmented
        return paint(drawing, (index, pts, smooth(result)))

    with closing(frames), closing(in_order(each, frames, 1)) as done:  # one worker: the frames come in order
        yield from done


def no_frame(reader: VideoReader) -> str:
    """Return why a source gave no frame."""
    if reader.live and reader.ending != Ending.ORDERLY:
        return f"{reader.ending} before its first frame; check the camera"
    return "holds no frame that can be decoded; give an undamaged video"


def write_all(frames: Iterable[SegmentedFrame], results: Results, window: Window | None) -> str:
    """Add all frames to the results; return "interrupted", "closed" if the window was, or nothing at the end."""
    # Ctrl-C interrupts the main thread only. Another thread writes, so a frame is in all files and the count, or in
    # none.
    written: Future[None] | None = None
    with ThreadPoolExecutor(1) as writer:
        try:
            # An interrupt while the pool starts its thread would leave that thread unknown to the pool, which then
            # would not wait for it. So it starts before there is anything to write.
            writer.submit(lambda: None).result()
            for frame in frames:
                written = writer.submit(results.add, frame)
                if window is not None and not window.show(frame.overlay):
                    written.result()
                    return "closed"
                written.result()
        except KeyboardInterrupt:
            if written is not None and (
                failure := written.exception()
            ):  # writing failed while the interrupt was on its way
                raise failure from None
            return "interrupted"
    return ""
