"""Find the folders of images and of masks below a folder, whatever people call them.

- images/ and masks/, labels/, annotations/, gt/, ..., with splits in them (images/train/) or around (train/images/)
- train/ and train_labels/, trainannot/, train_masks/
- masks beside their images: frame_1.jpg and frame_1_mask.png, or frame_1.jpg and frame_1.png
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from streetseg.data.folder_names import MASK_WORDS, Meaning, composed, meaning_of
from streetseg.data.mask_names import without_words
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import SUFFIXES, images_below, natural_key

TWINS = ([".jpg", ".png"], [".jpeg", ".png"])  # suffixes of an image and its mask in one folder
DEPTH = 3  # folders of images and masks are looked for this deep


@dataclass(frozen=True)
class FolderPair:
    """A folder of images and the folder of their masks.

    Attributes:
        images: The images, in it or below.
        masks: The masks; the same folder if they lie beside their images.
        before: What comes before the images' names: folders above, with a slash at the end.
    """

    images: Path
    masks: Path
    before: str = ""


@dataclass(frozen=True)
class Found:
    """A folder with a meaning.

    Attributes:
        path: The folder.
        meaning: What its name says, and those above it of the split.
        before: The folders above that are no role's, and its own if it tells a split: what comes before frames' names.
        rest: The folders above that tell neither role nor split.
    """

    path: Path
    meaning: Meaning
    before: str
    rest: tuple[str, ...]


def find_folders(root: Path) -> list[FolderPair]:
    """Return the folders of images and masks below `root`; none if there are none.

    Raises:
        DatasetError: Several folders could be the masks or the images, or a folder cannot be searched.
    """
    found = list(meaningful(root))
    masks = [
        each for each in found if each.meaning.role == "masks" and (called(each, "masks") or holds_image(each.path))
    ]
    images = [each for each in found if each.meaning.role == "images" and holds_image(each.path)]
    if masks and not images:  # train/ beside train_labels/
        images = [
            each
            for each in found
            if each.meaning.role is None and each.meaning.split and holds_image(each.path, below=False)
        ]
    groups: defaultdict[tuple[tuple[str, ...], str | None], list[Found]] = defaultdict(list)
    for each in images:
        groups[each.rest, each.meaning.split].append(each)
    nearest = min((len(rest) for rest, _ in groups if any(each.rest == rest for each in masks)), default=0)
    pairs, alone = [], []
    for (rest, split), group in groups.items():
        if len(rest) > nearest:
            continue  # a copy of the data further down, or other data
        fitting = [each for each in masks if each.rest == rest and each.meaning.split == split]
        fitting = fitting or [each for each in masks if each.rest == rest and each.meaning.split is None]
        if fitting:
            frames = the_one(group, "images")
            pairs.append(FolderPair(frames.path, the_one(fitting, "masks").path, frames.before))
        elif split:
            alone.append(the_one(group, "images"))
    if pairs:  # images of another split have lost their masks, or have none, as those of a test split
        return pairs + [FolderPair(each.path, each.path.with_name("masks"), each.before) for each in alone]
    return beside(root)


def called(found: Found, name: str) -> bool:
    """Return True if a folder has exactly this name."""
    return found.path.name.lower() == name


def meaningful(folder: Path, above: str | None = None, before: str = "", rest: tuple[str, ...] = ()) -> Iterator[Found]:
    """Yield the folders that say images, masks or a split, and what the ones above say."""
    if len(rest) > DEPTH:
        return
    for path in folders_in(folder):
        own = meaning_of(path.name)
        split = own.split or above
        inside = f"{before}{path.name}/" if own.split or own.role is None else before
        meaning = Meaning(own.role, split, own.for_the_eye)
        if own.role or own.split:
            yield Found(path, meaning, inside, rest)
        if own.role is None:
            below = rest if own.split else (*rest, path.name)
            yield from meaningful(path, split, inside, below)


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder without hidden ones, sorted."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        return [folder / name for name in names]
    except OSError as error:
        raise unsearchable(folder, error) from None


def unsearchable(folder: Path, error: OSError) -> DatasetError:
    """Return the error about a folder that cannot be searched."""
    return DatasetError(
        f"{error.filename or folder} cannot be searched: {error.strerror}; give a folder that can be read"
    )


def holds_image(folder: Path, below: bool = True) -> bool:
    """Return True if there is an image in a folder, or below it."""
    if below:
        return any(True for _ in images_below(folder))
    return any(path.suffix.lower() in SUFFIXES and not path.name.startswith(".") for path in folder.iterdir())


def the_one(found: list[Found], role: str) -> Found:
    """Return the folder of several that counts; DatasetError if their names do not tell."""
    exact = [each for each in found if called(each, role)]
    plain = exact or [each for each in found if not each.meaning.for_the_eye] or found
    if len(plain) > 1:
        names = " and ".join(str(each.path) for each in plain)
        raise DatasetError(f"{names} could both hold the {role}; call the one that counts {role}/")
    return plain[0]


def beside(folder: Path, before: str = "", deep: int = DEPTH) -> list[FolderPair]:
    """Return the folders in which masks lie beside their images."""
    pairs = [FolderPair(folder, folder, before)] if apart(folder.iterdir())[1] else []
    for inner in folders_in(folder) if deep else ():
        pairs += beside(inner, f"{before}{inner.name}/", deep - 1)
    return pairs


def apart(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images and the masks among the images of a folder.

    A mask has a word for it and its image's name. Or every JPEG has a PNG of the same name, which is its mask.
    """
    files = [path for path in paths if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    suffixes: defaultdict[str, list[str]] = defaultdict(list)
    for path in files:
        suffixes[composed(path.stem)].append(path.suffix.lower())
    if len(suffixes) > 1 and all(sorted(each) in TWINS for each in suffixes.values()):
        masks = [path for path in files if path.suffix.lower() == ".png"]
    else:
        images = {without_words(composed(path.stem)) for path in files if not is_mask(path)}
        masks = [path for path in files if is_mask(path) and without_words(composed(path.stem)) in images]
    return [path for path in files if path not in {*masks}], masks


def is_mask(path: Path) -> bool:
    """Return True if a file's name has a word for masks at its end or its beginning."""
    pieces = composed(path.stem).casefold().replace("-", "_").replace(" ", "_").split("_")
    words = MASK_WORDS | {"l", "lbl", "labelids", "labeltrainids", "trainids"}
    return len(pieces) > 1 and (pieces[-1] in words or pieces[0] in MASK_WORDS)


def images_and_masks(pair: FolderPair) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return a pair's images and masks by their names: the path in the folder without suffix, composed.

    Raises:
        DatasetError: Two images have one name, or a folder cannot be searched.
    """
    if pair.images != pair.masks:
        images = files_by_name(pair.images)
        # A link back may lead into folders of masks.
        frames = {name: path for name, path in images.items() if not below_masks(name)}
        return frames, files_by_name(pair.masks) if pair.masks.is_dir() else {}
    beside_them, masks = apart(pair.images.iterdir())
    return named(pair.images, beside_them), named(pair.images, masks)


def as_stored(path: Path) -> Path:
    """Return the path of a file, whose names may be stored with letters and accents another way (NFC, NFD)."""
    if str(path).isascii() or path.exists():
        return path
    parent = as_stored(path.parent)
    try:
        there = names_in(parent, parent.stat().st_mtime_ns)
    except OSError:
        return path
    return parent / there.get(composed(path.name), path.name)


@lru_cache(maxsize=64)
def names_in(folder: Path, changed: int) -> dict[str, str]:
    """Return the names in a folder by their composed form; `changed` is the folder's time, for the cache."""
    return {composed(path.name): path.name for path in folder.iterdir()}


def below_masks(name: str) -> bool:
    """Return True if one of a name's folders is called as masks are."""
    return any(meaning_of(folder).role == "masks" for folder in name.split("/")[:-1])


def files_by_name(folder: Path) -> dict[str, Path]:
    """Return the images below a folder by their paths in it, without suffix, in natural order."""
    try:
        return named(folder, images_below(folder))
    except OSError as error:
        raise unsearchable(folder, error) from None


def named(folder: Path, paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by their paths in a folder, without suffix, in natural order."""
    files: dict[str, Path] = {}
    for path in sorted(paths, key=natural_key):
        name = composed(path.relative_to(folder).with_suffix("").as_posix())
        if name in files:
            raise DatasetError(f"{files[name]} and {path.name} have one name, which is ambiguous; rename one of them")
        files[name] = path
    return files
