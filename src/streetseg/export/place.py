"""Write an export whole or not at all, and never over what is not an export of this package."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from streetseg.errors import OutputError, UsageError
from streetseg.runtime.files import reason, temporary_prefix

# In each export: a key of the card, which a foreign file lacks.
OF_A_CARD = b"card_version"
MANIFEST = "export.json"  # in a folder: what wrote it, and its files


def check_place(out: Path, companions: tuple[str, ...], *, folder: bool) -> None:
    """Raise UsageError if there is something at a place that no export wrote.

    Args:
        out: The file or the folder.
        companions: Suffixes of further files beside it.
        folder: True if `out` is to be a folder.
    """
    if out.is_dir() and not folder:
        raise UsageError(f"--out {out} is a folder; name a file")
    if out.exists() and not out.is_dir() and folder:
        raise UsageError(f"--out {out} is a file; name a folder")
    if folder:
        if out.is_dir() and (stranger := first_stranger(out)):
            raise UsageError(
                f"--out {out} is a folder that no export wrote: it has {stranger}; remove it, or choose another place"
            )
        return
    places = [out, *(out.with_suffix(suffix) for suffix in companions)]
    there = [place for place in places if place.exists() and (place.is_dir() or place.stat().st_size)]
    if there and not any(place.is_file() and OF_A_CARD in place.read_bytes() for place in there):
        raise UsageError(f"{there[0]} is there and no export of streetseg; remove it, or choose another place")


def first_stranger(folder: Path) -> str | None:
    """Return the name of something in a folder that no export wrote; None if there is nothing such."""
    inside = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    if not inside:
        return None
    try:
        ours = {MANIFEST, *json.loads((folder / MANIFEST).read_bytes())["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        packaged = folder.suffix and any(OF_A_CARD in (folder / name).read_bytes() for name in inside)
        return None if packaged else inside[0]  # a package, such as NAME.mlpackage, has no room for a manifest
    return next((name for name in inside if name not in ours), None)


def written_by(folder: Path) -> str | None:
    """Return the target that wrote a folder, by its manifest; None without one."""
    try:
        name = json.loads((folder / MANIFEST).read_bytes())["target"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


@contextlib.contextmanager
def new_place(out: Path, target: str, companions: tuple[str, ...], *, folder: bool) -> Iterator[Path]:
    """Yield a temporary place of the same name to write to; what is there when the block ends becomes `out`.

    A folder is swapped as a whole. Of several files, `out` itself comes last. Whatever fails, nothing half-written is
    left. Raises OutputError if the place cannot be written to; other errors of the block pass through.

    Args:
        out: The file or the folder.
        target: The target's name, for the folder's manifest.
        companions: Suffixes of further files that the target writes beside `out`.
        folder: True if `out` is a folder; the block finds an empty one. In a package (a folder with a suffix) it finds
            nothing.
    """
    beside = out.absolute()
    room = beside.with_name(f"{temporary_prefix(beside)}{os.getpid()}-{threading.get_native_id()}.part")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        try:
            room.mkdir()
            place = room / beside.name
            if folder and not beside.suffix:
                place.mkdir()
            yield place
            if folder:
                if not beside.suffix:
                    files = sorted(one.relative_to(place).as_posix() for one in place.rglob("*") if one.is_file())
                    (place / MANIFEST).write_text(json.dumps({"target": target, "files": files}, indent=1))
                swap_folder(place, beside, room / "before")
            else:
                for suffix in companions:
                    if place.with_suffix(suffix).exists():
                        place.with_suffix(suffix).replace(beside.with_suffix(suffix))
                place.replace(beside)
        finally:
            shutil.rmtree(room, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {reason(error)}; choose another place") from None


def swap_folder(new: Path, place: Path, before: Path) -> None:
    """Put a folder in the place of another one; if that fails, the old one stays."""
    if place.exists():
        place.rename(before)
    try:
        new.rename(place)
    except OSError:
        if before.exists():
            before.rename(place)
        raise
