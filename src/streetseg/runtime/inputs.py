"""Find the inputs (images by path, folder or pattern; videos) and name their results."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from glob import glob
from pathlib import Path, PurePath
from typing import overload

from streetseg.errors import MissingExtraError, UsageError
from streetseg.progress import Progress, silent
from streetseg.runtime.addresses import is_live
from streetseg.runtime.contents import holds_film

# A search takes files with these suffixes for images.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff",
    ".avif", ".heic", ".heif", ".jxl",
)  # fmt: skip

# Images of cameras that cannot be read here.
UNREADABLE = (".jp2", ".dng")

# Files with these suffixes are videos where their content does not say it. Playlists are among them, so that the error
# names them.
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".asf",
    ".flv", ".ogv", ".mxf", ".dv", ".ivf", ".mjpeg", ".mjpg", ".h264", ".264", ".hevc", ".265", ".vob", ".m2v", ".lrv",
    ".insv", ".dav", ".nut", ".y4m", *(PLAYLISTS := (".m3u", ".m3u8", ".mpd", ".sdp", ".concat", ".ffconcat")),
)  # fmt: skip

# Endings of the names of an image's results. An overlay's suffix follows its ending.
CLASSMAP_ENDING, OVERLAY_ENDING, CONFIDENCE_ENDING = "_classes.png", "_overlay", "_confidence.png"


@overload
def as_sequence(given: str | Iterable[str]) -> Sequence[str]: ...
@overload
def as_sequence(given: str | Path | Iterable[str | Path]) -> Sequence[str | Path]: ...
def as_sequence(given: str | Path | Iterable[str | Path]) -> Sequence[str | Path]:
    """Return texts or paths as a sequence; a single one is a sequence of one."""
    return [given] if isinstance(given, str | Path) else list(given)


def is_video(source: str) -> bool:
    """Return True if a path or an address is a video or a camera.

    What a file is, its content says. The suffix decides where there is no file, or its beginning says nothing.
    """
    if is_live(source):
        return True
    path = Path(source)
    named = source.lower().endswith(VIDEO_SUFFIXES)
    try:
        if not path.exists():
            return named
        known = path.is_file() and holds_film(path)
    except (OSError, ValueError):  # reading it tells what is wrong
        return named and not path.is_dir()
    return named or can_be_opened(path) if known is None else known


def can_be_opened(path: Path) -> bool:
    """Return True if PyAV is installed and finds a video in a file."""
    try:
        from streetseg.runtime.video.opening import holds_video
    except MissingExtraError:
        return False
    return holds_video(path)


@dataclass(frozen=True)
class ImageFile:
    """An image to read.

    Attributes:
        path: The file.
        name: Place of its results below the output folder, without a suffix; unique among the images that are listed
            together. It may hold dots: append a suffix, never replace one (see `output`).
    """

    path: Path
    name: PurePath

    def output(self, folder: Path, suffix: str) -> Path:
        """Return the file below `folder` for a result of this image; suffix: ".png", "_overlay.jpg" and the like."""
        return folder / self.name.parent / (self.name.name + suffix)


def list_images(
    patterns: Iterable[str | Path],
    results: Path | None = None,
    tell: Callable[[str], object] = lambda line: None,
    *,
    recursive: bool = True,
    progress: Progress = silent,
) -> list[ImageFile]:
    """List the images behind paths, folders and patterns, each once, in natural order (frame2 before frame10).

    An image in a given folder is named by its path relative to that folder, any other by its bare name. Namesakes take
    on as many of their parent folders as make them distinct. In one folder they take on their suffix: the files a.jpg
    and a.png give the names "a.jpg" and "a.png".

    Args:
        patterns: Image files, folders and glob patterns, which the shell need not have expanded. Folders are searched
            with their subfolders and links for SUFFIXES, without hidden files. Searches leave out the results of
            earlier runs (`is_result`).
        results: The folder for the results. A search leaves it out.
        tell: Gets a line for each pattern whose search passed over unreadable images or videos.
        recursive: Search folders with their subfolders.
        progress: Shows how many files have been searched.

    Returns:
        The images.

    Raises:
        UsageError: If a pattern matches nothing, cannot be searched, or holds no image.
    """
    listed: dict[Path, tuple[Path, int]] = {}  # true location -> path as given, parts of it that make its name
    resolved = cache(Path.resolve)  # of folders, which hold many files each
    for pattern in patterns:
        try:
            for path, depth in expand(pattern, results, tell, recursive, progress):
                listed.setdefault(resolved(path.parent) / path.name, (path, depth))
        except OSError as error:
            raise UsageError(f"{error.filename or pattern} cannot be searched: {error.strerror}") from None
        except RuntimeError as error:  # Python 3.11 and 3.12 raise it for a link that leads to itself
            raise UsageError(f"{pattern} cannot be searched: {error}; give another path") from None
    names = distinct_names({location: depth for location, (_, depth) in listed.items()})
    images = [ImageFile(path, names[location]) for location, (path, _) in listed.items()]
    return sorted(images, key=lambda image: natural_key(image.path))


def expand(
    pattern: str | Path, results: Path | None, tell: Callable[[str], object], recursive: bool, progress: Progress
) -> list[tuple[Path, int]]:
    """Return the image files behind one pattern, each with the number of its last parts that make its name."""
    if not str(pattern):  # a shell's variable that is not set; as a Path it is the whole current folder
        raise UsageError("a path is empty; give an image, a folder, or a pattern such as 'frames/*.png'")
    given = Path(pattern)
    # Not Path.glob: it takes no absolute pattern and lists hidden files.
    matches = [given] if given.exists() else [Path(match) for match in glob(str(pattern), recursive=True)]  # noqa: PTH207
    if not matches:
        raise UsageError(f"{pattern} is not there; give an image, a folder, or a pattern such as 'frames/*.png'")
    images: list[tuple[Path, int]] = []
    passed_over: Counter[str] = Counter()
    for match in matches:
        searched = progress(files_below(match, results, recursive), "file") if match.is_dir() else [match]
        for path in searched:
            depth = len(path.relative_to(match).parts) or 1
            suffix = path.suffix.lower()
            if (match == given and path == match) or (suffix in SUFFIXES and not is_result(path)):
                images.append((path, depth))
            elif suffix in UNREADABLE + VIDEO_SUFFIXES:
                passed_over[suffix] += 1
    others = ", ".join(f"{count} {suffix}" for suffix, count in sorted(passed_over.items()))
    advice = "save such pictures as JPEG or PNG, name a video itself"
    if not images:
        looked_for = f"looked for files ending in {', '.join(SUFFIXES)}"
        raise UsageError(
            f"{pattern} holds no image; " + (f"passed over: {others}; {advice}" if passed_over else looked_for)
        )
    if passed_over:
        tell(f"note: {pattern}: passed over: {others}; {advice}")
    return images


def is_result(path: Path) -> bool:
    """Return True if `streetseg predict` wrote a file: a class map and an overlay together, a confidence with them."""
    if path.name.endswith(CONFIDENCE_ENDING):
        return path.with_name(path.name.removesuffix(CONFIDENCE_ENDING) + CLASSMAP_ENDING).exists()
    overlays = [OVERLAY_ENDING + suffix for suffix in (".jpg", ".png")]
    for endings, others in (([CLASSMAP_ENDING], overlays), (overlays, [CLASSMAP_ENDING])):
        for ending in endings:
            if path.name.endswith(ending):
                stem = path.name.removesuffix(ending)
                return any(path.with_name(stem + other).exists() for other in others)
    return False


def images_below(folder: Path) -> Iterable[Path]:
    """Return the image files in a folder and its subfolders, as `files_below` gives them."""
    return (path for path in files_below(folder) if path.suffix.lower() in SUFFIXES)


def files_below(folder: Path, without: Path | None = None, recursive: bool = True) -> Iterable[Path]:
    """Return the files in a folder and its subfolders, linked ones too; OSError if one cannot be searched.

    Hidden files and folders and the subfolder `without` are left out; with `recursive` False all subfolders.
    """
    left_out = without and without.resolve()
    # Folder -> the resolved folders above it and itself. A link back to one of them is not followed.
    ancestors = {folder: {folder.resolve()}}

    def refuse(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        if not recursive:
            folders.clear()
        above = ancestors.pop(Path(root))
        places = {name: Path(root, name).resolve() for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, place in places.items() if place not in above and place != left_out]
        ancestors |= {Path(root, name): above | {places[name]} for name in folders}
        yield from (Path(root, name) for name in files if not name.startswith("."))


def distinct_names(depths: dict[Path, int]) -> dict[Path, PurePath]:
    """Return a distinct name for each file, without its suffix if that is enough.

    depths: absolute path -> number of its last parts to begin with.
    """
    depths = dict(depths)
    with_suffix: set[Path] = set()
    while True:
        names: dict[Path, PurePath] = {}
        namesakes: defaultdict[PurePath, list[Path]] = defaultdict(list)
        for path, depth in depths.items():
            # The drive counts as a folder, so that the same path on two drives has two names.
            drive = re.sub(r"\W", "", path.anchor)
            parts = (*filter(None, [drive]), *path.parts[1:-1], path.name if path in with_suffix else path.stem)
            name = names[path] = PurePath(*parts[-depth:])
            # Where file names have no case, A.png and a.jpg would give one result; A.png and a.png cannot both exist.
            key = name if path in with_suffix else name.with_name(name.name.casefold())
            namesakes[key].append(path)
        if len(namesakes) == len(depths):
            return names
        for group in namesakes.values():
            if len(group) == 1:
                continue
            folders = Counter(path.parent for path in group)
            for path in group:
                if folders[path.parent] > 1:
                    with_suffix.add(path)
                else:
                    depths[path] += 1


def natural_key(path: Path) -> tuple[list[list[str | int]], str]:
    """Return a key that sorts numbers in names by their value; the plain path breaks ties (1.png, 01.png)."""
    return [pieces(part) for part in path.parts], str(path)


@lru_cache(maxsize=1024)  # of folders, which hold many files each
def pieces(name: str) -> list[str | int]:
    """Return a name split at its groups of digits: text and number alternate, so comparisons meet like with like."""
    return [int(piece) if i % 2 else piece for i, piece in enumerate(re.split(r"(\d+)", name.casefold()))]
