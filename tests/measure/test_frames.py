"""Evaluation reads classes by name, decodes once, and refuses what cannot be judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE, Dataset
from streetseg.errors import DatasetError
from streetseg.measure import frames as frames_module
from streetseg.measure.frames import EvaluatedFrame, Predict, evaluate_frames
from streetseg.runtime.frames import read_frame


def right(dataset: Dataset, names: tuple[str, ...]) -> Predict:
    """A predictor that knows the labels of val; index 0 where they are void or none of `names`."""
    labels = iter([dataset.read_label(pair) for pair in dataset.pairs("val")])
    table = np.zeros(256, np.uint8)
    for index, name in enumerate(dataset.labels.names):
        table[index] = names.index(name) if name in names else 0
    return lambda frame: table[next(labels)]


def test_classes_are_matched_by_name(camvid: Path) -> None:
    """A predictor that is right but counts the classes backwards scores 1."""
    dataset = open_dataset(camvid)
    names = dataset.labels.names[::-1]
    result = evaluate_frames(right(dataset, names), names, dataset, "val", trimap_widths=(1,))
    assert result.scores.miou == result.scores.pixel_accuracy == 1
    assert result.frames == 4
    assert result.names == names
    assert result.boundary is not None
    assert np.nanmin(result.boundary.boundary_iou()) == 1


def test_classes_of_one_side_only_are_left_out_or_not_judged(camvid: Path) -> None:
    dataset = open_dataset(camvid)
    names = ("bus", *(name for name in dataset.labels.names if name not in ("road", "sky")))
    result = evaluate_frames(right(dataset, names), names, dataset, "val")
    assert result.left_out == ("sky", "road")
    assert result.judged.tolist() == [False] + [True] * 9
    assert result.scores.miou == 1
    assert np.isnan(result.scores.iou[0])
    labels = np.stack([dataset.read_label(pair) for pair in dataset.pairs("val")])
    uncounted = np.isin(labels, [IGNORE, *(dataset.labels.names.index(name) for name in result.left_out)])
    assert (result.uncounted, result.pixels) == (uncounted.sum(), (~uncounted).sum())


def test_each_frame_is_decoded_once_and_its_matrix_kept(camvid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, read, seen = open_dataset(camvid), [], []
    real = read_frame

    def counting(path: Path) -> NDArray[np.uint8]:
        read.append(path)
        return real(path)

    def watch(frame: EvaluatedFrame) -> None:
        seen.append((frame.name, frame.scores.miou))
        np.testing.assert_array_equal(frame.prediction, 1)

    monkeypatch.setattr(frames_module, "read_frame", counting)
    ones = evaluate_frames(lambda frame: np.ones_like(frame[..., 0]), dataset.labels.names, dataset, "val", watch=watch)
    assert read == [pair.image for pair in dataset.pairs("val")]
    assert seen == [(score.name, score.miou) for score in ones.frame_scores]
    total = np.zeros_like(ones.matrix)
    for score in ones.frame_scores:
        true, predicted, pixels = score.cells.T
        total[true, predicted] += pixels
    np.testing.assert_array_equal(total, ones.matrix)


def test_classes_without_any_in_common_are_refused(camvid: Path) -> None:
    with pytest.raises(DatasetError, match=r"the weights know bus, train; .* share a class"):
        evaluate_frames(lambda frame: frame[..., 0], ("bus", "train"), open_dataset(camvid), "val")


def test_a_split_of_nothing_but_void_is_refused(tmp_path: Path) -> None:
    for folder, value in (("val", 100), ("valannot", 11)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / folder / "0016E5_07959.png")
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="no labelled pixel in split 'val'"):
        evaluate_frames(lambda frame: frame[..., 0] * 0, dataset.labels.names, dataset, "val")


def test_a_split_without_frames_is_refused(camvid: Path) -> None:
    dataset = dataclasses.replace(open_dataset(camvid), splits={"val": ()})
    with pytest.raises(DatasetError, match="no frames in split 'val'"):
        evaluate_frames(lambda frame: frame[..., 0], dataset.labels.names, dataset, "val")
