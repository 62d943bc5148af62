"""CVAT's export: its labels, its subsets, and one clear line for each mistake."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from streetseg.streets.datasets import (
    write_cvat,
)
from streetseg.streets.scene import render

SMALL = (48, 64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cvat")
    write_cvat(root, {"default": 2}, size=SMALL)
    return root


@pytest.fixture
def cvat(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "cvat")


def test_cvat_masks_may_have_a_palette_and_subsets_may_be_missing(cvat: Path) -> None:
    """CVAT writes a task without subsets as `default`, and some versions write masks with a palette."""
    dataset = open_dataset(cvat)
    assert [pair.name for pair in dataset.pairs("val")] == ["val/default_0001"]
    pair = dataset.pairs("train")[0]
    assert pair.label is not None
    expected = dataset.read_label(pair)
    np.testing.assert_array_equal(expected, render(0, SMALL).label)
    with Image.open(pair.label) as image:
        palette = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    palette.save(pair.label)
    np.testing.assert_array_equal(dataset.read_label(pair), expected)


def test_cvat_background_counts_where_classes_yaml_says_so(cvat: Path) -> None:
    assert "background" not in open_dataset(cvat).labels.names
    assert "what nobody drew on (background) does not count" in open_dataset(cvat).note
    lines = (cvat / "labelmap.txt").read_text().splitlines()[1:]
    entries = [f"- {{name: {line.split(':')[0]}, colour: [{line.split(':')[1]}]}}" for line in lines]
    (cvat / "classes.yaml").write_text("\n".join(entries))
    dataset = open_dataset(cvat)
    assert dataset.labels.names[0] == "background"
    assert "background" not in dataset.note
    assert (dataset.read_label(dataset.pairs("train")[0]) != 255).all()


def test_a_broken_cvat_export_is_one_line(cvat: Path) -> None:
    (cvat / "labelmap.txt").write_text("road:128,64::\n")
    with pytest.raises(DatasetError, match=r"labelmap\.txt, line 1 is 'road:128,64::'; expected NAME:RED,GREEN,BLUE::"):
        open_dataset(cvat)
    (cvat / "labelmap.txt").write_text("background:0,0,0::\nroad:1,2,3::\ntyre:0,0,0::\n")
    with pytest.raises(
        DatasetError, match=r"labelmap\.txt gives colour \(0, 0, 0\) to two classes; each needs its own"
    ):
        open_dataset(cvat)
    (cvat / "labelmap.txt").write_bytes(b"\xff\x00")
    with pytest.raises(DatasetError, match=r"labelmap\.txt cannot be read as text"):
        open_dataset(cvat)
    shutil.rmtree(cvat / "JPEGImages")
    with pytest.raises(DatasetError, match="holds no JPEGImages/; export again with 'Save images' switched on"):
        open_dataset(cvat)


def test_cvat_frames_that_nobody_drew_on_are_left_out(cvat: Path) -> None:
    """CVAT lists them, but writes no mask for them."""
    masks, names = cvat / "SegmentationClass", [f"default_{number:04d}" for number in range(10)]
    for name in names[2:]:
        shutil.copy(cvat / "JPEGImages" / "default_0000.jpg", cvat / "JPEGImages" / f"{name}.jpg")
    (cvat / "ImageSets" / "Segmentation" / "default.txt").write_text("\n".join(names))
    dataset = open_dataset(cvat)
    assert [[pair.name for pair in dataset.pairs(split)] for split in ("train", "val")] == [
        ["train/default_0000"],
        ["val/default_0001"],
    ]
    assert "8 of 10 frames have no mask, because nobody drew on them, and are left out" in dataset.note
    for mask in masks.iterdir():
        mask.unlink()
    with pytest.raises(DatasetError, match=r"default_0000\.png is missing \(10 missing in all\)"):
        open_dataset(cvat)


def test_a_cvat_subset_that_nobody_drew_on_is_told(cvat: Path) -> None:
    lists = cvat / "ImageSets" / "Segmentation"
    (lists / "default.txt").rename(lists / "Train.txt").write_text("default_0000\n")
    (lists / "Validation.txt").write_text("default_0001\n")
    (cvat / "SegmentationClass" / "default_0001.png").unlink()
    with pytest.raises(DatasetError, match=r"has no label: .*default_0001\.png is missing \(1 missing in all\)"):
        open_dataset(cvat)


def test_a_cvat_task_without_subset_beside_validation_is_train(cvat: Path) -> None:
    lists = cvat / "ImageSets" / "Segmentation"
    (lists / "default.txt").write_text("default_0000\n")
    (lists / "Validation.txt").write_text("default_0001\n")
    dataset = open_dataset(cvat)
    assert [pair.name for pair in dataset.pairs("train")] == ["train/default_0000"]
    assert [pair.name for pair in dataset.pairs("val")] == ["val/default_0001"]
