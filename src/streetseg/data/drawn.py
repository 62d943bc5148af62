"""Datasets whose labels are shapes (polygons, run-length masks, bitmaps) instead of mask files.

What all such formats share is decided here:

- Shapes are drawn in the order of their file, the later ones over the earlier ones (see polygons.py).
- Pixels that no shape covers are void. If the data or a classes.yaml beside it has a class "background", they are that.
- A classes.yaml beside the data wins: its classes, in its order; labels that it lacks do not count.
- A frame that nobody drew on is left out, unless uncovered pixels are a class and its label exists.
- Splits are given by the format, or by folders (train/, val/, test/), or by lists; else the last fifth is val.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.data.folder_names import SPLITS, meaning_of
from streetseg.data.frame_lists import below, find_lists, sequence_of, split_names, without
from streetseg.data.mask_dataset import TERMS
from streetseg.data.pairs import IGNORE, Dataset, Pair, as_loaded
from streetseg.data.polygons import Area, Faulty, draw
from streetseg.data.shape_classes import ShapeClasses
from streetseg.errors import DatasetError
from streetseg.runtime.frames import orientation_of

Size = tuple[int, int]
# Folders that hold a dataset's images and say nothing about them.
CONTAINERS = {
    "images",
    "image",
    "img",
    "imgs",
    "jpegimages",
    "data",
    "default",
    "frames",
    "obj_train_data",
    ".cache",
    "labelme",
}
ORDER = "later shapes are drawn over earlier ones"


@dataclass(frozen=True)
class Shapes:
    """The shapes of a frame in the order of drawing, each with its label's name; `size` None: the image's own size."""

    size: Size | None
    areas: tuple[tuple[str, Area], ...]


@dataclass(frozen=True)
class Drawing:
    """A frame and where its shapes are.

    Attributes:
        image: The frame's file.
        label: The file with its shapes; None: it has none, because nobody drew on it.
        read: Returns the shapes; ValueError if they cannot be used.
        split: train, val or test; None: its folder may say so.
        entry: The frame's entry in `label` if frames share that file.
        empty: True if it is known that no shape is drawn.
        expected: The suffix of the file beside the image that would have its shapes, for messages.
    """

    image: Path
    label: Path | None
    read: Callable[[], Shapes]
    split: str | None = None
    entry: str = ""
    empty: bool = False
    expected: str = ".json"


def drawn_dataset(
    root: Path,
    drawings: Sequence[Drawing],
    classes: ShapeClasses,
    notes: Iterable[str] = (),
    sources: Iterable[Path] = (),
) -> Dataset:
    """Return the dataset of drawings.

    Args:
        root: The dataset's folder.
        drawings: Its frames.
        classes: Its classes.
        notes: Decisions that the files leave open.
        sources: Files that labels depend on, other than the labels' own and the file of the classes.
    """
    names = names_of(root, drawings)
    by_name = dict(zip(names, drawings, strict=True))
    counted = classes.uncovered < len(classes.labels.names)
    bare = {name for name, one in by_name.items() if one.label is None or (one.empty and not counted)}
    given = {name: one.split or folder_split(root, one.image) for name, one in by_name.items()}
    if any(given.values()):
        members = {split: [name for name in names if given[name] == split] for split in SPLITS}
        splits = {split: of if split == "test" else without(of, bare) for split, of in members.items()}
        outside = sum(split is None for split in given.values())
        note = f"{outside} of {len(names)} images are in none of train/, val/, test/ and are left out" * (outside > 0)
    else:
        splits, note = split_names(names, find_lists(root), bare)
    used = {name for members in splits.values() for name in members}
    undrawn = len(bare - used)
    left_out = f"{undrawn} of {len(names)} frames have no shape and are left out" * (undrawn > 0)
    decisions = "; ".join(filter(None, [note, left_out, *notes]))
    text = "; ".join(filter(None, [decisions, ORDER, classes.note]))
    pairs = {
        split: tuple(pair_of(split, name, by_name[name]) for name in members)
        for split, members in splits.items()
        if members
    }
    by_image = {drawing.image: drawing for drawing in drawings}

    def load(pair: Pair) -> np.ndarray:
        try:
            shapes = by_image[pair.image].read()
            size = shapes.size or image_size(pair.image)
            values = ((value_of(name, area, classes), area) for name, area in shapes.areas)
            return draw(size, values, classes.uncovered)
        except ValueError as error:
            raise DatasetError(f"{pair.label_place}: {error}") from None

    return Dataset(
        root.resolve().name, root, classes.labels, pairs, as_loaded, TERMS, (decisions,) if decisions else (),
        load=load, class_file=classes.path, note=text, sources=tuple(sources),
    )  # fmt: skip


def value_of(name: str, area: Area, classes: ShapeClasses) -> int:
    """Return the value of a shape; a faulty one, which says what is wrong when it is painted, may have no label."""
    return IGNORE if isinstance(area, Faulty) else classes.index(name)


def pair_of(split: str, name: str, drawing: Drawing) -> Pair:
    """Return the pair of a drawing."""
    bare = split == "test" and drawing.label is None
    label = None if bare else drawing.label or drawing.image.with_suffix(drawing.expected)
    return Pair(below(split, name), drawing.image, label, sequence_of(name), drawing.entry)


def names_of(root: Path, drawings: Sequence[Drawing]) -> list[str]:
    """Return a distinct name for each frame: its path without folders that say nothing and without its suffix."""
    paths = [drawing.image.relative_to(root) for drawing in drawings]
    short = []
    for path in paths:
        folders = [part for part in path.parts[:-1] if part.lower() not in CONTAINERS and not split_word(part)]
        short.append("/".join([*folders, path.stem]))
    for longer in ([path.with_suffix("").as_posix() for path in paths], [path.as_posix() for path in paths]):
        counts = Counter(short)
        short = [long if counts[name] > 1 else name for name, long in zip(short, longer, strict=True)]
    if len(set(short)) < len(short):
        twice = next(path for path, count in Counter(paths).items() if count > 1)
        raise DatasetError(f"the labels of {root / twice} are given twice; take one away")
    return short


def split_word(word: str) -> str | None:
    """Return the split that a folder's or file's word means: train, val2017, Validation; None if it means none."""
    return meaning_of(word).split


def folder_split(root: Path, image: Path) -> str | None:
    """Return the split that one of an image's folders names; None if there is none."""
    words = map(split_word, image.relative_to(root).parts[:-1])
    return next((word for word in words if word), None)


def image_size(path: Path) -> Size:
    """Return the height and width of an upright image; ValueError if it cannot be read."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            return (width, height) if orientation_of(image) > 4 else (height, width)
    except Exception as error:  # damaged files make decoders raise any kind of error
        raise ValueError(f"the size of {path.name} cannot be read: {error}") from None


def constant(shapes: Shapes) -> Callable[[], Shapes]:
    """Return a `Drawing.read` of shapes that are known."""
    return partial(Shapes, shapes.size, shapes.areas)
