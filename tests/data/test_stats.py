"""The figures of a split are those of its pixels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from streetseg.cli import main
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.data.stats import class_weights, dataset_stats
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written")
    write_folder(root, {"train": 4, "val": 2}, size=(48, 64))
    return root


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "town")


def shares_by_hand(dataset: Dataset, split: str) -> np.ndarray:
    labels = np.concatenate([dataset.read_label(pair).ravel() for pair in dataset.pairs(split)])
    return np.array([np.mean(labels[labels != 255] == index) for index in range(len(dataset.labels.names))])


def test_stats_are_those_of_the_pixels(root: Path) -> None:
    dataset = open_dataset(root)
    figures = dataset_stats(dataset)
    frames = np.stack([dataset.read(pair, 360)[0] for pair in dataset.pairs("train")]).astype(float)
    np.testing.assert_allclose(list(figures.shares.values()), shares_by_hand(dataset, "train"), atol=1e-6)
    np.testing.assert_allclose(figures.mean, frames.mean((0, 1, 2)), atol=1e-3)
    np.testing.assert_allclose(figures.std, frames.std((0, 1, 2)), atol=1e-3)
    assert (figures.frames, figures.sizes) == (4, {"64 x 48": 4})
    weights = list(figures.weights[1.0].values())
    expected = 1 / np.log(1.02 + shares_by_hand(dataset, "train"))
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-4)


def test_power_0_weighs_all_alike() -> None:
    assert class_weights(np.array([1, 10, 0]), 0).tolist() == [1, 1, 1]


def test_stats_of_a_broken_dataset_point_to_check(root: Path) -> None:
    for path in ("masks/train/drive_0001.png", "images/train/drive_0002.jpg"):
        content = (root / path).read_bytes()
        (root / path).write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"0001\.png .*\(2 in all: streetseg data check lists them\)"):
        dataset_stats(root)


def test_stats_are_a_result(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats = dataset_stats(root, split="val", dataset="images-masks")
    facts = json.loads(stats.to_json())
    assert list(facts) == ["dataset", "split", "frames", "sizes", "shares", "void", "weights", "mean", "std"]
    assert list(facts["weights"]) == ["1.0", "0.5"]
    assert main(["data", "stats", str(root), "--split", "val", "--json"]) == 0
    assert capsys.readouterr().out == stats.to_json() + "\n"
    assert main(["data", "stats", str(root), "--split", "val"]) == 0
    out = capsys.readouterr().out
    assert out == stats.table() + "\n"
    assert f"{stats.shares['road']:.3%}" in next(line for line in out.splitlines() if line.startswith("road"))
    (root / "masks" / "val" / "drive_0000.png").unlink()
    assert main(["data", "stats", str(root), "--split", "val", "--json"]) == 2
    assert capsys.readouterr().err.startswith("streetseg: ")


def test_a_split_without_a_label_has_no_stats(root: Path) -> None:
    for path in (root / "masks" / "val").iterdir():
        path.unlink()
    (root / "masks" / "val").rmdir()
    (root / "images" / "val").rename(root / "images" / "test")
    with pytest.raises(DatasetError, match="has no labelled pixel in split 'test'"):
        dataset_stats(root, split="test")
