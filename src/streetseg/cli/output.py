"""What the command line prints, and the exit codes of commands that end well or nearly so (errors have theirs)."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sized
from typing import Any, TypeVar

from streetseg.errors import OutputError

T = TypeVar("T")

DONE, CHECK_FAILED, INTERRUPTED = 0, 1, 130


def progress(items: Iterable[T], unit: str, total: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on a terminal where there are several.

    total: how many, where the items do not say and it is known.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if total in (0, 1) or sys.stderr is None or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, unit=unit, total=total, leave=False)
    return bar


def say(line: str) -> None:
    """A line of results, above a progress bar if there is one; OutputError where it cannot be printed.

    Whoever reads them may have had enough (`| head`): the work goes on, for files and exit code count, too.
    """
    try:
        write(line, sys.stdout)
    except BrokenPipeError:
        discard_output()
    except OSError as error:
        discard_output()
        raise OutputError(f"results cannot be printed: {error.strerror or error}; send them elsewhere") from None


def complain(problem: object) -> None:
    """One line about what went wrong."""
    with contextlib.suppress(OSError):  # nobody is left to tell; the exit code says it, too
        write(f"streetseg: {' '.join(str(problem).split())}", sys.stderr)


def discard_output() -> None:
    """Send what is still printed nowhere: Python would complain once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(line: str, stream: Any) -> None:
    if stream is None:  # closed by whoever called us
        return
    encoding = stream.encoding or "utf-8"
    line = line.encode(encoding, "backslashreplace").decode(encoding)  # a file's name may hold what cannot be shown
    bars = sys.modules.get("tqdm")
    if bars is not None:
        bars.tqdm.write(line, file=stream)
    else:
        print(line, file=stream)
    stream.flush()
