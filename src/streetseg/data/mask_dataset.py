"""Make a dataset of folders of images and masks, whatever the layout: pair files, choose splits, find the classes.

The classes are those of the files beside the data. Without one they are the publisher's, if the layout is a published
one. Names of masks may tell too: *_labelIds and *_labelTrainIds are Cityscapes' values.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streetseg.data.cityscapes_classes import LABEL_IDS, LABELS, TRAIN_IDS
from streetseg.data.class_files import class_files, find_classes
from streetseg.data.classes_yaml import CLASSES_FILE
from streetseg.data.frame_lists import below, sequence_of, split_names
from streetseg.data.mask_contents import contents_of, describe_colours, describe_values
from streetseg.data.mask_folders import FolderPair, images_and_masks
from streetseg.data.mask_names import match
from streetseg.data.own_classes import OwnClasses, decoder, label_space_of, mask_reader, plain, published
from streetseg.data.pairs import Dataset, LabelSpace, Pair, from_file
from streetseg.errors import DatasetError

LOOKED_AT = 24  # masks that tell what colours or values are to be named
CITYSCAPES_ENDINGS = ((("labelids",), LABEL_IDS, "labelIds"), (("trainids", "trainid"), TRAIN_IDS, "trainIds"))
TERMS = "Trained on its maker's own data; ask them for its terms."


@dataclass(frozen=True)
class Publisher:
    """What is known about a published dataset; it counts where no file beside the data names other classes.

    Attributes:
        name: The dataset's name.
        classes: Its classes and their values in masks.
        terms: Its terms of use.
        limits: What weights trained on it have never seen.
        agrees: Returns True if a class file has the publisher's own classes.
    """

    name: str
    classes: OwnClasses
    terms: str
    limits: tuple[str, ...] = ()
    agrees: Callable[[OwnClasses], bool] = lambda classes: False


class UnnamedClassesError(DatasetError):
    """A folder of images and masks without a file that names the classes. `dataset` has its pairs and no class."""

    def __init__(self, dataset: Dataset) -> None:
        pairs = [pair for pairs in dataset.splits.values() for pair in pairs if pair.label is not None]
        contents = contents_of(dataset, pairs[:: max(1, len(pairs) // LOOKED_AT)])
        colours, values = describe_colours(contents.colours), describe_values(contents.values)
        held = f"the colours {colours}" if contents.colours else f"the values {values}" if contents.values else ""
        super().__init__(
            f"{dataset.root} has no file that names the classes{f'; its masks hold {held}' if held else ''}; "
            f"run streetseg data init {shlex.quote(str(dataset.root))} to write {CLASSES_FILE}, and name them there"
        )
        self.dataset = dataset


@dataclass
class Files:
    """Images and masks by the images' names.

    Attributes:
        frames: Name -> image.
        labels: Name -> mask, of the images that have one.
        expected: Name -> the mask that is looked for, of every image.
        places: Folders that may hold class files, the first one first.
    """

    frames: dict[str, Path] = field(default_factory=dict)
    labels: dict[str, Path] = field(default_factory=dict)
    expected: dict[str, Path] = field(default_factory=dict)
    places: list[Path] = field(default_factory=list)


def gather(root: Path, folders: Iterable[FolderPair]) -> Files:
    """Return the images and masks of some folders; DatasetError if two of them have one name."""
    files = Files(places=[root])
    for pair in folders:
        frames, masks = images_and_masks(pair)
        found = match(frames, masks)
        ending = ending_of(found)
        for name, path in frames.items():
            if pair.before + name in files.frames:
                raise DatasetError(
                    f"{files.frames[pair.before + name]} and {path} have one name, which is ambiguous; rename one"
                )
            files.frames[pair.before + name] = path
            files.expected[pair.before + name] = found.get(name, pair.masks / f"{name}{ending}")
        files.labels |= {pair.before + name: path for name, path in found.items()}
        for folder in (pair.images, pair.masks):
            files.places += [above for above in (folder, *folder.parents) if root in above.parents]
    return files


def ending_of(found: dict[str, Path]) -> str:
    """Return what most masks have after their frames' names, with the suffix; ".png" if there are none."""
    endings = Counter(
        path.name[len(stem) :] for name, path in found.items() if path.name.startswith(stem := name.rpartition("/")[2])
    )
    return endings.most_common(1)[0][0] if endings else ".png"


