"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path

from streetseg.errors import OutputError


@contextlib.contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary file beside `path` to fill; it replaces `path` when the block ends without an error.

    Folders are created. Whatever fails, either the old file or the new one is there, whole, and nothing else is left
    behind. Raises OutputError if the place cannot be written to; other errors of the block pass through.

    durable: Guarantee this even after a power cut.
    """
    # In the same folder, because a rename across file systems is not atomic; with the suffix, because engines recognise
    # formats by it.
    temporary = path.with_name(f"{temporary_prefix(path)}{os.getpid()}-{threading.get_native_id()}.part{path.suffix}")
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


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` to fill; it becomes `path` when the block ends without an error.

    `path` is new or an empty folder. Whatever fails, nothing is left behind. Raises OutputError if the place cannot be
    written to; other errors of the block pass through.
    """
    temporary = path.with_name(f"{temporary_prefix(path)}{os.getpid()}-{threading.get_native_id()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.mkdir()
            yield temporary
            if path.is_dir():
                path.rmdir()
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}; choose another place") from None


def temporary_prefix(path: Path) -> str:
    """Return the prefix of the names of the temporary files for `path`."""
    # The file is hidden, so that searches pass it over. A long stem is cut, so that the name does not become too long.
    return f".{path.stem[:32]}.{zlib.crc32(os.fsencode(path.name)):08x}."


def remove_left_behind(path: Path) -> None:
    """Remove the temporary files for `path` that killed processes left; no process may be writing `path` now."""
    for temporary in path.parent.glob(f"{escape(temporary_prefix(path))}*.part{escape(path.suffix)}"):
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Write a file whole or not at all; `write` fills it."""
    with whole_file(path, durable=durable) as temporary:
        write(temporary)


def write_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write content to a file, whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_bytes(content), durable=durable)


@contextlib.contextmanager
def locked(lock: Path, place: Path, advice: str, busy: str = "") -> Iterator[None]:
    """Inside, no other process holds the lock file; OutputError if the lock cannot be taken.

    place: Path to name in the error. advice: What to do if the lock cannot be taken, for example another user's.
    busy: The error's text if another process holds the lock; empty: wait for that process.
    """
    from filelock import FileLock, Timeout  # here: predicting needs no lock

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
    """Return the cause of an error in a few words."""
    return getattr(error, "strerror", None) or str(error) or "its file system has no locks"


def names_file(out: str) -> bool:
    """Return True if `out` names a file; a slash at its end makes it a folder, even with a dot in its name."""
    return bool(Path(out).suffix) and not Path(out).is_dir() and not out.endswith(("/", os.sep))


def same_file(one: Path, other: Path) -> bool:
    """Return True if two paths lead to one file that is there."""
    return one.exists() and other.exists() and one.samefile(other)


def make_folder(path: Path) -> None:
    """Create a folder for results; OutputError if it cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(f"folder {path} cannot be written to: {reason(error)}; choose another") from None
