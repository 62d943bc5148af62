"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path

from streetseg.errors import OutputError


@contextlib.contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary file beside `path` to fill; it takes its place when the block ends well. Folders are created.

    Whatever fails, there is the old file or the new one, never half of one, and nothing else is left behind. durable:
    also after a power cut. Raises OutputError where the place cannot be written to; what the block raises otherwise
    passes through.
    """
    temporary = path.with_name(f"{beginning(path)}{os.getpid()}-{threading.get_native_id()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if durable:
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}; choose another place") from None


def beginning(path: Path) -> str:
    """How the names of the temporary files for `path` begin."""
    # In the same folder, for a rename across file systems is not atomic; hidden, so that no search takes it up;
    # with the suffix, for engines tell formats by it. A long stem is cut, for the name must not become too long.
    return f".{path.stem[:32]}.{zlib.crc32(os.fsencode(path.name)):08x}."


def remove_left_behind(path: Path) -> None:
    """Remove the temporary files for `path` of processes that were killed; nobody may be writing it now."""
    for temporary in path.parent.glob(f"{escape(beginning(path))}*.part{escape(path.suffix)}"):
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """`whole_file`, filled by `write`."""
    with whole_file(path, durable=durable) as temporary:
        write(temporary)


def write_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """`write_whole` for content that is at hand."""
    write_whole(path, lambda temporary: temporary.write_bytes(content), durable=durable)


@contextlib.contextmanager
def locked(lock: Path, place: Path, advice: str, busy: str = "") -> Iterator[None]:
    """Inside, no other process holds the lock file.

    busy: what to say where one does; without it, its end is waited for. place, advice: what is locked, and what to do
    where the lock cannot be taken, as another user's. Raises OutputError.
    """
    from filelock import FileLock, Timeout  # who only predicts needs none

    held = FileLock(lock, timeout=0 if busy else -1)
    try:
        held.acquire()
    except Timeout:
        raise OutputError(busy) from None
    except (OSError, NotImplementedError) as error:
        raise OutputError(f"{place} cannot be locked: {reason(error)}; {advice}") from None
    try:
        yield
    finally:
        held.release()


def reason(error: OSError | NotImplementedError) -> str:
    """What a place's refusal says in a few words."""
    return getattr(error, "strerror", None) or str(error) or "it knows no locks"


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file that is there."""
    return one.exists() and other.exists() and one.samefile(other)


def make_folder(path: Path) -> None:
    """Create a folder for results, and see that it can be written to; OutputError otherwise."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(f"folder {path} cannot be written to: {reason(error)}; choose another") from None
