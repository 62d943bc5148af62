"""Read frames from video files, cameras and network streams."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from streetseg.errors import VideoError
from streetseg.runtime.addresses import is_live, without_password
from streetseg.runtime.frames import MAX_PIXELS
from streetseg.runtime.video.clock import Clock
from streetseg.runtime.video.damage import Tally, duration
from streetseg.runtime.video.filters import Filters
from streetseg.runtime.video.opening import choose_stream, described, films_of, open_source
from streetseg.runtime.video_options import VideoOptions

# Frames a second. A higher rate is a clock's, in files that leave out what does not fall on its ticks (AVI).
CLOCK_RATE = 240


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
        missing: Number of missing frames, once all frames are read.
    """

    def __init__(self, source: str, options: VideoOptions | None = None) -> None:
        self.source, self.options = source, options or VideoOptions()
        self.shown = without_password(source)
        self.live = is_live(source)
        self.container = open_source(source, self.options)
        try:
            self.stream = choose_stream(self.container, self.options.stream, self.shown)
            self.size = self.stream.height, self.stream.width
            if self.size[0] * self.size[1] > MAX_PIXELS:
                raise VideoError(
                    f"{self.shown} has {self.size[1]} x {self.size[0]} pixels; at most {MAX_PIXELS:,} are allowed"
                )
        except BaseException:
            self.container.close()
            raise
        self.aspect = self.stream.sample_aspect_ratio or Fraction(1)
        self.stream.thread_type = "AUTO"
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = self.stream.time_base or 1 / self.rate
        self.clock = Clock(self.time_base, self.rate, live=self.live)
        self.filters = Filters(self.options.deinterlace, self.shown)
        self.missing = 0
        self.tally = Tally(None if self.live else Path(source), self.container, self.stream)

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
        self.missing = self.tally.missing(self.clock)

    def timed(self) -> Iterator[av.VideoFrame]:
        """Yield every decoded frame at its place in time."""
        for frame in self.decode():
            frame.pts = self.clock.place(frame.pts)
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
                self.tally.broken = True
                return
            if packet.size:
                self.tally.count(packet)
            try:
                for frame in packet.decode():
                    self.tally.patched += frame.is_corrupt
                    yield frame
            except av.FFmpegError:
                self.tally.lost += 1

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()
