"""Worker processes of this machine. A file that kills its worker is tried again on its own, then recorded.

Each worker gets one item at a time, so that whoever dies names its item.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from streetseg.bulk.items import Item, Unit
from streetseg.bulk.rows import Row
from streetseg.bulk.worker import Setup, Worker, serve
from streetseg.errors import EngineError, StreetsegError

DEATHS = 3  # of workers by one item: among others, then twice on its own
STARTS = 3  # deaths in a row before a worker was ready
POISONED = 10  # items in a row that killed their workers: then it is not the files
OPENING = 600.0  # seconds in which a worker must have opened the weights
AHEAD = 4  # units that are listed ahead for each worker


@dataclass
class Task:
    """A unit in progress.

    Attributes:
        unit: The unit.
        rows: The rows of each item; None until it is done.
        left: Number of items that are not done.
    """

    unit: Unit
    rows: list[list[Row] | None]
    left: int

    def all_rows(self) -> list[Row]:
        """Return the rows of all items, in order."""
        return [row for rows in self.rows for row in rows or ()]


@dataclass
class Job:
    """An item of a task, how many workers died of it, and its rows so far."""

    task: Task
    index: int
    deaths: int = 0
    rows: list[Row] = field(default_factory=list)

    @property
    def item(self) -> Item:
        """Return the item."""
        return self.task.unit.items[self.index]


@dataclass
class Hand:
    """A worker process."""

    number: int
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    ready: bool = False
    heard: float = field(default_factory=time.monotonic)


class Listing:
    """Units that a thread lists ahead, a bounded number of them."""

    def __init__(self, units: Iterable[Unit], ahead: int) -> None:
        self.queue: queue.Queue[Unit | BaseException | None] = queue.Queue(ahead)
        self.stopped, self.ended = threading.Event(), False
        self.thread = threading.Thread(target=self.read, args=(units,), daemon=True)
        self.thread.start()

    def read(self, units: Iterable[Unit]) -> None:
        """Fill the queue; run in a thread."""
        try:
            for unit in units:
                self.put(unit)
                if self.stopped.is_set():
                    return
            self.put(None)
        except BaseException as error:
            self.put(error)

    def put(self, unit: Unit | BaseException | None) -> None:
        """Put a unit into the queue unless the listing is stopped."""
        while not self.stopped.is_set():
            try:
                self.queue.put(unit, timeout=0.2)
            except queue.Full:
                continue
            return

    def next(self, seconds: float) -> Unit | None:
        """Return the next unit; None if none comes within some seconds, or the listing has ended."""
        if self.ended:
            return None
        try:
            unit = self.queue.get(timeout=seconds) if seconds else self.queue.get_nowait()
        except queue.Empty:
            return None
        if isinstance(unit, BaseException):
            raise unit
        self.ended = unit is None
        return unit


class Pool:
    """Worker processes.

    Args:
        setup: What each worker needs.
        workers: Number of processes.
        each: Gets the number of a worker and each row as soon as it is there.
        began: Called once all workers are ready for the first time.
    """

    def __init__(
        self,
        setup: Setup,
        workers: int,
        each: Callable[[int, Row], object] = lambda number, row: None,
        began: Callable[[], object] = lambda: None,
    ) -> None:
        self.setup, self.each, self.began = setup, each, began
        self.context = multiprocessing.get_context("spawn")
        self.failed_starts = self.poisoned = 0
        self.jobs: deque[Job] = deque()
        self.ready_once = False
        self.hands = [self.start(number) for number in range(workers)]

    def start(self, number: int) -> Hand:
        """Start a worker."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=serve, args=(theirs, self.setup), daemon=True)
        process.start()
        theirs.close()
        return Hand(number, process, ours)

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Row]]]:
        """Yield each unit with its rows as soon as it is done; StreetsegError for what ends the run."""
        listing = Listing(units, AHEAD * len(self.hands))
        try:
            while True:
                self.hand_out(listing)
                if listing.ended and not self.jobs and not any(hand.job for hand in self.hands):
                    return
                starved = any(hand.ready and hand.job is None for hand in self.hands) and not listing.ended
                for hand in self.answering(0.05 if starved else 1.0):
                    task = self.hear(hand)
                    if task is not None:
                        yield task.unit, task.all_rows()
        finally:
            listing.stopped.set()
            listing.thread.join(5)  # it may hang in a folder that does not answer

    def hand_out(self, listing: Listing) -> None:
        """Give an item to each worker that has none."""
        for hand in self.hands:
            if not hand.ready or hand.job is not None:
                continue
            if not self.jobs:
                busy = any(other.job for other in self.hands)
                unit = listing.next(0 if busy else 0.5)
                if unit is None:
                    return
                task = Task(unit, [None] * len(unit.items), len(unit.items))
                self.jobs.extend(Job(task, index) for index in range(len(unit.items)))
            hand.job, hand.heard = self.jobs.popleft(), time.monotonic()
            with contextlib.suppress(OSError):  # it is dead, as `answering` will see
                hand.connection.send(hand.job.item)

    def answering(self, seconds: float) -> list[Hand]:
        """Return the workers that have sent something or died; end those that give no sign for too long."""
        by_connection = {hand.connection: hand for hand in self.hands}
        answering = [by_connection[one] for one in wait(list(by_connection), seconds) if isinstance(one, Connection)]
        for hand in self.hands:
            silence = time.monotonic() - hand.heard
            limit = self.setup.bulk.timeout if hand.ready else max(OPENING, self.setup.bulk.timeout)
            if hand not in answering and (hand.job or not hand.ready) and silence > limit:
                hand.process.kill()
        return answering

    def hear(self, hand: Hand) -> Task | None:
        """Take a message of a worker; return the task that is done with it."""
        silent = time.monotonic() - hand.heard
        try:
            kind, content = hand.connection.recv()
        except (EOFError, OSError):
            return self.bury(hand, silent)
        hand.heard = time.monotonic()
        if kind == "fatal":
            raise content if isinstance(content, StreetsegError) else EngineError(str(content))
        if kind == "ready":
            hand.ready, self.failed_starts = True, 0
            if not self.ready_once and all(one.ready for one in self.hands):
                self.ready_once = True
                self.began()
            return None
        job = hand.job
        assert job is not None
        if kind == "row":
            job.rows.append(content)
            self.each(hand.number, content)
            return None
        self.poisoned = 0
        hand.job = None
        return finished(job)

    def bury(self, hand: Hand, silent: float) -> Task | None:
        """Start another worker for one that died; return the task that is done if its item is given up."""
        hand.connection.close()
        hand.process.join()
        self.hands[self.hands.index(hand)] = self.start(hand.number)
        cause = cause_of(hand.process.exitcode, silent, self.setup.bulk.timeout)
        if not hand.ready:
            self.failed_starts += 1
            if self.failed_starts >= STARTS:
                raise EngineError(
                    f"workers end while they open the weights ({cause}); try `streetseg predict` with the same "
                    "options; a script must call bulk() under: if __name__ == '__main__':"
                )
        job = hand.job
        if job is None:
            return None
        job.deaths += 1
        job.rows = []
        if job.deaths < DEATHS:
            self.jobs.appendleft(job)
            return None
        self.poisoned += 1
        if self.poisoned >= POISONED:
            raise EngineError(
                f"{POISONED} files in a row killed their workers ({cause}); it is hardly the files: look at memory, "
                "and try `streetseg predict` with the same options"
            )
        row = Row(job.item.source, error=f"{job.item.source} killed its worker {DEATHS} times: {cause}")
        job.rows.append(row)
        self.each(hand.number, row)
        return finished(job)

    def close(self) -> None:
        """End all workers."""
        for hand in self.hands:
            hand.connection.close()
        for hand in self.hands:
            hand.process.terminate()
        for hand in self.hands:
            hand.process.join(5)
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def finished(job: Job) -> Task | None:
    """Note that an item is done; return its task if it was the last one."""
    task = job.task
    task.rows[job.index] = job.rows
    task.left -= 1
    return None if task.left else task


def cause_of(code: int | None, silent: float, timeout: float) -> str:
    """Return why a process ended."""
    if silent > timeout:
        return f"no frame within {timeout:g} s"
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"{name}{', perhaps for want of memory' if name == 'SIGKILL' else ''}"
    return f"exit code {code}"


class Here:
    """A worker in this process, for places that other processes cannot see (memory://)."""

    def __init__(self, setup: Setup, each: Callable[[int, Row], object], began: Callable[[], object]) -> None:
        self.worker, self.each = Worker(setup), each
        began()

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Row]]]:
        """Yield each unit with its rows."""
        for unit in units:
            rows = []
            for item in unit.items:
                for row in self.worker.rows(item):
                    self.each(0, row)
                    rows.append(row)
            yield unit, rows

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.films.close()
