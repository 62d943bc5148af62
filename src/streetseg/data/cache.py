"""The cache of a split: decoded frames and label maps as raw bytes in one file that is mapped into memory.

The file holds, in this order:

- the samples: each frame, followed by its label map;
- a JSON index: the samples' names, sizes and CRC-32, and the fingerprint of the files that they were made from;
- the index's CRC-32 (4 bytes, little-endian) and length (8 bytes), and MAGIC.

The file gets its name only when it is complete. If the process is killed before, there is no cache.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from streetseg.data.pairs import Dataset, Pair, read_ahead
from streetseg.errors import DatasetError
from streetseg.progress import Progress, silent
from streetseg.runtime.files import locked, make_folder, remove_left_behind, write_whole

MAGIC = b"streetseg cache 2\n"
FOLDER = ".cache"  # hidden, so that no dataset takes it for its own file


class Cache:
    """The decoded samples of a split, in the order of its pairs; `names` are the pairs' names."""

    def __init__(self, path: Path, index: dict[str, Any]) -> None:
        self.path = path
        self.names: tuple[str, ...] = tuple(index["names"])
        self.sizes: list[tuple[int, int]] = [(height, width) for height, width in index["sizes"]]
        self.starts = list(accumulate((4 * height * width for height, width in self.sizes), initial=0))
        self.checksums: list[int] = index["checksums"]
        self.checked = [False] * len(self.names)
        self.bytes = np.memmap(path, np.uint8, "r").view(np.ndarray)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Return frame i, H x W x 3 uint8, and its label map, H x W uint8 with IGNORE: read-only views of the file.

        The first read of a sample compares its checksum. DatasetError if the file is damaged.
        """
        height, width = self.sizes[i]
        sample = self.bytes[self.starts[i] : self.starts[i] + 4 * height * width]
        if not self.checked[i]:
            if zlib.crc32(sample.data) != self.checksums[i]:
                raise DatasetError(f"{self.path} is damaged at {self.names[i]}; delete it to have it written again")
            self.checked[i] = True
        pixels = height * width
        return sample[: 3 * pixels].reshape(height, width, 3), sample[3 * pixels :].reshape(height, width)


def open_cache(
    dataset: Dataset,
    split: str,
    short_side: int,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Cache:
    """Open the cache of a split. Decode the split first if it has no cache or one of its files has changed.

    If several processes open the same cache at once, one decodes and the others wait.

    Args:
        dataset: The dataset.
        split: A split, as `Dataset.pairs` takes it.
        short_side: Larger frames and label maps are reduced to this short side in pixels (see `Dataset.read`).
        folder: Where the cache is kept; None: .cache/ in the dataset's folder.
        progress: Shows how many pairs have been decoded.

    Raises:
        DatasetError: A sample cannot be used.
        OutputError: The folder cannot be written to.
    """
    pairs = dataset.pairs(split)
    place = hashlib.sha256(str(dataset.root.resolve()).encode(errors="surrogateescape")).hexdigest()[:8]
    name = re.sub(r"\W", "-", f"{dataset.name}-{split}-{short_side}-{place}")
    path = (folder or dataset.root / FOLDER) / f"{name}.cache"
    fingerprint = fingerprint_of(dataset, pairs, short_side)
    index = read_index(path, fingerprint)
    if index is None:
        make_folder(path.parent)
        with locked(path.with_suffix(".lock"), path, "choose another folder (--cache)"):
            index = read_index(path, fingerprint)  # another process may have written it meanwhile
            if index is None:
                remove_left_behind(path)
                decoded = read_ahead(lambda pair: dataset.read(pair, short_side), pairs)
                samples = zip(progress(pairs, "pair"), decoded, strict=True)
                write_whole(path, lambda temporary: write_cache(temporary, samples, fingerprint), durable=True)
                index = read_index(path, fingerprint)
                assert index is not None
    return Cache(path, index)


def fingerprint_of(dataset: Dataset, pairs: tuple[Pair, ...], short_side: int) -> str:
    """Return a hash that changes with the files' sizes and times, the classes and the version of this package."""
    files = [path for pair in pairs for path in (pair.image, pair.label) if path]
    files += [*([dataset.class_file] if dataset.class_file else []), *dataset.sources]
    files = list(dict.fromkeys(files))  # pairs may share a label file
    try:
        stats = [path.stat() for path in files]
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read: {error.strerror}; run streetseg data check for a list of all problems"
        ) from None
    sources = [
        version("streetseg"),
        dataset.name,
        dataset.labels.names,
        short_side,
        [(pair.name, pair.entry) for pair in pairs],
        [(stat.st_size, stat.st_mtime_ns) for stat in stats],
    ]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def write_cache(path: Path, samples: Iterable[tuple[Pair, tuple[np.ndarray, np.ndarray]]], fingerprint: str) -> None:
    """Write the samples and their index."""
    names, sizes, checksums = [], [], []
    with path.open("wb") as file:
        for pair, (frame, label) in samples:
            sample = frame.tobytes() + label.tobytes()
            file.write(sample)
            names.append(pair.name)
            sizes.append(label.shape)
            checksums.append(zlib.crc32(sample))
        index = {"fingerprint": fingerprint, "names": names, "sizes": sizes, "checksums": checksums}
        text = json.dumps(index).encode()
        file.write(text + zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(8, "little") + MAGIC)


def read_index(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return the index of a cache; None if there is none, it is incomplete, or it was made from other files."""
    try:
        with path.open("rb") as file:
            index = parse_index(file)
    except (OSError, ValueError):
        return None
    return index if index["fingerprint"] == fingerprint else None


def parse_index(file: BinaryIO) -> dict[str, Any]:
    """Return the index at the end of a cache file; ValueError or OSError if there is none."""
    file.seek(-len(MAGIC) - 12, 2)
    checksum, length = int.from_bytes(file.read(4), "little"), int.from_bytes(file.read(8), "little")
    if file.read() != MAGIC:
        raise ValueError("no cache")
    end = file.seek(-len(MAGIC) - 12 - length, 2)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise ValueError("a damaged index")
    index: dict[str, Any] = json.loads(text)
    if end != sum(4 * height * width for height, width in index["sizes"]):
        raise ValueError("not the size that the index says")
    return index
