"""Lists of "image mask" lines, as PaddleSeg, PIDNet, CoinCheung's BiSeNet and others take them: train.txt, val.lst, ...

- A space, a tab or a comma separates the two paths, which may hold spaces themselves or stand in quotes.
- Paths start at the list's folder or at the dataset's. Where neither fits, as with paths of another machine, their last
  parts count.
- A list's name tells its split. images.txt, list.txt and the like have none: then the last fifth is val. A list of
  test may have images alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from streetseg.data.folder_names import SPLITS, composed, meaning_of
from streetseg.data.frame_lists import LAST_FIFTH, PLACES, sequence_of
from streetseg.data.mask_dataset import named_dataset
from streetseg.data.mask_folders import as_stored
from streetseg.data.pairs import Dataset, Pair, read_lines
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import SUFFIXES

LIST_SUFFIXES = (".txt", ".lst", ".csv", ".tsv")
SEPARATORS = ("\t", ",", ";", " ")
LAYOUT = "train.txt, val.txt (or .lst, .csv) with lines of an image and its mask"


def recognises(root: Path) -> bool:
    """Return True if a list beside the data names pairs."""
    return bool(find_lists(root))


def find_lists(root: Path) -> dict[str, list[Path]]:
    """Return the lists of pairs: split -> files; "" for those that no split is said of."""
    places = [root / place for place in PLACES]
    places += [path for path in sorted(root.glob("list*/*")) if path.is_dir() and not path.name.startswith(".")]
    for folder in places:
        if not folder.is_dir():
            continue
        paths = [path for path in folder.iterdir() if path.suffix.lower() in LIST_SUFFIXES and path.is_file()]
        paths.sort(key=lambda path: (len(path.name), path.name))
        lists: dict[str, list[Path]] = {}
        for path in filter(names_pairs, paths):
            lists.setdefault(meaning_of(path.stem).split or "", []).append(path)
        if lists:
            told = {split: lists[split][:1] for split in SPLITS if split in lists}
            alone = [path for path in paths if meaning_of(path.stem).split == "test"]  # images without masks
            return ({"test": alone[:1]} if alone and told else {}) | told or lists
    return {}


def names_pairs(path: Path) -> bool:
    """Return True if one of the first lines of a file is an image and its mask."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = [line.strip() for line, _ in zip(file, range(20), strict=False)]
    except (OSError, UnicodeDecodeError):
        return False
    return any(True for line in lines for _ in halves(line))


def halves(line: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to part a line into two paths of images."""
    for separator in SEPARATORS:
        pieces = line.split(separator)
        for cut in range(1, len(pieces)):
            image, mask = (separator.join(part).strip().strip("\"'").strip() for part in (pieces[:cut], pieces[cut:]))
            if all(PurePosixPath(each).suffix.lower() in SUFFIXES for each in (image, mask)):
                yield image, mask


class Finder:
    """Finds the files that lists name, whatever folder their paths start at."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str, base: Path) -> Path | None:
        """Return the file; None if there is none."""
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".")]
        for start in range(len(parts)):
            for place in (base, self.root) if start == 0 else (self.root, base):
                path = as_stored(place.joinpath(*parts[start:]))
                if path.is_file():
                    return path
        absolute = Path(name)
        return absolute if absolute.is_absolute() and absolute.is_file() else None


def open_pair_lists(root: Path) -> Dataset:
    """Open the dataset at `root`; DatasetError if a list names an image that is not there, or one twice."""
    finder = Finder(root)
    splits: dict[str, list[Pair]] = {}
    places = [root]
    for split, paths in find_lists(root).items():
        for path in paths:
            places.append(path.parent)
            splits.setdefault(split, []).extend(read_list(path, split, finder))
    note = ""
    if "" in splits:
        pairs = splits.pop("")
        val = -(-len(pairs) // 5) if len(pairs) > 1 else 0
        cut = len(pairs) - val
        splits, note = {"train": renamed(pairs[:cut], "train"), "val": renamed(pairs[cut:], "val")}, LAST_FIFTH
    for pairs in splits.values():
        for pair in pairs:
            folders = [path.parent for path in (pair.image, pair.label) if path is not None]
            places += [folder for folder in folders if root in folder.parents]
    filled = {split: tuple(pairs) for split, pairs in splits.items() if pairs}
    return named_dataset(root, filled, places, note=note)


def renamed(pairs: list[Pair], split: str) -> list[Pair]:
    """Return the pairs with the names of a split."""
    return [Pair(f"{split}{pair.name}", pair.image, pair.label, pair.sequence) for pair in pairs]


def read_list(path: Path, split: str, finder: Finder) -> list[Pair]:
    """Return the pairs in a list."""
    pairs: dict[Path, Pair] = {}
    for number, text in enumerate(read_lines(path), 1):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        ways = list(halves(line))
        if not ways and split == "test":
            ways = [(line.strip("\"'"), "")]
        if not ways:
            if number == 1:
                continue  # a header
            raise DatasetError(f"{where} is {line!r}; expected an image and its mask, a space, tab or comma between")
        found = [(finder.find(image, path.parent), mask) for image, mask in ways]
        image, mask = next(((image, mask) for image, mask in found if image is not None), (None, ""))
        if image is None:
            raise DatasetError(f"{where}: there is no image {ways[0][0]!r}; take the line out or add the image")
        if image in pairs:
            raise DatasetError(f"{where}: {image.name!r} is there a second time; take one line out")
        label = finder.find(mask, path.parent) or finder.root / mask if mask else None
        name = image.relative_to(finder.root) if finder.root in image.parents else Path(image.name)
        pairs[image] = Pair(f"{split}/{composed(name.with_suffix('').as_posix())}", image, label, "")
    return [Pair(pair.name, pair.image, pair.label, sequence_of(pair.name)) for pair in pairs.values()]
