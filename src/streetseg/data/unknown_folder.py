"""Say in one line what an unknown folder holds, and what its user probably wants."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from streetseg.data.folder_names import meaning_of
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import SUFFIXES

SHOWN = 8  # entries of a folder in the message, at most
SEARCHED_FOLDERS = 20
SEARCHED = 5000  # files of a folder that are looked at, at most
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
Detect = Callable[[Path], list[str]]


def describe_unknown(root: Path, kinds: Iterable[str], detect: Detect) -> str:
    """Return the message about a folder that is no known dataset.

    Args:
        root: The folder.
        kinds: The names of the known datasets.
        detect: Returns the kinds that a folder may be.
    """
    contents = {path: suffixes_below(path) for path in sorted(root.iterdir()) if not path.name.startswith(".")}
    folders = [path for path in contents if path.is_dir()]
    files = [path for path in contents if not path.is_dir()]
    parts = [f"{path.name}/ ({counted(contents[path])})" for path in folders[:SHOWN]]
    parts += [f"and {len(folders) - SHOWN} more folders"] * (len(folders) > SHOWN)
    parts += [counted(Counter(path.suffix.lower() or path.name for path in files))] * bool(files)
    held = ", ".join(parts) or "nothing"
    suffixes = sum(contents.values(), Counter[str]())
    return (
        f"{root} is not a known dataset: it holds {held}; {guess(root, folders, files, suffixes, detect)}; "
        f"known are {', '.join(kinds)} (docs/data.md shows their folders)"
    )


def suffixes_below(path: Path) -> Counter[str]:
    """Return the number of files with each suffix at a path and below, of the first SEARCHED files."""
    if not path.is_dir():
        return Counter([path.suffix.lower() or path.name])
    names = (name for _, _, files in os.walk(path) for name in files if not name.startswith("."))
    return Counter(Path(name).suffix.lower() or name for name in islice(names, SEARCHED))


def counted(suffixes: Counter[str]) -> str:
    """Return numbers of files as text: "12 .jpg, 3 .txt"."""
    common = suffixes.most_common(3)
    rest = len(suffixes) - len(common)
    text = ", ".join(f"{count}{'+' * (count >= SEARCHED)} {suffix}" for suffix, count in common)
    return (text + f" and {rest} more kinds of files" * (rest > 0)) or "no files"


def guess(root: Path, folders: list[Path], files: list[Path], suffixes: Counter[str], detect: Detect) -> str:
    """Return what is probably the matter, and what to do."""
    images = sum(suffixes[suffix] for suffix in SUFFIXES)
    below = [(path, kinds) for path in folders[:SEARCHED_FOLDERS] if (kinds := tried(detect, path))]
    if len(below) == 1:
        return f"its folder {below[0][0].name} looks like {below[0][1][0]}: give {below[0][0]}"
    if below:
        return f"its folders {', '.join(path.name for path, _ in below[:SHOWN])} are datasets: give one of them"
    own = meaning_of(root.resolve().name)
    above = tried(detect, root.resolve().parent) if own.role or own.split else []
    if above:
        return f"the folder above it looks like {above[0]}: give {root.resolve().parent}"
    archives = [path.name for path in files if path.suffix.lower() in ARCHIVES]
    if archives and not images:
        return f"unpack {archives[0]} first, and give the folder that it makes"
    if not images:
        return "there is no image in it: give the folder with images and labels"
    if suffixes[".xml"]:
        return ".xml files are boxes (Pascal VOC) or CVAT's own: export polygons or masks, as COCO 1.0 for example"
    if suffixes[".json"] or suffixes[".txt"] or suffixes[".csv"]:
        return "its images have labels in no known format: export them as COCO, labelme or masks"
    if set(suffixes) <= {*SUFFIXES}:
        return "masks need a folder called masks/ beside images/, and classes.yaml"
    return "labels are missing, or in no known format: export them as COCO, labelme or masks"


def tried(detect: Detect, folder: Path) -> list[str]:
    """Return the kinds that a neighbouring folder may be; none if it cannot be searched."""
    try:
        return detect(folder)
    except DatasetError:
        return []
