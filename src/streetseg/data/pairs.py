"""A dataset: pairs of paths, and the label space, which defines the classes.

Training and evaluation read every dataset through this file and know no dataset by name. In memory, a label map is
always H x W uint8 with class indices from 0 and `IGNORE` (255) for pixels that do not count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from streetseg.data.mask_files import read_pixels
from streetseg.errors import DatasetError, StreetsegError
from streetseg.runtime.documents import read_text
from streetseg.runtime.frames import read_frame, resize

T = TypeVar("T")
Source = TypeVar("Source")

IGNORE = 255
LONGEST_LIST = 2**30  # bytes of a list of frames
SHOWN = 10  # names in an error, at most
AHEAD = 8  # decoded samples in memory, at most: two for each thread


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a dataset, in the order of their indices."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Pair:
    """One frame and where its label is.

    Attributes:
        name: Its name, unique in the dataset.
        image: The frame's file.
        label: The file that holds its label; None if the split is published without labels. Several pairs may share
            one: a COCO JSON holds the labels of all frames of a split.
        sequence: The drive that it was taken from.
        entry: The frame's entry in a label file that pairs share, for messages; "" if the file is its own.
    """

    name: str
    image: Path
    label: Path | None
    sequence: str
    entry: str = ""

    @property
    def label_place(self) -> str:
        """Return the label's place in words: its file, and the entry if pairs share the file."""
        return f"{self.label}, {self.entry}" if self.entry else str(self.label)


def from_file(read: Callable[[Path], np.ndarray]) -> Callable[[Pair], np.ndarray]:
    """Return a `Dataset.load` for labels that are one file each: it calls `read` with a pair's label file."""

    def load(pair: Pair) -> np.ndarray:
        assert pair.label is not None
        return read(pair.label)

    return load


read_label_file = from_file(read_pixels)