def folders_dataset(
    root: Path,
    folders: Iterable[FolderPair],
    lists: dict[str, Path] | None = None,
    publisher: Publisher | None = None,
    skip_unlabelled: bool = False,
) -> Dataset:
    """Return the dataset of some folders.

    Args:
        root: The dataset's folder.
        folders: Images and their masks.
        lists: Split -> the file that lists it.
        publisher: What is known about a published dataset.
        skip_unlabelled: Leave out frames without a mask. A split without any mask stays whole, so that the error names
            it.

    Raises:
        DatasetError: A class file or list is wrong, class files contradict each other, or names are ambiguous.
        UnnamedClassesError: Nothing names the classes.
    """
    files = gather(root, folders)
    unlabelled = files.frames.keys() - files.labels.keys() if skip_unlabelled else set()
    names, note = split_names(files.frames, lists or {}, unlabelled)
    used = {name for members in names.values() for name in members}
    if count := len(unlabelled - used):
        note = joined(note, f"{count} of {len(files.frames)} frames have no mask, because nobody drew on them, and are "
                      "left out")  # fmt: skip
    splits = {}
    for split, members in names.items():
        pairs = []
        for name in members:
            withheld = split == "test" and name not in files.labels
            label = None if withheld else files.expected[name]
            pairs.append(Pair(below(split, name), files.frames[name], label, sequence_of(name)))
        splits[split] = tuple(pairs)
    left_out = tuple(path for name, path in files.labels.items() if name not in used)
    return named_dataset(root, splits, files.places, note=note, left_out=left_out, publisher=publisher)


def named_dataset(
    root: Path,
    splits: dict[str, tuple[Pair, ...]],
    places: Iterable[Path],
    *,
    note: str = "",
    left_out: tuple[Path, ...] = (),
    publisher: Publisher | None = None,
) -> Dataset:
    """Return the dataset of some pairs; files in `places` name the classes.

    Raises:
        DatasetError: A class file is wrong, or class files contradict each other.
        UnnamedClassesError: Nothing names the classes.
    """
    masks = [pair.label for pairs in splits.values() for pair in pairs if pair.label is not None]
    places = list(dict.fromkeys(places))
    classes, terms, name = find_classes(places, masks), TERMS, root.resolve().name
    limits: tuple[str, ...] = ()
    if publisher is not None and (classes is None or publisher.agrees(classes)):
        classes, terms, limits, name = publisher.classes, publisher.terms, publisher.limits, publisher.name
    classes = classes or by_names_of(masks)
    if classes is None:
        empty = Dataset(name, root, LabelSpace((), ()), splits, undecided, terms, note=note, left_out=left_out)
        raise UnnamedClassesError(empty)
    note = joined(note, classes.note)
    dataset = Dataset(name, root, label_space_of(classes), splits, decoder(classes), terms, limits, note=note)
    return dataclasses.replace(
        dataset,
        limits=(*limits, *filter(None, [note])),
        load=from_file(mask_reader(classes)),
        class_file=classes.path,
        left_out=left_out,
        sources=tuple(path for path in class_files(places) if path != classes.path),
    )


def by_names_of(masks: list[Path]) -> OwnClasses | None:
    """Return Cityscapes' classes if the masks are called by its kinds of values; None otherwise."""
    for endings, values, kind in CITYSCAPES_ENDINGS:
        if masks and all(plain(path.stem).endswith(endings) for path in masks):
            note = f"the masks are called *{kind}, so their values are read as Cityscapes' 19 classes"
            return published(values, LABELS, note=f"{note}; a {CLASSES_FILE} could say otherwise")
    return None


def undecided(pixels: np.ndarray) -> np.ndarray:
    """Refuse to decode: the classes have no names yet."""
    raise ValueError("the classes have no names yet")


def joined(*notes: str) -> str:
    """Return the notes that say something as one."""
    return "; ".join(filter(None, notes))
