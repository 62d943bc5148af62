"""Local folders and object stores behind the same few functions. Object stores need fsspec, local paths nothing."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote

from streetseg.errors import ImageError, MissingExtraError, OutputError, UsageError
from streetseg.runtime.files import reason

LEDGER = ".streetseg-bulk"  # folder in the output for what a later run needs to know


def as_place(text: str | Path) -> str:
    """Return a path or an address; file:///DIR becomes /DIR."""
    place = str(text)
    return unquote(place[len("file://") :]) if place.startswith("file://") else place


def is_remote(place: str) -> bool:
    """Return True for an address such as s3://bucket/drives."""
    return "://" in place


def file_system(place: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it; UsageError if fsspec does not know it."""
    try:
        import fsspec
    except ModuleNotFoundError:
        raise MissingExtraError("fsspec", f"reading {place}", "bulk") from None
    try:
        system, path = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{place} cannot be opened: {error}; for S3: pip install s3fs, for Google Cloud: pip install gcsfs"
        ) from None
    return system, str(path)


def list_folder(place: str) -> tuple[list[str], list[str]]:
    """Return the names of a folder's subfolders and files, unsorted; OSError if it cannot be searched."""
    folders: list[str] = []
    files: list[str] = []
    if is_remote(place):
        system, path = file_system(place)
        for entry in system.ls(path, detail=True):
            name = str(entry["name"]).rstrip("/").rpartition("/")[2]
            if name and str(entry["name"]).rstrip("/") != path.rstrip("/"):
                (folders if entry["type"] == "directory" else files).append(name)
        return folders, files
    with os.scandir(place) as entries:
        for found in entries:
            (folders if found.is_dir() else files).append(found.name)
    return folders, files


def kind_of(place: str) -> str:
    """Return "folder", "file", or "" if nothing is there; OSError if that cannot be found out."""
    if is_remote(place):
        system, path = file_system(place)
        return "folder" if system.isdir(path) else "file" if system.exists(path) else ""
    try:
        mode = Path(place).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file"


def join(place: str, *names: str) -> str:
    """Return a place below a folder."""
    if is_remote(place):
        return "/".join([place.rstrip("/"), *names])
    return os.path.join(place, *names)  # noqa: PTH118  # texts: a run may list millions


def open_place(place: str) -> BinaryIO:
    """Return an open, seekable file; OSError if it cannot be opened."""
    if is_remote(place):
        system, path = file_system(place)
        return io.BytesIO(system.cat_file(path))
    return Path(place).open("rb")


class Films:
    """Local copies of films in object stores; the last one is kept for its next segment. Local films stay in place."""

    def __init__(self) -> None:
        self.place = ""
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def local(self, place: str) -> str:
        """Return the path of a film's local copy; ImageError if it cannot be fetched."""
        if not is_remote(place):
            return place
        if place != self.place or self.folder is None:
            self.close()
            self.folder = tempfile.TemporaryDirectory(prefix="streetseg-")
            system, path = file_system(place)
            try:
                system.get_file(path, self.copy(place))
            except OSError as error:
                raise ImageError(f"{place} cannot be read: {reason(error)}") from None
            self.place = place
        return self.copy(place)

    def copy(self, place: str) -> str:
        """Return the path of the copy."""
        assert self.folder is not None
        return str(Path(self.folder.name, place.rpartition("/")[2]))

    def close(self) -> None:
        """Remove the copy."""
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None


class Store(Protocol):
    """The place of the results: names are relative and have slashes."""

    place: str

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; OutputError if it cannot be written."""

    def take(self, name: str, file: Path) -> None:
        """Move a local file to a name."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None if it is not there."""

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, none if it is not there."""

    def scratch(self) -> Path:
        """Return a name for a new local file that `take` will move."""


class LocalStore:
    """A folder of this machine. Files are written in the ledger's folder and renamed, so that none is half there."""

    def __init__(self, place: str) -> None:
        self.place, self.root = place, Path(place)
        self.made: set[Path] = set()

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; OutputError if it cannot be written."""
        file = self.scratch()
        try:
            file.write_bytes(data)
        except OSError as error:
            file.unlink(missing_ok=True)
            raise self.refused(name, error) from None
        self.take(name, file)

    def take(self, name: str, file: Path) -> None:
        """Move a local file to a name."""
        target = self.root / name
        try:
            if target.parent not in self.made:
                target.parent.mkdir(parents=True, exist_ok=True)
                if len(self.made) < 10_000:
                    self.made.add(target.parent)
            file.replace(target)
        except OSError as error:
            file.unlink(missing_ok=True)
            raise self.refused(name, error) from None

    def refused(self, name: str, error: OSError) -> OutputError:
        """Return the error about a file that cannot be written."""
        return OutputError(
            f"{self.root / name} cannot be written: {reason(error)}; mend that, then run the same command again: what "
            "is done is kept"
        )

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None if it is not there."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self.root / name} cannot be read: {reason(error)}") from None

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, none if it is not there."""
        try:
            return os.listdir(self.root / folder)  # noqa: PTH208  # names are enough
        except FileNotFoundError:
            return []

    def scratch(self) -> Path:
        """Return a name for a new local file that `take` will move."""
        folder = self.root / LEDGER / "unfinished"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.refused(LEDGER, error) from None
        return folder / f"{os.getpid()}-{threading.get_native_id()}-{uuid.uuid4().hex[:12]}"

    def sweep(self) -> None:
        """Remove what killed processes left unfinished."""
        shutil.rmtree(self.root / LEDGER / "unfinished", ignore_errors=True)


class RemoteStore:
    """A place in an object store, where an upload appears whole or not at all."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/")
        self.system, self.root = file_system(self.place)
        self.made: set[str] = set()

    def path(self, name: str) -> str:
        """Return a name's path in the file system."""
        return f"{self.root}/{name}"

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """Yield the path of a file to write, its folder made; OutputError if that fails."""
        path = self.path(name)
        try:
            if (folder := path.rpartition("/")[0]) not in self.made:
                self.system.makedirs(folder, exist_ok=True)
                self.made.add(folder)
            yield path
        except OSError as error:
            raise OutputError(
                f"{self.place}/{name} cannot be written: {reason(error)}; mend that, then run the same command again: "
                "what is done is kept"
            ) from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; OutputError if it cannot be written."""
        with self.writing(name) as path:
            self.system.pipe_file(path, data)

    def take(self, name: str, file: Path) -> None:
        """Move a local file to a name."""
        with self.writing(name) as path:
            self.system.put_file(str(file), path)
        file.unlink()

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None if it is not there."""
        try:
            return bytes(self.system.cat_file(self.path(name)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self.place}/{name} cannot be read: {reason(error)}") from None

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, none if it is not there."""
        self.system.invalidate_cache()
        try:
            return [str(path).rpartition("/")[2] for path in self.system.ls(self.path(folder), detail=False)]
        except FileNotFoundError:
            return []

    def scratch(self) -> Path:
        """Return a name for a new local file that `take` will move."""
        return Path(tempfile.mkdtemp(prefix="streetseg-")) / "file"


def open_store(place: str) -> LocalStore | RemoteStore:
    """Return the store of a place; OutputError if it cannot be written to."""
    return RemoteStore(place) if is_remote(place) else LocalStore(place)
