"""Lists of files: a text with a path a line, or a column of a CSV or Parquet table. Read twice, never held whole."""

from __future__ import annotations

import csv
import hashlib
import io
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from streetseg.bulk.items import Listed, as_bytes
from streetseg.bulk.places import as_place, file_system, is_remote, join, kind_of
from streetseg.errors import MissingExtraError, UsageError
from streetseg.runtime.inputs import SUFFIXES, VIDEO_SUFFIXES, is_video

TABLES = (".csv", ".parquet")
COLUMNS = (
    "path", "file", "source", "image", "frame", "video", "filename", "file_name", "filepath", "file_path", "image_path",
    "url", "uri",
)  # fmt: skip


def is_list(place: str) -> bool:
    """Return True if a file is a table of paths by its name."""
    return place.lower().endswith(TABLES)


def names_film(place: str) -> bool:
    """Return True if a file is a film: by its suffix, else by its content."""
    lower = place.lower()
    if lower.endswith(SUFFIXES):
        return False
    return lower.endswith(VIDEO_SUFFIXES) or (not is_remote(place) and is_video(place))


class FileList:
    """The images and films of a list, in its order, each once.

    Results have the paths as they are in the list, below the output. Namesakes keep their suffix.

    Args:
        place: NAME.txt, NAME.csv or NAME.parquet, or any other text.
        column: Column of a table; None: by its name.
        tell: Gets a line about repeated entries.

    Raises:
        UsageError: If the list is not there, or has no such column.
    """

    def __init__(self, place: str, column: str | None, tell: Callable[[str], object]) -> None:
        self.place, self.tell, self.told = as_place(place), tell, False
        if kind_of(self.place) != "file":
            raise UsageError(f"{self.place} is not a file; give @files.txt, a text with a path a line")
        self.column = column
        if is_list(self.place):
            self.column = self.choose_column(column)
        elif column is not None:
            raise UsageError(f"--column is for a CSV or Parquet table, but {self.place} is a text; leave it out")

    def __iter__(self) -> Iterator[Listed]:
        """Yield the files."""
        met: dict[int, dict[str, str]] = {}  # for namesakes only: hash of the name -> path -> its name
        repeats = 0
        for entry in self.entries():
            path = self.locate(entry)
            name = mirrored(entry)
            key = hashed(stem(name))
            if self.is_repeated(key):
                group = met.setdefault(key, {})
                if path in group:
                    repeats += 1
                    continue
                if name.casefold() in group.values():
                    name = f"{name}-{hashed(path):016x}"
                group[path] = name.casefold()
            else:
                name = stem(name)
            yield Listed(path, name, names_film(path))
        if repeats and not self.told:
            self.told = True
            self.tell(f"note: {self.place}: {repeats:,} entries repeat others; each file is segmented once")

    def is_repeated(self, key: int) -> bool:
        """Return True if several entries may give this name."""
        at = int(np.searchsorted(self.repeated, np.uint64(key)))
        return at < len(self.repeated) and int(self.repeated[at]) == key

    @cached_property
    def repeated(self) -> np.ndarray:
        """Return the hashes of the names that several entries may give, sorted: 16 bytes an entry while it is made."""
        hashes = array("Q")
        for entry in self.entries():
            name = mirrored(entry)
            hashes.append(hashed(name))
            if stem(name) != name:
                hashes.append(hashed(stem(name)))
        ordered = np.frombuffer(hashes, np.uint64).copy()
        ordered.sort()
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])

    @cached_property
    def base(self) -> str:
        """Return the folder that relative entries start from: the list's own, if the first one is there; else ours."""
        folder = self.place.rpartition("/")[0] if "/" in self.place else ""
        if is_remote(self.place):
            return folder
        first = next(self.entries(), "")
        return folder if first and Path(folder, first).exists() else str(Path.cwd())

    def locate(self, entry: str) -> str:
        """Return the path of an entry."""
        return entry if is_remote(entry) or entry.startswith("/") else join(self.base, entry)

    def entries(self) -> Iterator[str]:
        """Yield the paths as they are written."""
        for entry in self.cells() if is_list(self.place) else self.lines():
            if text := entry.strip():
                yield as_place(text)

    def lines(self) -> Iterator[str]:
        """Yield the lines of a text."""
        with self.text() as file:
            yield from file

    def text(self) -> io.TextIOBase:
        """Return the open text; UsageError if it cannot be opened."""
        try:
            if is_remote(self.place):
                system, path = file_system(self.place)
                opened: io.TextIOBase = system.open(path, "r", encoding="utf-8-sig", errors="surrogateescape")
                return opened
            return Path(self.place).open(encoding="utf-8-sig", errors="surrogateescape", newline="")
        except OSError as error:
            raise UsageError(f"{self.place} cannot be read: {error.strerror or error}") from None

    def cells(self) -> Iterator[str]:
        """Yield the cells of the column."""
        if self.place.lower().endswith(".parquet"):
            for batch in self.parquet().iter_batches(columns=[self.column]):
                yield from (str(value) for value in batch.column(0).to_pylist() if value is not None)
            return
        with self.text() as file:
            if self.column is None:
                yield from (row[0] for row in csv.reader(file) if row)
            else:
                yield from (row[self.column] or "" for row in csv.DictReader(file))

    def parquet(self) -> Any:
        """Return the open table."""
        try:
            from pyarrow import ArrowException, parquet
        except ModuleNotFoundError:
            raise MissingExtraError("pyarrow", f"reading {self.place}", "bulk") from None
        try:
            if is_remote(self.place):
                system, path = file_system(self.place)
                return parquet.ParquetFile(system.open(path, "rb"))
            return parquet.ParquetFile(self.place)
        except (OSError, ArrowException) as error:
            raise UsageError(f"{self.place} cannot be read as Parquet: {error}") from None

    def choose_column(self, column: str | None) -> str | None:
        """Return the column of the paths; None for a CSV without a header."""
        if self.place.lower().endswith(".parquet"):
            names = list(self.parquet().schema_arrow.names)
        else:
            with self.text() as file:
                names = next(csv.reader(file), [])
            if column is None and names and names[0].lower().endswith((*SUFFIXES, *VIDEO_SUFFIXES)):
                return None
        if column is None:
            known = {name.strip().casefold(): name for name in names}
            column = names[0] if len(names) == 1 else next((known[one] for one in COLUMNS if one in known), None)
        if column not in names:
            said = "which one holds paths is unclear" if column is None else f"there is no {column!r}"
            raise UsageError(f"{self.place} has the columns {', '.join(names)}: {said}; choose one with --column")
        return column


def mirrored(entry: str) -> str:
    """Return where a path's results belong: the path itself, without a drive, a scheme and steps upwards."""
    path = PurePosixPath(entry.partition("://")[2] if is_remote(entry) else entry)
    if ".." in path.parts:
        path = PurePosixPath(Path(entry).resolve().as_posix()) if not is_remote(entry) else path
    return "/".join(part for part in path.parts if part not in ("/", "..", "."))


def stem(name: str) -> str:
    """Return a name without its suffix."""
    path = PurePosixPath(name)
    return name.removesuffix(path.suffix) if path.suffix else name


def hashed(text: str) -> int:
    """Return 64 bits of a text, without case."""
    return int.from_bytes(hashlib.blake2b(as_bytes(text.casefold()), digest_size=8).digest(), "little")
