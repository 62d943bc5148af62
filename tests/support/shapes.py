"""The small street of own_data.py as shapes, and what every format must make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE, Dataset
from tests.support.own_data import HEIGHT, NAMES, WIDTH, street

Corners = list[list[float]]


def box(left: float, top: float, right: float, bottom: float) -> Corners:
    """Return a rectangle's corners, on the borders between pixels."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


# In the order of drawing: the car lies on the road.
OUTLINES: dict[str, Corners] = {
    "sky": box(0, 0, WIDTH, 20),
    "road": box(0, 20, WIDTH, HEIGHT),
    "car": box(10, 26, 30, 40),
}


def flat(corners: Corners) -> list[float]:
    """Return x, y, x, y, ..."""
    return [value for corner in corners for value in corner]


def write_json(content: Any, path: Path) -> Path:
    """Write a JSON file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def assert_street(data: Dataset | Path, **frames: int) -> Dataset:
    """Assert that every label is the street, by the names of the classes, and the number of frames of each split."""
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == frames
    expected = np.array([dataset.labels.names.index(name) for name in NAMES], np.uint8)[street()]
    for pairs in dataset.splits.values():
        for pair in pairs:
            if pair.label is not None:
                frame, label = dataset.read(pair, HEIGHT)
                assert frame.shape[:2] == (HEIGHT, WIDTH)
                np.testing.assert_array_equal(label, expected, err_msg=pair.name)
    return dataset


def shares(dataset: Dataset, split: str = "train") -> dict[str, float]:
    """Return the share of each class, and of void, in the pixels of a split's first label."""
    label = dataset.read_label(dataset.pairs(split)[0])
    counted = {name: float((label == index).mean()) for index, name in enumerate(dataset.labels.names)}
    return {name: share for name, share in counted.items() if share} | {"void": float((label == IGNORE).mean())}
