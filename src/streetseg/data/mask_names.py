"""Find each frame's mask by their names.

The names are the same; or the same but for folders of splits or for case; or the mask's has the whole name of the
frame's file; or they are the same without the words for image and mask (img_1 and mask_1_gt); or all masks have one
ending more (frame_1_xyz).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from streetseg.data.folder_names import FOR_THE_EYE, IMAGE_WORDS, MASK_WORDS, meaning_of
from streetseg.errors import DatasetError

# Further words in the names of files; "l" and "p" are the endings of CamVid's and fastai's masks.
WORDS = IMAGE_WORDS | MASK_WORDS | FOR_THE_EYE | {
    "l", "p", "lbl", "labelids", "labeltrainids", "trainids", "trainid", "sat", "anon", "bin",
}  # fmt: skip
INSTANCES = {"instance", "instances", "instanceids", "inst", "panoptic", "depth", "disparity"}  # never class masks

Key = Callable[[str, Path], str]


def match(frames: Mapping[str, Path], masks: Mapping[str, Path]) -> dict[str, Path]:
    """Return the mask of each frame that has one; both are given by their names without suffix.

    Raises:
        DatasetError: A frame has two masks, and neither name is the better one.
    """
    found = {name: masks[name] for name in frames if name in masks}
    steps: tuple[tuple[Key, Key], ...] = (
        (lambda name, path: without_split(name), lambda name, path: without_split(name)),
        (lambda name, path: name.casefold(), lambda name, path: name.casefold()),
        (lambda name, path: (name + path.suffix).casefold(), lambda name, path: name.casefold()),
        (lambda name, path: without_words(name), lambda name, path: without_words(name)),
    )
    for frame_key, mask_key in steps:
        taken = {*found.values()}
        groups: defaultdict[str, list[Path]] = defaultdict(list)
        for name, path in masks.items():
            if path not in taken and (key := mask_key(name, path)):
                groups[key].append(path)
        keys = {name: frame_key(name, path) for name, path in frames.items() if name not in found}
        count = Counter(keys.values())
        usable = {name: groups[key] for name, key in keys.items() if key in groups and count[key] == 1}
        found |= {name: best(frames[name], fitting) for name, fitting in usable.items()}
    return found | by_common_ending({name for name in frames if name not in found}, masks, {*found.values()})


def without_split(name: str) -> str:
    """Return a name without folders of splits: masks may lie in one folder for all splits."""
    *folders, file = name.split("/")
    return "/".join([folder for folder in folders if not meaning_of(folder).split] + [file])


def without_words(name: str) -> str:
    """Return a name without the words for images and masks; "" if nothing is left."""
    folder, slash, file = name.rpartition("/")
    pieces = [piece for piece in re.split(r"[\s_.-]+", file.casefold()) if piece and piece not in WORDS]
    return folder + slash + "_".join(pieces) if pieces else ""


def best(frame: Path, masks: list[Path]) -> Path:
    """Return the one of several masks that holds class indices; DatasetError if their names do not tell."""

    def rank(path: Path) -> int:
        pieces = set(re.split(r"[\s_.-]+", path.stem.casefold()))
        return 3 if pieces & FOR_THE_EYE else 0 if "labelids" in pieces else 1 if "labeltrainids" in pieces else 2

    first, *others = sorted(masks, key=rank)
    if others and rank(others[0]) == rank(first):
        raise DatasetError(f"{frame} has two masks, {first} and {others[0]}; take one of them away")
    return first


def by_common_ending(frames: set[str], masks: Mapping[str, Path], taken: set[Path]) -> dict[str, Path]:
    """Return masks whose names are a frame's and an ending that most of them share."""
    endings: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for name, path in masks.items():
        if path in taken:
            continue
        cuts = [match.start() for match in re.finditer(r"[^/\w]|_", name)]
        for cut in reversed(cuts):
            words = set(re.split(r"[\W_\d]+", name[cut:].casefold())) - {""}
            if name[:cut] in frames and words and not words & INSTANCES:
                endings[name[cut:]][name[:cut]] = path
                break
    found = max(endings.values(), key=len, default={})
    return found if len(found) > 1 or len(frames) == 1 else {}
