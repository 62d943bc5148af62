"""Evaluation reads classes by name, and refuses what cannot be judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.data.table import open_dataset
from streetseg.errors import DatasetError
from streetseg.measure.evaluate import evaluate


def test_classes_are_matched_by_name(camvid: Path) -> None:
    """A predictor that is right but counts the classes backwards scores 1."""
    dataset = open_dataset(camvid)
    names = dataset.labels.names[::-1]
    labels = iter([dataset.read_label(pair) for pair in dataset.pairs("val")])

    def predict(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        label = next(labels)
        return np.where(label == 255, 0, 10 - label).astype(np.uint8)

    result = evaluate(predict, names, dataset, "val")
    assert result.scores.miou == 1
    assert result.frames == 4
    assert result.names == names


def test_other_classes_are_refused(camvid: Path) -> None:
    dataset = open_dataset(camvid)
    with pytest.raises(DatasetError, match="the weights know sky, road"):
        evaluate(lambda frame: frame[..., 0], ("sky", "road"), dataset, "val")


def test_a_split_of_nothing_but_void_is_refused(tmp_path: Path) -> None:
    for folder, value in (("val", 100), ("valannot", 11)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / folder / "0016E5_07959.png")
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="no labelled pixel in split 'val'"):
        evaluate(lambda frame: frame[..., 0] * 0, dataset.labels.names, dataset, "val")


def test_a_split_without_frames_is_refused(camvid: Path) -> None:
    dataset = dataclasses.replace(open_dataset(camvid), splits={"val": ()})
    with pytest.raises(DatasetError, match="no frames in split 'val'"):
        evaluate(lambda frame: frame[..., 0], dataset.labels.names, dataset, "val")
