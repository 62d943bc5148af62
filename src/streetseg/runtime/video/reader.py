"""Read frames from video files, cameras and network streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from streetseg.errors import VideoError
from streetseg.runtime.addresses import is_live, without_password
from streetseg.runtime.frames import MAX_PIXELS
from streetseg.runtime.video.clock import Clock, Places
from streetseg.runtime.video.damage import Tally, duration
from streetseg.runtime.video.endings import Ending
from streetseg.runtime.video.filters import Filters
from streetseg.runtime.video.opening import Opened, choose_stream, described, films_of, open_source
from streetseg.runtime.video_options import VideoOptions

# Frames a second. A higher rate is a clock's, in files that leave out what does not fall on its ticks (AVI).
CLOCK_RATE = 240

# Codecs whose pictures may be stored in another order, and whose packets in AVI do not say when they are shown.
REORDERED = ("h264", "hevc")

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between two attempts to connect again


class VideoReader:
    """A reader of a source's frames, for one pass.

    Attributes:
        shown: The source's name in messages.
        live: True if frames come at their own pace and late ones may be dropped.
        size: H, W of the stored frames in pixels.
        aspect: Width of a stored pixel by its height.
        time_base: Seconds per step of a timestamp.
        rate: Frames per second.
        clock: Counts the frames read so far and places them in time.
        filters: Deinterlace and map frames where they need it.
        tally: Counts what is damaged.
        missing: Number of missing frames of a file, once all frames are read.
        ending: How the source ended.
        reconnections: How often it was connected again.
    """

    def __init__(
        self,
        source: str,
        options: VideoOptions | None = None,
        tell: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.source, self.options, self.tell = source, options or VideoOptions(), tell
        self.shown = without_password(source)
        self.stopped = threading.Event()
        self.connect()
        # A film at a distance has an end, and none of its frames is dropped.
        self.live = is_live(source) and not (source.lower().startswith("http") and self.container.duration)
        self.size = self.stream.height, self.stream.width
        self.aspect = self.stream.sample_aspect_ratio or Fraction(1)
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = self.stream.time_base or 1 / self.rate
        self.clock = Clock(self.time_base, self.rate, live=self.live)
        self.filters = Filters(self.options.deinterlace, self.shown, tell)
        self.tally = Tally(None if is_live(source) else Path(source), self.container, self.stream)
        self.missing = self.reconnections = 0
        self.ending = Ending.ORDERLY

    def connect(self) -> None:
        """Open the source and choose the stream."""
        self.opened: Opened = open_source(self.source, self.options)
        self.container = self.opened.container
        try:
            self.stream = choose_stream(self.container, self.options.stream, self.shown)
            width, height = self.stream.width, self.stream.height
            if width * height > MAX_PIXELS:
                raise VideoError(f"{self.shown} has {width} x {height} pixels; at most {MAX_PIXELS:,} are allowed")
        except BaseException:
            self.opened.close()
            raise
        # Decoding several frames at once delays each.
        self.stream.thread_type = "SLICE" if is_live(self.source) else "AUTO"

    @property
    def about(self) -> int | None:
        """Return about how many frames there will be, for the progress; None if the file does not say."""
        if self.live or self.rate > CLOCK_RATE:
            return None
        seconds = duration(self.container, self.stream)
        return self.stream.frames or (None if seconds is None else max(1, int(seconds * self.rate)))

    @property
    def note(self) -> str | None:
        """Return a line about the choice among several videos in the file; None if there is no choice."""
        others = [described(stream) for stream in films_of(self.container) if stream.index != self.stream.index]
        if not others or self.options.stream is not None:
            return None
        return (
            f"note: {self.shown} holds several videos: stream {described(self.stream)} is segmented, not "
            f"{', '.join(others)}; --stream N chooses another"
        )

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be decoded. Its timestamp (`pts`) grows and counts from the first frame."""
        yield from self.filters(self.timed())
        if not self.live:
            self.missing = self.tally.missing(self.clock)

    def timed(self) -> Iterator[av.VideoFrame]:
        """Yield every decoded frame at its place in time; connect again if that is wished."""
        while True:
            for frame in self.decode():
                pts, base = frame.pts, self.stream.time_base
                if pts is not None and base is not None and base != self.time_base:  # of another connection
                    pts = round(pts * base / self.time_base)
                frame.pts = self.clock.place(pts)
                yield frame
            again = self.live and self.options.reconnect and self.ending != Ending.ORDERLY
            if not (again and not self.stopped.is_set() and self.connect_again()):
                return

    def decode(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be decoded, and count the packets that cannot."""
        packets = self.container.demux(self.stream)
        context = self.stream.codec_context
        counted = self.container.format.name == "avi" and context.name in REORDERED and context.has_b_frames
        places = Places() if counted else None
        self.ending = Ending.ORDERLY
        while not self.stopped.is_set():
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.FFmpegError as error:  # the file itself is broken here, or the camera has gone
                self.tally.broken = True
                self.ending = Ending.STALLED if isinstance(error, av.ExitError) else Ending.BROKEN
                break
            if not packet.size and packet.dts is not None:  # it repeats the last picture; only the last one ends all
                continue
            if packet.size and not self.live:
                self.tally.count(packet)
            if packet.size and places:
                places.add(packet.pts)
            try:
                for frame in packet.decode():
                    self.tally.patched += frame.is_corrupt
                    if places:
                        frame.pts = places.take(frame.pts)
                    yield frame
            except av.FFmpegError:
                self.tally.lost += 1
                if places:
                    places.drop(packet.pts)
        if self.opened.link is not None and self.ending != Ending.STALLED:
            self.ending = self.opened.link.ending or self.ending

    def connect_again(self) -> bool:
        """Connect again, as often as needed; return False if the reader is stopped."""
        gone = time.monotonic()
        self.tell(f"note: {self.shown} {self.ending}; connecting again")
        wait = FIRST_WAIT
        self.opened.close()
        while not self.stopped.wait(wait):
            try:
                self.connect()
            except VideoError:
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            self.reconnections += 1
            self.clock.resume(time.monotonic() - gone)
            return True
        return False

    def stop(self) -> None:
        """Make the reading end soon, from another thread."""
        self.stopped.set()
        if self.opened.link is not None:
            self.opened.link.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.opened.close()