def as_loaded(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels as they are: a `Dataset.decode` where `load` returns class indices already."""
    return pixels


@dataclass(frozen=True)
class Dataset:
    """A dataset on disk.

    Attributes:
        name: Its name.
        root: Its folder.
        labels: Its classes.
        splits: Split -> its pairs. `pairs` also understands derived splits.
        decode: Turns what `load` returns into class indices and IGNORE; ValueError for an unknown value.
        terms: The data's terms of use, for the card of weights trained on it.
        limits: What such weights have never seen, for the same card.
        load: Returns the pixels of a pair's label for `decode`. By default it reads the label file as an image;
            `from_file` makes it of a function that takes the file. ValueError for a label that cannot be used.
        class_file: The file that defines the dataset's classes, if it has one.
        sources: Further files that labels depend on, other than `class_file` and the pairs' own files.
        note: Decisions about the data that its folder leaves open; may be empty.
        server_values: The value of each class for the benchmark's test server; empty if there is none.
        left_out: Label files of images that are in no split.
        kind: Its key in `datasets.DATASETS`; `name` may be the same for two kinds.
    """

    name: str
    root: Path
    labels: LabelSpace
    splits: dict[str, tuple[Pair, ...]]
    decode: Callable[[np.ndarray], np.ndarray]
    terms: str
    limits: tuple[str, ...] = ()
    load: Callable[[Pair], np.ndarray] = read_label_file
    class_file: Path | None = None
    note: str = ""
    server_values: tuple[int, ...] = ()
    left_out: tuple[Path, ...] = ()
    kind: str = ""
    sources: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        """Return name, folder, number of classes, and frames of each split in one line."""
        splits = ", ".join(f"{split} {len(pairs)}" for split, pairs in self.splits.items())
        return f"<Dataset: {self.name} in {self.root}, {len(self.labels.names)} classes; frames: {splits}>"

    def pairs(self, split: str) -> tuple[Pair, ...]:
        """Return the pairs of a split.

        Args:
            split: A key of `splits`; "trainval" (train and val); "only:SEQUENCE" or "without:SEQUENCE", the frames of
                trainval that are, or are not, of that sequence. To evaluate on a left-out sequence S, train on
                "without:S" and evaluate on "only:S".

        Returns:
            The pairs, at least one.

        Raises:
            DatasetError: There is no such split, or it is empty.
        """
        both = self.splits.get("train", ()) + self.splits.get("val", ())
        kind, _, sequence = split.partition(":")
        sequences = sorted({pair.sequence for pair in both})
        if split in self.splits:
            pairs = self.splits[split]
        elif split == "trainval":
            pairs = both
        elif kind in ("only", "without") and sequence in sequences:
            pairs = tuple(pair for pair in both if (pair.sequence == sequence) == (kind == "only"))
        else:
            raise DatasetError(
                f"{self.root} ({self.name}) has no split {split!r}; there are {', '.join(self.splits)}, trainval, "
                f"and only:SEQUENCE or without:SEQUENCE for the sequences {', '.join(sequences[:SHOWN])}"
                + (f" and {len(sequences) - SHOWN} more" if len(sequences) > SHOWN else "")
            )
        if not pairs:
            raise DatasetError(f"{self.root} ({self.name}) has no frames in split {split!r}")
        return pairs

    def unlabelled(self, split: str) -> DatasetError:
        """Return the error about a split without a pixel of any class.

        Args:
            split: Its name.

        Returns:
            The error, to be raised.
        """
        return DatasetError(
            f"{self.root} ({self.name}) has no labelled pixel in split {split!r}; label some, or choose another split"
        )

    def read_label(self, pair: Pair) -> np.ndarray:
        """Return the label map of a pair.

        Args:
            pair: A pair of this dataset.

        Returns:
            H x W uint8, class indices; 255 for pixels that do not count.

        Raises:
            DatasetError: The pair has no label, or its file cannot be used.
        """
        if pair.label is None:
            raise DatasetError(
                f"{pair.image} has no label, as in published test splits; choose another split, or add labels"
            )
        try:
            pixels = self.load(pair)
        except FileNotFoundError:
            raise DatasetError(f"{pair.image} has no label: {pair.label} is missing") from None
        except StreetsegError:
            raise
        except Exception as error:  # damaged files make decoders raise any kind of error
            raise DatasetError(f"{pair.label_place} cannot be read as a label image: {error}") from None
        try:
            return self.decode(pixels)
        except ValueError as error:
            raise DatasetError(f"{pair.label_place}: {error}") from None

    def read(self, pair: Pair, short_side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a pair's frame and label map, reduced to a short side.

        Args:
            pair: A pair of this dataset.
            short_side: Pixels; a longer short side is reduced to it, a shorter one stays.

        Returns:
            The frame, H x W x 3 uint8 RGB, and its label map, H x W uint8.
        """
        frame, label = read_frame(pair.image), self.read_label(pair)
        check_sizes(pair, frame, label)
        height, width = label.shape
        size = reduced_size((height, width), short_side)
        return resize(frame, size), label if size == label.shape else nearest(label, size)


def read_ahead(
    read: Callable[[Source], T], sources: Iterable[Source], threads: int = 4, ahead: int = AHEAD
) -> Generator[T, None, None]:
    """Yield `read(source)` of each source in order. Threads read at most `ahead` sources in advance."""
    reading: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for source in sources:
                reading.append(pool.submit(read, source))
                if len(reading) > ahead:
                    yield reading.popleft().result()
            while reading:
                yield reading.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file of a dataset; DatasetError if it cannot be read as text."""
    try:
        return read_text(path, LONGEST_LIST).splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as text: {error}") from None


def indexed_labels(meaning: dict[int, int], rest: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return a decoder for label files with one channel: pixel value -> class index or IGNORE.

    `rest` is what every other value becomes; None: another value is an error. Pixels may be of any kind of number.
    """
    table = np.full(256, -1 if rest is None else rest, np.int16)
    table[list(meaning)] = list(meaning.values())
    classes = ranges([value for value, index in meaning.items() if index != IGNORE])
    void = ", ".join(str(value) for value, index in sorted(meaning.items()) if index == IGNORE)
    allowed = f"allowed are {classes}" + (f", and {void} for void" if void else "")

    def decode(pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim != 2:
            raise ValueError(f"expected one channel of class indices, got an image of shape {pixels.shape}")
        if pixels.dtype != np.uint8:
            outside = (pixels < 0) | (pixels > 255) | (pixels != np.floor(pixels))
            if outside.any() and rest is None:
                raise ValueError(f"pixel value {pixels[outside][0]:g} is not a class index; {allowed}")
            decoded = table[np.where(outside, 0, pixels).astype(np.uint8)]
            decoded[outside] = table[0] if rest is None else rest
        else:
            decoded = table[pixels]
        if decoded.min(initial=0) < 0:
            wrong = int(pixels[decoded < 0][0])
            raise ValueError(f"pixel value {wrong} is not a class index; {allowed}")
        indices: np.ndarray = decoded.astype(np.uint8)
        return indices

    return decode


def ranges(values: list[int]) -> str:
    """Return numbers as text: "0 to 10, 13"."""
    starts = [value for value in sorted(values) if value - 1 not in values]
    ends = [value for value in sorted(values) if value + 1 not in values]
    return ", ".join(f"{a} to {b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True))


def coloured_labels(
    colours: dict[tuple[int, int, int], int], rest: int | None = None, nearest: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a decoder for label files that code classes as RGB colours: colour -> class index or IGNORE.

    `rest` is what every other colour becomes; None: another colour is an error. With `nearest`, another colour becomes
    what the nearest one is.
    """
    codes = np.array([(r << 16) | (g << 8) | b for r, g, b in colours], np.uint32)
    order = np.argsort(codes)
    codes, indices = codes[order], np.array(list(colours.values()), np.uint8)[order]

    def decode(pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim != 3 or pixels.shape[2] < 3 or pixels.dtype != np.uint8:
            raise ValueError(f"expected 8-bit RGB colours, got {pixels.dtype} of shape {pixels.shape}")
        rgb = pixels[..., :3].astype(np.uint32)
        packed = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
        at = np.minimum(np.searchsorted(codes, packed), len(codes) - 1)
        unknown = codes[at] != packed
        decoded: np.ndarray = indices[at]
        if unknown.any():
            if nearest:
                others, inverse = np.unique(pixels[unknown][:, :3], axis=0, return_inverse=True)
                decoded[unknown] = indices[closest(codes, others)][inverse.ravel()]
            elif rest is not None:
                decoded[unknown] = rest
            else:
                wrong = tuple(int(v) for v in pixels[unknown][0][:3])
                raise ValueError(f"colour {wrong} stands for no class; name its class in classes.yaml")
        return decoded

    return decode


def closest(codes: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the place of the nearest code for each of N x 3 colours; a code is red, green and blue in one number."""
    wanted = colours.astype(np.int32)
    place = np.zeros(len(wanted), np.intp)
    least = np.full(len(wanted), np.iinfo(np.int32).max)
    for i, code in enumerate(codes.tolist()):
        distance = np.square(wanted - (code >> 16, code >> 8 & 255, code & 255)).sum(-1)
        nearer = distance < least
        place[nearer], least[nearer] = i, distance[nearer]
    return place


def distinct_colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return colours for classes without colours: PASCAL VOC's palette after its black.

    The bits of a class's number go to red, green and blue in turn, the lowest bits to the highest bits of the colours.
    """
    numbers = np.arange(1, count + 1)[:, None]
    bits = sum(((numbers >> (3 * place + np.arange(3))) & 1) << (7 - place) for place in range(8))
    return tuple((int(red), int(green), int(blue)) for red, green, blue in np.asarray(bits))


def check_sizes(pair: Pair, frame: np.ndarray, label: np.ndarray) -> None:
    """Raise DatasetError if a label map does not have its frame's size."""
    if frame.shape[:2] != label.shape:
        raise DatasetError(
            f"{pair.label_place} is {label.shape[1]} x {label.shape[0]}, its image {pair.image.name} is "
            f"{frame.shape[1]} x {frame.shape[0]}; both must have one size"
            + (" after the image is turned by its EXIF orientation" if frame.shape[:2] == label.shape[::-1] else "")
        )


def readable(name: str) -> str:
    """Return a file's name as valid text: bytes that are not UTF-8 become question marks."""
    return name.encode(errors="replace").decode()


def reduced_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return height and width, reduced in proportion if the short side is longer than `short_side`."""
    ratio = min(1.0, short_side / min(size))
    return round(size[0] * ratio), round(size[1] * ratio)


def nearest(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the label map at another size; each pixel takes the class of the nearest one."""
    rows = ((np.arange(size[0]) + 0.5) * label.shape[0] / size[0]).astype(np.intp)
    columns = ((np.arange(size[1]) + 0.5) * label.shape[1] / size[1]).astype(np.intp)
    reduced: np.ndarray = label[rows[:, None], columns]
    return reduced
