"""List images and films lazily: folders, patterns, files, and lists of files; local, or in object stores.

Each file gets a name for its results from its own place, without a look at all the others, so that memory is bounded
and a file that is added later changes no name but a namesake's in its own folder.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path, PurePosixPath

from streetseg.bulk.items import Listed
from streetseg.bulk.lists import FileList, is_list, names_film
from streetseg.bulk.places import LEDGER, as_place, file_system, is_remote, join, kind_of, list_folder
from streetseg.errors import UsageError
from streetseg.runtime.inputs import PLAYLISTS, SUFFIXES, VIDEO_SUFFIXES, distinct_names, is_result, pieces

FILM_SUFFIXES = tuple(suffix for suffix in VIDEO_SUFFIXES if suffix not in PLAYLISTS)


class Sources:
    """All sources of a run. Iterating lists their files, in the same order every time.

    Args:
        sources: Folders, patterns, files, and lists ("@files.txt", "frames.csv", "frames.parquet").
        out: The place of the results; searches leave it out.
        column: Column of the lists that are tables; None: by its name.
        tell: Gets a line about what was left out.

    Raises:
        UsageError: If a source is not there, or lists nothing.
    """

    def __init__(
        self,
        sources: Sequence[str | Path],
        out: str,
        column: str | None = None,
        tell: Callable[[str], object] = lambda line: None,
    ) -> None:
        if not sources or not all(map(str, sources)):
            raise UsageError("a source is empty; give a folder, a pattern, a file, or @files.txt")
        self.given = list(dict.fromkeys(absolute(as_place(source)) for source in sources))
        self.out, self.tell = out, tell
        self.groups: list[tuple[str, Iterable[Listed]]] = []  # place, files
        single: list[str] = []
        for source in self.given:
            found = self.group(source, column)
            if found is None:
                single.append(source)
            else:
                self.groups.append((source, found))
        if single:
            self.groups.append(("files", Files(single)))
        for source, files in self.groups:
            try:
                if next(iter(files), None) is None:
                    raise UsageError(
                        f"{source} holds no image and no video; give a folder, a pattern or a list of them"
                    )
            except OSError as error:
                raise UsageError(f"{source} cannot be read: {error.strerror or error}") from None
        self.prefixes = group_names([source for source, _ in self.groups])

    def group(self, source: str, column: str | None) -> Iterable[Listed] | None:
        """Return the files of a source; None if it is one file."""
        if source.startswith("@"):
            return FileList(source[1:], column, self.tell)
        try:
            kind = kind_of(source)
        except OSError as error:
            raise UsageError(f"{source} cannot be read: {error.strerror or error}") from None
        if kind == "folder":
            return Folder(source, self.out)
        if kind == "file":
            return FileList(source, column, self.tell) if is_list(source) else None
        if has_magic(source):
            return Pattern(source, self.out)
        raise UsageError(f"{source} is not there; give a folder, a pattern such as 'drives/*.png', or @files.txt")

    def __iter__(self) -> Iterator[Listed]:
        """Yield every file."""
        if len(self.groups) == 1:
            yield from self.groups[0][1]
            return
        for (_, files), prefix in zip(self.groups, self.prefixes, strict=True):
            for one in files:
                yield Listed(one.source, f"{prefix}/{one.name}", one.film)


def absolute(source: str) -> str:
    """Return a source with an absolute path, so that it holds in every process; @files.txt keeps its @."""
    if is_remote(source):
        return source
    mark = "@" if source.startswith("@") and not Path(source).exists() else ""
    place = as_place(source[len(mark) :])
    return mark + (place if is_remote(place) else os.path.abspath(place))  # noqa: PTH100  # a link stays one


class Folder:
    """The images and films below a folder, in natural order."""

    def __init__(self, place: str, out: str) -> None:
        self.place, self.out = place, out

    def __iter__(self) -> Iterator[Listed]:
        """Yield the files of each folder, then those of its subfolders."""
        yield from below(self.place, "", self.out, frozenset())


def below(place: str, prefix: str, out: str, above: frozenset[str]) -> Iterator[Listed]:
    """Yield the images and films below a folder; a folder that cannot be searched stands for itself and will fail."""
    here = place if is_remote(place) else str(Path(place).resolve())
    if here in above or here == (out if is_remote(out) else str(Path(out).resolve())):
        return
    try:
        folders, files = list_folder(place)
    except OSError:
        yield Listed(place, f"{prefix}unreadable")
        return
    if LEDGER in folders:  # the results of another run
        return
    yield from in_folder(place, prefix, files)
    for name in sorted(folders, key=order):
        if not name.startswith("."):
            yield from below(join(place, name), f"{prefix}{name}/", out, above | {here})


def in_folder(place: str, prefix: str, files: Iterable[str]) -> Iterator[Listed]:
    """Yield the images and films among a folder's files, with their names."""
    found = [name for name in files if is_input(place, name)]
    taken = Counter(one for name in found for one in claims(name))
    for name in sorted(found, key=order):
        stem = stem_of(name)
        chosen = stem if taken[stem.casefold()] == 1 else name
        yield Listed(join(place, name), prefix + chosen, name.lower().endswith(FILM_SUFFIXES))


