"""The log: one JSON object a line, one line a request, never what a picture shows."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Mapping
from queue import Empty, Full, Queue
from typing import TextIO

from streetseg.results import JSON

MOST = 10_000  # lines that wait for a slow reader; further ones are counted and left out


class Log:
    """Writes lines in a thread of its own: a reader that stalls must not stall the server."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.lines: Queue[str | None] = Queue(MOST)
        self.lost = 0
        self.thread = threading.Thread(target=self.write, name="serve-log", daemon=True)
        self.thread.start()

    def __call__(self, event: str, facts: Mapping[str, JSON]) -> None:
        """Add a line: time, event, facts."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
        lost = {"lines_lost": self.lost} if self.lost else {}
        try:
            self.lines.put_nowait(json.dumps({"time": stamp, "event": event, **facts, **lost}))
            self.lost = 0
        except Full:
            self.lost += 1

    def write(self) -> None:
        """Write the lines as they come; run in the log's thread."""
        ended = False
        while not ended:
            lines = [self.lines.get()]
            with contextlib.suppress(Empty):
                while lines[-1] is not None:
                    lines.append(self.lines.get_nowait())
            ended = lines[-1] is None
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                self.stream.write("".join(f"{line}\n" for line in lines if line is not None))
                self.stream.flush()

    def close(self) -> None:
        """Write what is left, for a second at most."""
        with contextlib.suppress(Full):
            self.lines.put_nowait(None)
        self.thread.join(1)
