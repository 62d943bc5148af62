"""How far a run is, and what came of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from streetseg.bulk.rows import Row
from streetseg.results import Facts, Printable

WINDOW = 20.0  # seconds over which the rate is measured


@dataclass(frozen=True, repr=False)
class BulkReport(Printable):
    """The outcome of a bulk run.

    Attributes:
        frames: Frames in the table, those of earlier runs with the same output included.
        errors: Rows of the table with an error.
        segmented: Frames segmented in this run.
        seconds: Duration of this run.
        workers: Number of workers.
        rate: Segmented frames a second, from the moment that all workers were ready.
        frames_table: The file of the table, below the output.
        timings: The file of the times, below the output.
        out: The place of the results.
    """

    frames: int
    errors: int
    segmented: int
    seconds: float
    workers: int
    rate: float | None
    frames_table: str
    timings: str
    out: str

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            All fields; seconds with 2 digits.
        """
        return {
            "frames": self.frames,
            "errors": self.errors,
            "segmented": self.segmented,
            "seconds": round(self.seconds, 2),
            "workers": self.workers,
            "frames_per_second": None if self.rate is None else round(self.rate, 2),
            "table": self.frames_table,
            "timings": self.timings,
            "out": self.out,
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line.
        """
        rate = "" if self.rate is None else f", {self.rate:.1f} a second with {self.workers} workers"
        earlier = f" ({self.segmented:,} in this run)" if self.segmented != self.frames else ""
        return (
            f"{self.frames:,} frames{earlier} in {self.seconds:.1f} s{rate}; {self.errors:,} errors; "
            f"{self.out.rstrip('/')}/{self.frames_table}"
        )


@dataclass(frozen=True, repr=False)
class BulkStatus(Printable):
    """The progress of a bulk run.

    Attributes:
        frames: Frames segmented in this run.
        errors: Errors in this run.
        files_done: Images and segments of films done, those of earlier runs included.
        files: Images and segments of films in all; None while they are being counted.
        rate: Frames a second, lately.
        by_worker: Worker -> frames a second, lately.
        seconds_left: Time left; None while unknown.
    """

    frames: int
    errors: int
    files_done: int
    files: int | None
    rate: float
    by_worker: Mapping[str, float]
    seconds_left: float | None

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            All fields; rates with 2 digits.
        """
        return {
            "frames": self.frames,
            "errors": self.errors,
            "files_done": self.files_done,
            "files": self.files,
            "frames_per_second": round(self.rate, 2),
            "by_worker": {name: round(rate, 2) for name, rate in self.by_worker.items()},
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left),
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line.
        """
        each = " + ".join(f"{rate:.1f}" for rate in list(self.by_worker.values())[:8])
        shown = f" ({each}{' ...' if len(self.by_worker) > 8 else ''})" if len(self.by_worker) > 1 else ""
        total = f" of {self.files:,}" if self.files is not None else ""
        left = "" if self.seconds_left is None else f", {clock(self.seconds_left)} left"
        return (
            f"{self.frames:,} frames, {self.rate:.1f} a second{shown}, {self.files_done:,}{total} files, "
            f"{self.errors:,} errors{left}"
        )


def clock(seconds: float) -> str:
    """Return a duration as H:MM:SS."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


@dataclass
class Meter:
    """Counts what is done, and how fast."""

    started: float = field(default_factory=time.monotonic)
    ready: float | None = None
    frames: int = 0
    errors: int = 0
    skipped: int = 0  # items of earlier runs
    done: int = 0  # items of this run
    total: int | None = None  # files
    further: int = 0  # items that a film has beside its first one
    lately: dict[str, deque[float]] = field(default_factory=dict)  # times of a worker's last frames

    def begin(self) -> None:
        """Note that all workers are ready."""
        self.ready = time.monotonic()

    def skip(self, items: int) -> None:
        """Note items that an earlier run has done."""
        self.skipped += items

    def count(self, worker: object, row: Row) -> None:
        """Count a row."""
        self.errors += row.error is not None
        if row.width is not None:
            self.add(str(worker), 1)

    def add(self, worker: str, frames: int) -> None:
        """Count frames of a worker."""
        self.frames += frames
        now = time.monotonic()
        times = self.lately.setdefault(worker, deque())
        times.extend([now] * frames)
        while times[0] < now - WINDOW:
            times.popleft()

    def status(self) -> BulkStatus:
        """Return how far the run is."""
        now = time.monotonic()
        span = max(1e-3, min(WINDOW, now - (self.ready or self.started)))
        by_worker = {name: sum(one > now - WINDOW for one in times) / span for name, times in self.lately.items()}
        left = total = None
        if self.total is not None:
            total = max(self.total + self.further, self.skipped + self.done)
            pace = (now - (self.ready or self.started)) / self.done if self.done else None
            left = None if pace is None else pace * (total - self.skipped - self.done)
        return BulkStatus(
            self.frames,
            self.errors,
            self.skipped + self.done,
            total,
            sum(by_worker.values()),
            dict(sorted(by_worker.items())),
            left,
        )

    def rate(self) -> float | None:
        """Return frames a second since all workers were ready; None without frames."""
        if self.ready is None or not self.frames:
            return None
        return self.frames / max(1e-6, time.monotonic() - self.ready)