def is_input(place: str, name: str) -> bool:
    """Return True if a file is an image or a film, and no result of an earlier run."""
    if name.startswith(".") or not name.lower().endswith((*SUFFIXES, *FILM_SUFFIXES)):
        return False
    return is_remote(place) or not is_result(Path(place, name))


def claims(name: str) -> set[str]:
    """Return the names that a file may give its results, without case."""
    return {stem_of(name).casefold(), name.casefold()}


def stem_of(name: str) -> str:
    """Return a name without its suffix."""
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem and not stem.endswith("/") else name


def order(name: str) -> tuple[list[str | int], str]:
    """Return a key by which frame2 comes before frame10."""
    return pieces(name), name


class Pattern:
    """The images and films that a pattern matches, folder by folder."""

    def __init__(self, pattern: str, out: str) -> None:
        self.pattern, self.out = pattern, out
        fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        self.place = fixed.rpartition("/")[0] or ("/" if pattern.startswith("/") else "")

    def __iter__(self) -> Iterator[Listed]:
        """Yield the files."""
        folder, _, last = self.pattern.rpartition("/")
        if last == "**":
            last, folder = "*", self.pattern
        for place in self.folders(folder):
            prefix = self.prefix(place)
            try:
                folders, files = list_folder(place or ".")
            except OSError:
                yield Listed(place, f"{prefix}unreadable")
                continue
            matched = fnmatch.filter(files, last)
            yield from (one for one in in_folder(place, prefix, matched))
            if last != "*" or not folder.endswith("**"):  # "drives/*" matches folders, too
                for name in sorted(fnmatch.filter(folders, last), key=order):
                    if not name.startswith("."):
                        yield from below(join(place, name), f"{prefix}{name}/", self.out, frozenset())

    def folders(self, pattern: str) -> list[str]:
        """Return the folders that a pattern matches, in natural order."""
        if not has_magic(pattern):
            return [pattern or ("/" if self.pattern.startswith("/") else "")]
        if is_remote(pattern):
            system, path = file_system(pattern)
            found = [system.unstrip_protocol(one) for one in system.glob(path) if system.isdir(one)]
        else:
            found = [one.rstrip("/") for one in glob(pattern + "/", recursive=True)]  # noqa: PTH207  # absolute ones, too
        return sorted(set(found), key=order)

    def prefix(self, place: str) -> str:
        """Return the part of a folder's path behind the fixed part of the pattern, with a slash at its end."""
        parts, fixed = parts_of(place), parts_of(self.place)
        rest = parts[len(fixed) :] if parts[: len(fixed)] == fixed else parts
        return "".join(f"{part}/" for part in rest)


class Files:
    """Single files, as a shell expands a pattern."""

    def __init__(self, files: Sequence[str]) -> None:
        keys = {Path("/", *parts_of(file)) if is_remote(file) else Path(file).absolute(): file for file in files}
        names = distinct_names(dict.fromkeys(keys, 1))
        self.listed = [Listed(file, names[key].as_posix(), names_film(file)) for key, file in keys.items()]

    def __iter__(self) -> Iterator[Listed]:
        """Yield the files."""
        return iter(self.listed)


def parts_of(place: str) -> tuple[str, ...]:
    """Return the parts of a path, or of an address behind its scheme, without a root."""
    path = PurePosixPath(place.partition("://")[2] if is_remote(place) else place)
    return tuple(part for part in path.parts if part != "/")


def group_names(sources: Sequence[str]) -> list[str]:
    """Return a distinct name for each source, from its last parts."""
    keys = []
    for source in sources:
        fixed = re.split(r"[*?\[]", source.removeprefix("@"), maxsplit=1)[0]
        fixed = fixed.rpartition("/")[0] if fixed != source.removeprefix("@") else fixed
        keys.append(Path("/", *parts_of(fixed)) if is_remote(fixed) else Path(fixed or ".").resolve())
    names = distinct_names(dict.fromkeys(keys, 1))
    chosen = [names[key].as_posix() for key in keys]
    twice = Counter(chosen)  # two patterns below one folder
    seen: Counter[str] = Counter()
    result = []
    for name in chosen:
        seen[name] += 1
        result.append(f"{name}-{seen[name]}" if twice[name] > 1 else name)
    return result
