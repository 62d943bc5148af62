"""Place a video's frames in time: counted from the first one, always growing."""

from __future__ import annotations

import heapq
from fractions import Fraction

RESTART = 1  # seconds: a clock that goes back by more has started anew
LEAP = 10  # seconds: a live source's clock that goes on by more has been set

# A video at a constant rate that lost frames has a few gaps. With more, at this share of its frames, the rate varies.
UNEVEN_GAPS, UNEVEN_SHARE = 4, 0.1


class Clock:
    """The times of a video's frames.

    A time that is missing is one step after the last one. A time that repeats or goes back a little is half a step
    after the last one, so that the next frames can keep theirs. A clock that starts anew goes on one step after the
    last frame.

    Args:
        time_base: Seconds per unit of time.
        rate: Frames per second.
        live: True for a camera or a network stream, whose clock may be set while it runs.

    Attributes:
        start: Time of the first frame in the source; None before it, and if it has none.
        last: Time of the last frame, counted from the first; None before it.
        shift: Units to add to the source's times.
        frames: Number of frames.
        gaps: Number of pauses between frames that are longer than the rate says.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, *, live: bool = False) -> None:
        self.time_base = time_base
        self.step = max(1, round(1 / (rate * time_base)))
        self.restart = max(round(RESTART / time_base), self.step)
        self.leap = max(round(LEAP / time_base), self.step) if live else None
        self.start: int | None = None
        self.last: int | None = None
        self.shift = self.frames = self.gaps = 0
        self.pause: int | None = None

    def place(self, pts: int | None) -> int:
        """Return a frame's time, counted from the first frame; pts: its time in the source, if it has one."""
        if self.last is None:
            self.start, self.shift, placed = pts, -(pts or 0), 0
        elif self.pause is not None:
            placed, self.pause = self.last + self.pause, None
            self.shift = placed - (pts or 0)
        elif pts is None:
            placed = self.last + self.step
        else:
            placed = pts + self.shift
            if placed < self.last - self.restart or (self.leap and placed > self.last + self.leap):
                placed = self.last + self.step
                self.shift = placed - pts
            elif placed <= self.last:
                placed = self.last + max(1, self.step // 2)
            self.gaps += placed - self.last > 1.5 * self.step
        self.last = placed
        self.frames += 1
        return placed

    def resume(self, seconds: float) -> None:
        """Place the next frame this long after the last one: the source was away."""
        self.pause = max(self.step, round(seconds / self.time_base))

    @property
    def uneven(self) -> bool:
        """Return True if the rate varies."""
        return self.gaps > max(UNEVEN_GAPS, UNEVEN_SHARE * self.frames)


class Places:
    """The times of pictures that are stored in another order than shown, in a file that only counts them (AVI).

    A packet's time is its place in the file. The earliest of the times that are not taken belongs to the next picture.
    """

    def __init__(self) -> None:
        self.free: list[int] = []

    def add(self, time: int | None) -> None:
        """Keep the time of a packet."""
        if time is not None:
            heapq.heappush(self.free, time)

    def take(self, time: int | None) -> int | None:
        """Return the time of the next picture; time: the one that it has, for want of a better one."""
        return heapq.heappop(self.free) if self.free else time

    def drop(self, time: int | None) -> None:
        """Forget the time of a packet that gives no picture."""
        if time in self.free:
            self.free.remove(time)
            heapq.heapify(self.free)
