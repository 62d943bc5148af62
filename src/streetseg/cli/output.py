"""Print results, messages and progress. Exit codes of commands that raise no error; errors have their own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from streetseg.errors import MissingExtraError, OutputError

T = TypeVar("T")

DONE, CHECK_FAILED, INTERRUPTED = 0, 1, 130


def progress(items: Iterable[T], unit: str, total: int | None = None) -> Iterable[T]:
    """Return the items; show a bar on a terminal if there are several. A `Progress`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if total in (0, 1) or sys.stderr is None or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, unit=unit, total=total, leave=False)
    return bar


def say(line: str) -> None:
    """Print a line of results, above a progress bar if there is one; OutputError if it cannot be printed.

    If the reader has gone (`| head`), the work goes on, for the files and the exit code.
    """
    try:
        write(line, sys.stdout)
    except BrokenPipeError:
        discard_output()
    except OSError as error:
        discard_output()
        raise OutputError(f"results cannot be printed: {error.strerror or error}; send them elsewhere") from None


@contextlib.contextmanager
def say_at_the_end(*lines: str) -> Iterator[None]:
    """Print the results when the block ends, also if it fails: the figures must not be lost with its files."""
    try:
        yield
    finally:
        for line in lines:
            say(line)


@contextlib.contextmanager
def figures_optional() -> Iterator[None]:
    """Print one line if the block cannot draw figures because a package is missing."""
    try:
        yield
    except MissingExtraError as error:
        complain(f"note: no figures: {error}")


def complain(problem: object) -> None:
    """Print one line about what went wrong."""
    with contextlib.suppress(OSError):  # nobody is left to read it; the exit code says it too
        write(f"streetseg: {' '.join(str(problem).split())}", sys.stderr)


def discard_output() -> None:
    """Discard what is printed from now on; otherwise Python complains when it flushes stdout at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(line: str, stream: Any) -> None:
    """Print a line to a stream at once, above a progress bar if there is one."""
    if stream is None:  # closed by the caller of this process
        return
    encoding = stream.encoding or "utf-8"
    line = line.encode(encoding, "backslashreplace").decode(encoding)  # a file's name may hold what cannot be shown
    bars = sys.modules.get("tqdm")
    if bars is not None:
        bars.tqdm.write(line, file=stream)
    else:
        print(line, file=stream)
    stream.flush()
