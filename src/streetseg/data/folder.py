"""A user's own data: images/ and masks/, a mask for each image by the same name, and classes.yaml.

The splits are the first of these that exists:

1. Folders: images/train/ with masks/train/, or train/images/ with train/masks/; val/ and test/ likewise.
2. Lists: train.txt, val.txt, test.txt with one name a line.
3. Otherwise the last fifth of the images, sorted by name, is val. Neighbours in a drive are almost the same picture, so
   a random val split would resemble the training frames too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from streetseg.data.classes_yaml import CLASSES_FILE, read_classes
from streetseg.data.own_classes import OwnClasses, decoder, label_space_of, mask_reader
from streetseg.data.pairs import Dataset, Pair, from_file, read_lines
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import images_below, natural_key

LAYOUT = f"images/ and masks/ with files of the same names, and {CLASSES_FILE}"
SPLITS = ("train", "val", "test")
SUBSETS = {split: split for split in SPLITS} | {"valid": "val", "validation": "val"}  # names that people use
TERMS = "Trained on its maker's own data; ask them for its terms."

LAST_FIFTH = "no split is given, so the last fifth of the images by their names is val"


def recognises(root: Path) -> bool:
    """Return True if `root`, or the folder of a split in it, has images/ and masks/."""
    return any((place / "images").is_dir() and (place / "masks").is_dir() for place in (root, *split_folders(root)))


def split_folders(root: Path) -> list[Path]:
    """Return the folders with a split's name."""
    return [place for place in sorted(root.iterdir()) if place.name.lower() in SUBSETS]


def open_folder(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError for a wrong classes.yaml or list, or two images of one name."""
    classes = read_classes(root / CLASSES_FILE)
    lists = {split: root / f"{split}.txt" for split in SPLITS}
    if (root / "images").is_dir():
        folders = [(root / "images", root / "masks", "")]
    else:
        places = [place for place in split_folders(root) if (place / "images").is_dir()]
        folders = [(place / "images", place / "masks", f"{place.name}/") for place in places]
    return own_dataset(root, classes, folders, lists)


def own_dataset(
    root: Path,
    classes: OwnClasses,
    folders: list[tuple[Path, Path, str]],
    lists: dict[str, Path],
    skip_unlabelled: bool = False,
) -> Dataset:
    """Return the dataset of folders in which images and masks have the same names.

    Args:
        root: The dataset's folder.
        classes: Its classes.
        folders: Images, their masks, and the prefix of their names.
        lists: Split -> the file that lists it; the file may be missing.
        skip_unlabelled: Leave out frames without a mask. A split without any mask stays whole, so that the error names
            it.
    """
    frames: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    expected: dict[str, Path] = {}
    for images, masks, before in folders:
        files = files_by_name(images)
        frames |= {before + name: path for name, path in files.items()}
        expected |= {before + name: masks / f"{name}.png" for name in files}
        if masks.is_dir() or split_of(before) != "test":  # test may have no masks
            labels |= {before + name: path for name, path in files_by_name(masks).items()}
    unlabelled = frames.keys() - labels.keys() if skip_unlabelled else set()
    names, note = split_names(frames, lists, unlabelled)
    used = {name for members in names.values() for name in members}
    if left_out_count := len(unlabelled - used):
        reason = f"{left_out_count} of {len(frames)} frames have no mask, because nobody drew on them, and are left out"
        note = "; ".join(filter(None, [note, reason]))
    splits = {}
    for split, members in names.items():
        pairs = []
        for name in members:
            label = labels.get(name, expected[name])
            withheld = split == "test" and name not in labels
            pairs.append(Pair(below(split, name), frames[name], None if withheld else label, sequence_of(name)))
        splits[split] = tuple(pairs)
    return Dataset(
        root.resolve().name, root, label_space_of(classes), splits, decoder(classes),
        TERMS, (note,) if note else (),
        load=from_file(mask_reader(classes)), class_file=classes.path, note=note,
        left_out=tuple(labels[name] for name in frames if name in labels and name not in used),
    )  # fmt: skip


def files_by_name(folder: Path) -> dict[str, Path]:
    """Return the images below a folder by their paths in it, without suffix, in natural order."""
    files: dict[str, Path] = {}
    try:
        paths = sorted(images_below(folder), key=natural_key)
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be searched: {error.strerror}; give a folder that can be read"
        ) from None
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise DatasetError(f"{files[name]} and {path.name} have one name, which is ambiguous; rename one of them")
        files[name] = path
    return files


def split_names(names: Iterable[str], lists: dict[str, Path], unlabelled: set[str]) -> tuple[dict[str, list[str]], str]:
    """Return the names of each split without `unlabelled` ones, and a note on decisions that the folder leaves open."""
    names = list(names)
    in_folders = {split: [name for name in names if split_of(name) == split] for split in SPLITS}
    if any(in_folders.values()):
        note = left_out(names, in_folders, "in none of train/, val/, test/")
    elif any(path.is_file() for path in lists.values()):
        known = set(names)
        in_folders = {split: listed(path, known) for split, path in lists.items() if path.is_file()}
        note = left_out(names, in_folders, "in no list")
    else:
        names = without(names, unlabelled)
        val = -(-len(names) // 5) if len(names) > 1 else 0
        in_folders, note = {"train": names[: len(names) - val], "val": names[len(names) - val :]}, LAST_FIFTH
    splits = {split: without(members, unlabelled) for split, members in in_folders.items() if members}
    return splits, note


def without(names: list[str], unlabelled: set[str]) -> list[str]:
    """Return the names without the unlabelled ones; all names if none would be left."""
    return [name for name in names if name not in unlabelled] or names


def left_out(names: list[str], splits: dict[str, list[str]], where: str) -> str:
    """Return a note on the images that are in no split; "" if there are none."""
    count = len(set(names) - {name for members in splits.values() for name in members})
    return f"{count} of {len(names)} images are {where} and are left out" if count else ""


def listed(path: Path, known: set[str]) -> list[str]:
    """Return the names in a list, one a line, with or without suffix."""
    names: dict[str, None] = {}  # ordered, and fast to look up
    for number, line in enumerate(read_lines(path), 1):
        entry = line.strip()
        if not entry:
            continue
        name = entry if entry in known else entry.rpartition(".")[0]
        if name not in known:
            raise DatasetError(
                f"{path}, line {number}: there is no image {entry!r}; take the line out or add the image"
            )
        if name in names:
            raise DatasetError(f"{path}, line {number}: {entry!r} is there a second time; take one line out")
        names[name] = None
    return list(names)


def split_of(name: str) -> str | None:
    """Return the split whose folder a name begins with; None if there is none."""
    folder, slash, _ = name.partition("/")
    return SUBSETS.get(folder.lower()) if slash else None


def below(split: str, name: str) -> str:
    """Return the name with its split's folder before it."""
    return name if split_of(name) else f"{split}/{name}"


def sequence_of(name: str) -> str:
    """Return the drive of a frame: its name without the split's folder and the number at its end, else "frames"."""
    frame = name.partition("/")[2] if split_of(name) else name
    return re.sub(r"[\W_]*\d+$", "", frame) or "frames"
