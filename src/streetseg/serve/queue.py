"""A model's queue: bounded, and work that nobody waits for is dropped."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Done = TypeVar("Done")

LONGEST_WAIT = 60  # seconds that Retry-After names at most
OLD = 0.8  # weight of what is known of a job's seconds, beside the newest job


class QueueFullError(Exception):
    """No place is free. `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the model's queue is full; try again in {retry_after} s")
        self.retry_after = retry_after


class DeadlineMissedError(Exception):
    """The client's deadline passed before the answer was ready."""


class ClientGoneError(Exception):
    """The client hung up."""


class Ticket:
    """Stands for a job. The thread that does it asks it between two stages whether anybody still waits.

    Attributes:
        arrived: When the job was handed in, in seconds of `time.perf_counter`.
        deadline: When the client stops waiting, on the same clock; None: never.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.arrived = time.perf_counter()
        self.deadline = deadline
        self.dropped = False

    def check(self) -> None:
        """Raise ClientGoneError or DeadlineMissedError if nobody waits any more."""
        if self.dropped:
            raise ClientGoneError
        if self.deadline is not None and time.perf_counter() > self.deadline:
            raise DeadlineMissedError

    def left(self) -> float | None:
        """Return the seconds until the deadline; None if there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.perf_counter())


class WorkQueue:
    """Threads that work for one model, and a bounded number of jobs for them. Belongs to one event loop.

        admitted: `workers` in work, at most `waiting` beside them ── more: QueueFullError at once

    Attributes:
        capacity: Places in all.
        held: Places that are taken.
    """

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        self.workers, self.capacity = workers, workers + waiting
        self.held = 0
        self.seconds = 0.1  # for a place, as known so far
        self.threads = ThreadPoolExecutor(workers, thread_name_prefix=f"serve-{name}")

    def check_room(self, places: int = 1) -> None:
        """Raise QueueFullError if so many places are not free. A job of more places than there are never fits."""
        if self.held and self.held + places > self.capacity:
            raise QueueFullError(self.retry_after())

    def retry_after(self) -> int:
        """Return the seconds after which a place will be free, by the pace so far."""
        return max(1, min(LONGEST_WAIT, math.ceil(self.held * self.seconds / self.workers)))

    async def run(
        self, work: Callable[[Ticket], Done], ticket: Ticket, gone: Awaitable[object] | None = None, places: int = 1
    ) -> Done:
        """Do a job in a thread and return what it made.

        A job that waits is dropped when its deadline passes or `gone` ends, and its place is free at once. One in work
        stops at its next stage, and keeps its place until then.

        Args:
            work: The job; it calls `ticket.check()` between its stages.
            ticket: The job's ticket.
            gone: Ends when the client has hung up.
            places: Places that the job takes.

        Returns:
            What the job returned.

        Raises:
            QueueFullError, DeadlineMissedError, ClientGoneError: See there. Errors of the job as they are.
        """
        self.check_room(places)
        self.held += places
        loop = asyncio.get_running_loop()
        jobs = [work]  # emptied when the job is dropped: the thread pool may hold the rest for a while

        def do() -> Done:
            ticket.check()
            start = time.perf_counter()
            done = jobs.pop()(ticket)
            self.seconds = OLD * self.seconds + (1 - OLD) * (time.perf_counter() - start) / places
            return done

        job = self.threads.submit(do)
        job.add_done_callback(lambda _: self.leave_soon(loop, places))
        answer = asyncio.wrap_future(job)
        hung_up = None if gone is None else asyncio.ensure_future(gone)
        try:
            waited: list[asyncio.Future[Any]] = [answer] if hung_up is None else [answer, hung_up]
            await asyncio.wait(waited, timeout=ticket.left(), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            raise ClientGoneError if hung_up is not None and hung_up.done() else DeadlineMissedError
        finally:
            if hung_up is not None:
                hung_up.cancel()
            if not answer.done():
                ticket.dropped = True
                if job.cancel():  # it had not begun
                    jobs.clear()
                answer.cancel()

    def leave_soon(self, loop: asyncio.AbstractEventLoop, places: int) -> None:
        """Free the places of a job that has ended; called in its thread."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self.leave, places)

    def leave(self, places: int) -> None:
        """Free places."""
        self.held -= places

    def close(self) -> None:
        """Drop what waits, and start nothing more."""
        self.threads.shutdown(wait=False, cancel_futures=True)
