"""A small street in three classes, written into any layout of images and masks, and read back by names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE, Dataset

HEIGHT, WIDTH = 24, 32
NAMES = ("sky", "road", "car")
COLOURS = np.array([(70, 130, 180), (128, 64, 128), (0, 0, 142)], np.uint8)
SPLITS = {"train": range(4), "val": range(4, 6)}


def label() -> np.ndarray:
    """The label map of every frame: 0 sky, 1 road, 2 car."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[10:] = 1
    pixels[12:20, 5:17] = 2
    return pixels


def frame(seed: int) -> np.ndarray:
    """A picture of the label map with noise; another seed is another picture."""
    noise = np.random.default_rng(seed).integers(-8, 8, (HEIGHT, WIDTH, 3))
    plain = np.array([(120, 160, 220), (100, 100, 100), (200, 30, 30)])[label()]
    return (plain + noise).astype(np.uint8)


def save(pixels: np.ndarray, path: Path, palette: bytes | None = None) -> Path:
    """Write an image, with a palette if one is given; make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)
    return path


def write(text: str, path: Path) -> Path:
    """Write a text; make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def pairs_of_files(root: Path, image: str, mask: str, values: np.ndarray | None = None) -> None:
    """Write frames 0 to 3 of train and 4 and 5 of val; `image` and `mask` are patterns with {split} and {i}."""
    masks = label() if values is None else values[label()]
    for split, numbers in SPLITS.items():
        for i in numbers:
            save(frame(i), root / image.format(split=split, i=i))
            save(masks, root / mask.format(split=split, i=i))


def classes(root: Path, names: Sequence[str] = NAMES) -> None:
    """Write classes.yaml with the names alone."""
    write("".join(f"- {name}\n" for name in names), root / "classes.yaml")


def reads(root: Path, kind: str | None = None, names: Sequence[str] = NAMES) -> Dataset:
    """Open a folder of four train and two val frames, and compare every label with `label()` by the classes' names."""
    dataset = open_dataset(root)
    assert kind is None or dataset.kind == kind
    assert {split: len(pairs) for split, pairs in dataset.splits.items() if split != "test"} == {"train": 4, "val": 2}
    compare(dataset, names)
    return dataset


def compare(dataset: Dataset, names: Sequence[str] = NAMES) -> None:
    """Compare every label of train and val with `label()` by the classes' names."""
    wanted = np.array(names)[label()]
    known = np.array([*dataset.labels.names, *[""] * (IGNORE + 1 - len(dataset.labels.names))])
    for pair in dataset.pairs("trainval"):
        np.testing.assert_array_equal(known[dataset.read_label(pair)], wanted)
