"""Splits: by folders, by lists of names, or the last fifth.

1. Folders: images/train/, train/images/, training/, validation/ and so on.
2. Lists: train.txt, val.txt, test.txt with one name a line, beside the data, in splits/, lists/ or ImageSets/. With a
   list of val alone, the other frames are train.
3. Otherwise the last fifth of the images, sorted by name, is val. Neighbours in a drive are almost the same picture, so
   a random val split would resemble the training frames too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from streetseg.data.folder_names import SPLITS, composed, meaning_of, split_of
from streetseg.data.pairs import read_lines
from streetseg.errors import DatasetError

LAST_FIFTH = "no split is given, so the last fifth of the images by their names is val"
PLACES = ("", "splits", "split", "lists", "list", "ImageSets/Segmentation", "ImageSets")
SUFFIXES = (".txt", ".lst")


def find_lists(root: Path) -> dict[str, Path]:
    """Return the lists beside the data: split -> file. The shortest name counts: train.txt before train_list.txt."""
    for place in PLACES:
        folder = root / place
        if not folder.is_dir():
            continue
        files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
        lists: dict[str, Path] = {}
        for path in sorted(files, key=lambda path: (len(path.name), path.name)):
            said = meaning_of(path.stem)
            if said.split and said.role is None:
                lists.setdefault(said.split, path)
        if lists:
            return lists
    return {}


def split_names(names: Iterable[str], lists: dict[str, Path], unlabelled: set[str]) -> tuple[dict[str, list[str]], str]:
    """Return the names of each split without `unlabelled` ones, and a note on decisions that the folder leaves open."""
    names = list(names)
    members = {split: [name for name in names if split_of(name) == split] for split in SPLITS}
    if any(members.values()):
        note = left_out(names, members, "in none of train/, val/, test/")
    elif lists:
        known = by_every_name(names)
        members = {split: listed(lists[split], known) for split in SPLITS if split in lists}
        if set(members) == {"val"}:
            in_val = set(members["val"])
            members = {"train": [name for name in names if name not in in_val], "val": members["val"]}
        note = left_out(names, members, "in no list")
    else:
        names = without(names, unlabelled)
        val = -(-len(names) // 5) if len(names) > 1 else 0
        members, note = {"train": names[: len(names) - val], "val": names[len(names) - val :]}, LAST_FIFTH
    splits = {split: without(some, unlabelled) for split, some in members.items() if some}
    return splits, note


def without(names: list[str], unlabelled: set[str]) -> list[str]:
    """Return the names without the unlabelled ones; all names if none would be left."""
    return [name for name in names if name not in unlabelled] or names


def left_out(names: list[str], splits: dict[str, list[str]], where: str) -> str:
    """Return a note on the images that are in no split; "" if there are none."""
    count = len(set(names) - {name for members in splits.values() for name in members})
    return f"{count} of {len(names)} images are {where} and are left out" if count else ""


def by_every_name(names: list[str]) -> dict[str, str]:
    """Return the names by what a list may call them: the name, and its last parts where only one name has them."""
    known: dict[str, str | None] = {}
    for name in names:
        parts = name.split("/")
        for start in range(1, len(parts)):
            short = "/".join(parts[start:])
            known[short] = None if short in known else name
    return {short: name for short, name in known.items() if name is not None} | {name: name for name in names}


def listed(path: Path, known: dict[str, str]) -> list[str]:
    """Return the names in a list, one a line, with or without suffix and folders."""
    names: dict[str, None] = {}  # ordered, and fast to look up
    for number, line in enumerate(read_lines(path), 1):
        entry = line.strip().strip('"')
        if not entry:
            continue
        name = name_in(composed(entry), known)
        if name is None:
            raise DatasetError(
                f"{path}, line {number}: there is no image {entry!r}; take the line out or add the image"
            )
        if name in names:
            raise DatasetError(f"{path}, line {number}: {entry!r} is there a second time; take one line out")
        names[name] = None
    return list(names)


def name_in(entry: str, known: dict[str, str]) -> str | None:
    """Return the name that an entry of a list means; None if there is none."""
    parts = PurePosixPath(entry.replace("\\", "/")).parts
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        for name in (tail, tail.rpartition(".")[0]):
            if name in known:
                return known[name]
    return None


def below(split: str, name: str) -> str:
    """Return the name with its split's folder before it."""
    return name if split_of(name) else f"{split}/{name}"


def sequence_of(name: str) -> str:
    """Return the drive of a frame: its name without the split's folder and the number at its end, else "frames"."""
    *folders, file = name.split("/")
    frame = "/".join([folder for folder in folders if not meaning_of(folder).split] + [file])
    return re.sub(r"[\W_]*\d+$", "", frame) or "frames"
