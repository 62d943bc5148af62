"""Stop a run between two steps, where its state is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from streetseg.training.distributed import world


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Give a function that returns True once Ctrl-C, SIGTERM or SIGHUP has asked the run to stop.

    A second signal stops the run at once, except under torchrun: torchrun repeats each signal to its processes, and
    kills those that have not ended 30 seconds later.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        before[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        if world() == 1:
            signal.signal(number, signal.default_int_handler)

    try:
        for number in before:
            signal.signal(number, ask)
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
