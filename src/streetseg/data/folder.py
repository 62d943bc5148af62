"""A user's own data: images/ and masks/, a mask for each image by the same name, and classes.yaml.

The splits are the first of these that exists:

1. Folders: images/train/ with masks/train/, or train/images/ with train/masks/; val/ and test/ likewise.
2. Lists: train.txt, val.txt, test.txt with one name a line.
3. Otherwise the last fifth of the images, sorted by name, is val. Neighbours in a drive are almost the same picture, so
   a random val split would resemble the training frames too much.

A mask with one channel (grey or palette) holds class indices. A mask with three channels holds the classes' colours. If
classes.yaml gives no class an index, a palette that has only the classes' colours is read by them, in any order.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from streetseg.data.pairs import (
    IGNORE,
    Dataset,
    LabelSpace,
    Pair,
    coloured_labels,
    distinct_colours,
    from_file,
    indexed_labels,
    open_mask,
    read_lines,
    read_pixels,
)
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import images_below, natural_key

CLASSES_FILE = "classes.yaml"
LAYOUT = f"images/ and masks/ with files of the same names, and {CLASSES_FILE}"
SPLITS = ("train", "val", "test")
SUBSETS = {split: split for split in SPLITS} | {"valid": "val", "validation": "val"}  # names that people use
TERMS = "Trained on its maker's own data; ask them for its terms."

LAST_FIFTH = "no split is given, so the last fifth of the images by their names is val"


@dataclass(frozen=True)
class OwnClass:
    """A class in classes.yaml or labelmap.txt.

    Attributes:
        name: Its name.
        index: Its value in masks with one channel.
        colour: Its colour in masks with three channels.
        ignore: True if its pixels do not count.
        placed: True if the file gives no index; then `index` is its place in the file.
    """

    name: str
    index: int
    colour: tuple[int, int, int] | None = None
    ignore: bool = False
    placed: bool = False


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
    return own_dataset(root, classes, root / CLASSES_FILE, folders, lists)


def own_dataset(
    root: Path,
    classes: list[OwnClass],
    class_file: Path,
    folders: list[tuple[Path, Path, str]],
    lists: dict[str, Path],
    skip_unlabelled: bool = False,
) -> Dataset:
    """Return the dataset of folders in which images and masks have the same names.

    Args:
        root: The dataset's folder.
        classes: Its classes.
        class_file: The file that lists them.
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
        root.resolve().name, root, own_label_space(classes, class_file), splits, decoder(classes),
        TERMS, (note,) if note else (),
        load=from_file(mask_reader(classes)), class_file=class_file, note=note,
        left_out=tuple(labels[name] for name in frames if name in labels and name not in used),
    )  # fmt: skip


def own_label_space(classes: list[OwnClass], class_file: Path) -> LabelSpace:
    """Return the classes that count; each without a colour gets a free one. DatasetError for a wrong number of them."""
    counted = [entry for entry in classes if not entry.ignore]
    if not 2 <= len(counted) <= IGNORE:
        raise DatasetError(f"{class_file} has {len(counted)} classes that count; give 2 to {IGNORE}")
    given = {entry.colour for entry in counted}
    free = (colour for colour in distinct_colours(len(counted) + len(given)) if colour not in given)
    return LabelSpace(tuple(entry.name for entry in counted), tuple(entry.colour or next(free) for entry in counted))


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


def mask_reader(classes: list[OwnClass]) -> Callable[[Path], np.ndarray]:
    """Return a function that reads a mask for `decoder`; it maps palettes of the classes' colours to their indices."""
    values: dict[tuple[int, ...], int] = {entry.colour: entry.index for entry in classes if entry.colour}
    if not (values and all(entry.placed for entry in classes)):
        return read_pixels

    def read(path: Path) -> np.ndarray:
        with open_mask(path) as image:
            if image.mode != "P":
                return read_pixels(path)
            pixels, palette = np.asarray(image), image.getpalette() or []
        table = np.arange(256, dtype=np.uint8)
        for used in np.unique(pixels[pixels != IGNORE]).tolist():
            value = values.get(tuple(palette[3 * used : 3 * used + 3]))
            if value is None:
                return pixels
            table[used] = value
        meant: np.ndarray = table[pixels]
        return meant

    return read


def decoder(classes: list[OwnClass]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a decoder for masks of either kind."""
    number = iter(range(len(classes)))
    ours = [(entry, IGNORE if entry.ignore else next(number)) for entry in classes]
    by_index = indexed_labels({IGNORE: IGNORE} | {entry.index: index for entry, index in ours})
    colours = {entry.colour: index for entry, index in ours if entry.colour}
    by_colour = coloured_labels(colours) if colours else None

    def decode(pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim == 2:
            return by_index(pixels)
        if by_colour is None:
            raise ValueError(
                "expected one channel of class indices, because the classes have no colours, "
                f"got shape {pixels.shape}; save the mask with one channel, or give the classes colours"
            )
        return by_colour(pixels)

    return decode


# ---- classes.yaml


def read_classes(path: Path) -> list[OwnClass]:
    """Return the classes in a file like this one:

        - road
        - {name: car, index: 7, colour: [0, 0, 142]}
        - {name: bonnet, index: 8, ignore: true}

    A bare name is a class with defaults.

    - index: its value in masks with one channel, 0 to 255. Default: its place in the list, from 0.
    - colour: red, green, blue from 0 to 255, in masks with three channels and in pictures.
    - ignore: its pixels do not count. 255 does not count unless a class has it as its index.

    DatasetError for anything else.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; write it with a line '- NAME' for each class, in mask order") from None
    # PyYAML raises many kinds of errors for wrong dates, numbers, tags and depths.
    except (OSError, ValueError, LookupError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise DatasetError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f"{path} must be a list with a line '- NAME' for each class")
    classes = [read_class(entry, place, f"{path}, class {place + 1}") for place, entry in enumerate(entries)]
    return distinct(path, classes)


def distinct(path: Path, classes: list[OwnClass]) -> list[OwnClass]:
    """Return the classes of a file; DatasetError if two of them share a name, an index or a colour."""
    for field in ("name", "index", "colour"):
        seen = set()
        for entry in classes:
            value = getattr(entry, field)
            if value is not None and value in seen:
                raise DatasetError(f"{path} gives {field} {value!r} to two classes; each needs its own")
            seen.add(value)
    return classes


def read_class(entry: Any, place: int, where: str) -> OwnClass:
    """Return the class of one entry; `where` names the entry in errors."""
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {"name": entry}
    known = ("name", "index", "colour", "ignore")
    for key in fields:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise DatasetError(f"{where} has an unknown field {key!r}; {hint}")
    name, index = fields.get("name"), fields.get("index", place)
    colour, ignore = fields.get("colour"), fields.get("ignore", False)
    if not isinstance(name, str) or not name.strip():
        raise DatasetError(f"{where} has the name {name!r}; give text (in quotes if it is no, yes or a number)")
    if not is_byte(index):
        raise DatasetError(f"{where} ({name}) has the index {index!r}; give a number from 0 to 255")
    if colour is not None and not (isinstance(colour, list) and len(colour) == 3 and all(map(is_byte, colour))):
        raise DatasetError(f"{where} ({name}) has the colour {colour!r}; give three numbers from 0 to 255: [0, 0, 142]")
    if not isinstance(ignore, bool):
        raise DatasetError(f"{where} ({name}) has ignore: {ignore!r}; give true or false")
    return OwnClass(name.strip(), index, tuple(colour) if colour else None, ignore, placed="index" not in fields)


def is_byte(value: object) -> bool:
    """Return True for a whole number from 0 to 255."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
