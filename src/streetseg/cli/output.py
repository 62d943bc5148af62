"""What the command line prints, and the exit codes of commands that end well or nearly so (errors have theirs)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized
from typing import Any, TypeVar

T = TypeVar("T")

DONE, CHECK_FAILED, INTERRUPTED = 0, 1, 130


def progress(items: Iterable[T], unit: str, total: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on a terminal where there are several.

    total: how many, where the items do not say and it is known.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if total in (0, 1) or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, unit=unit, total=total, leave=False)
    return bar


def say(line: str) -> None:
    """A line of results, above a progress bar if there is one."""
    write(line, sys.stdout)


def complain(problem: object) -> None:
    """One line about what went wrong."""
    write(f"streetseg: {' '.join(str(problem).split())}", sys.stderr)


def write(line: str, stream: Any) -> None:
    encoding = stream.encoding or "utf-8"
    line = line.encode(encoding, "backslashreplace").decode(encoding)  # a file's name may hold what cannot be shown
    bars = sys.modules.get("tqdm")
    if bars is not None:
        bars.tqdm.write(line, file=stream)
    else:
        print(line, file=stream, flush=True)
