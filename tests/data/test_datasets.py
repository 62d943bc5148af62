"""Every layout is recognised as one dataset and read back; other folders give one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg.data.camvid import LABELS
from streetseg.data.datasets import DATASETS, detect, open_dataset
from streetseg.errors import DatasetError
from streetseg.streets.datasets import (
    LAYOUTS,
    write_camvid_original,
    write_camvid_tutorial,
    write_cityscapes,
    write_folder,
    write_imagenet,
)
from streetseg.streets.scene import Scene, render

pytestmark = pytest.mark.slow

ROAD = LABELS.names.index("road")
SMALL = (90, 120)


LAYOUT_OF = {"images-masks": "folder"}  # dataset -> layout, where they are called otherwise


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render(seed, SMALL) for seed in range(2)]


@pytest.fixture(scope="module", params=[key for key in DATASETS if LAYOUT_OF.get(key, key) in LAYOUTS])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    root = tmp_path_factory.mktemp(request.param)
    LAYOUTS[LAYOUT_OF.get(request.param, request.param)].write(root, {"train": 1, "val": 1}, size=SMALL)
    return request.param, root


def test_every_layout_is_recognised_as_one_and_read(written: tuple[str, Path], scenes: list[Scene]) -> None:
    """Scene 0 is train, scene 1 is val; where the scene has road, so has the label, under its own index."""
    kind, root = written
    assert detect(root) == (root, kind)
    dataset = open_dataset(root)
    assert (len(dataset.pairs("train")), len(dataset.pairs("val"))) == (1, 1)
    assert len(dataset.labels.names) == len(dataset.labels.colours) == len(set(dataset.labels.names))
    road = dataset.labels.names.index("road")
    for seed, pair in enumerate(dataset.pairs("trainval")):
        frame, label = dataset.read(pair, 360)
        scene = scenes[seed]
        assert frame.shape == scene.frame.shape
        assert np.abs(frame.astype(int) - scene.frame).mean() < 12  # a JPEG may lie between
        np.testing.assert_array_equal(label == road, scene.label == ROAD)


@pytest.mark.parametrize("kind", DATASETS)
def test_a_folder_that_is_called_what_it_is_not_is_one_line(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path, kind)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_dataset_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a known dataset: it holds nothing; there is no image in it"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="looked for train/ with trainannot/"):
        open_dataset(tmp_path, "camvid")
    write_cityscapes(tmp_path / "both", {"train": 1}, size=(16, 32))
    write_folder(tmp_path / "both", {"": 2}, size=(16, 32))
    with pytest.raises(DatasetError, match="could be cityscapes or images-masks; choose one with --dataset"):
        open_dataset(tmp_path / "both")
    assert open_dataset(tmp_path / "both", "cityscapes").kind == "cityscapes"
    write_imagenet(tmp_path / "sorted", {"train": 1}, classes=2, size=(16, 32))
    with pytest.raises(DatasetError, match="holds images sorted by class, without label maps"):
        open_dataset(tmp_path / "sorted")
    (tmp_path / "empty" / "leftImg8bit").mkdir(parents=True)
    (tmp_path / "empty" / "gtFine").mkdir()
    with pytest.raises(DatasetError, match="holds no cityscapes frames; looked for leftImg8bit/SPLIT/CITY"):
        open_dataset(tmp_path / "empty")


def test_hidden_files_are_no_frames(tmp_path: Path) -> None:
    """macOS leaves a ._NAME beside each file that it copies to a foreign disk."""
    write_camvid_tutorial(tmp_path / "tutorial", {"train": 1, "val": 1, "test": 1}, size=(16, 32))
    write_camvid_original(tmp_path / "original", {"train": 1, "val": 1, "test": 1}, size=(16, 32))
    write_cityscapes(tmp_path / "cityscapes", {"train": 1}, size=(16, 32))
    for place, name in (("images", "a.jpg"), ("annotations", "a_labelTrainIds.png")):
        folder = tmp_path / "converted" / place / "train2014"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"")
    before = {root: open_dataset(root).splits for root in tmp_path.iterdir()}
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"no picture")
    assert {root: open_dataset(root).splits for root in tmp_path.iterdir()} == before
