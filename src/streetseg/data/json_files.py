"""Read JSON files of strangers: one clear line for a file that is none, and typed access to what it holds."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streetseg.errors import DatasetError
from streetseg.runtime.documents import read_text

LARGEST = 4 * 2**30  # bytes of a JSON file
HEAD = 4096  # characters that are looked at to recognise a format
HUGE = 10**9  # pixels: larger sizes are taken as this
SOME = 40  # files that are looked at, at most


@contextmanager
def many_objects() -> Iterator[None]:
    """Pause Python's search for circular garbage, which slows down the making of millions of objects several times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; DatasetError if it cannot be read as JSON."""
    try:
        return json.loads(read_text(path, LARGEST))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{path} cannot be read as JSON: {reason}; export it again") from None


def parse_json(path: Path) -> Any:
    """Return the content of a frame's JSON file; FileNotFoundError or ValueError if that fails."""
    try:
        return read_json(path)
    except DatasetError as error:
        if not path.is_file():
            raise FileNotFoundError(path) from None
        raise ValueError(str(error).removeprefix(f"{path} ")) from None


def records(content: Any, name: str, path: Path) -> list[dict[str, Any]]:
    """Return the list of objects that a JSON object has by a name; DatasetError if there is none."""
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise DatasetError(f"{path} has no list of objects {name!r}; export it again, or choose another format")
    return found


def head(path: Path) -> str:
    """Return the first characters of a file; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4 * HEAD).decode("utf-8-sig", errors="replace").lstrip()[:HEAD]
    except OSError:
        return ""


def some_json(folders: Iterable[Path]) -> list[Path]:
    """Return some visible JSON files of folders, at most SOME of each, sorted."""
    found: list[Path] = []
    for folder in folders:
        if folder.is_dir():
            files = (path for path in folder.glob("[!.]*.json") if path.is_file())
            found += sorted(files)[:SOME]
    return found


def size_of(content: dict[str, Any], height: str, width: str) -> tuple[int, int] | None:
    """Return the size that two fields of an object give; None if they are not whole numbers above 0."""
    tall, wide = content.get(height), content.get(width)
    if isinstance(tall, int | float) and isinstance(wide, int | float) and tall > 0 and wide > 0:
        whole = int(min(tall, HUGE)), int(min(wide, HUGE))
        return whole if whole == (min(tall, HUGE), min(wide, HUGE)) else None
    return None


def folders_to(root: Path, depth: int) -> list[Path]:
    """Return a folder and those in it without hidden ones, down to a depth."""
    folders, level = [root], [root]
    for _ in range(depth):
        entries = [entry for folder in level for entry in os.scandir(folder)]
        level = sorted(Path(entry) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        folders += level
    return folders
