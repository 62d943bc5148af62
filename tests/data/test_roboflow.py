"""Roboflow's masks: beside their images, with a class file in each split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.support.mask_data import frame, label, reads, save, write

CLASSES = "Pixel Value, Class\n0, sky\n1, road\n2, car\n"


def export(root: Path, csv: str = CLASSES) -> Path:
    for split, numbers in (("train", range(4)), ("valid", range(4, 6))):
        for i in numbers:
            name = f"frame_{i}_jpg.rf.{i:032x}"
            save(frame(i), root / f"{split}/{name}.jpg")
            save(label(), root / f"{split}/{name}_mask.png")
        write(csv, root / f"{split}/_classes.csv")
    write("Exported by a tool\n", root / "README.roboflow.txt")
    return root


def test_every_split_is_read(tmp_path: Path) -> None:
    dataset = reads(export(tmp_path), "roboflow")
    assert dataset.labels.names == ("sky", "road", "car")
    assert dataset.class_file == tmp_path / "train/_classes.csv"


def test_background_counts_and_values_may_have_gaps(tmp_path: Path) -> None:
    export(tmp_path, "Pixel Value, Class\n0, background\n3, sky\n5, road\n9, car\n")
    for path in tmp_path.rglob("*_mask.png"):
        save(np.array([3, 5, 9], np.uint8)[label()], path)
    assert reads(tmp_path, "roboflow").labels.names == ("background", "sky", "road", "car")


def test_a_folder_without_splits(tmp_path: Path) -> None:
    export(tmp_path)
    dataset = open_dataset(tmp_path / "train")
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 3, "val": 1}
    assert "the last fifth" in dataset.note


def test_splits_with_other_values_are_refused(tmp_path: Path) -> None:
    write("Pixel Value, Class\n0, road\n1, sky\n2, car\n", export(tmp_path) / "valid/_classes.csv")
    with pytest.raises(
        DatasetError, match=r"train/_classes\.csv gives sky the value 0, .*valid/_classes\.csv gives it 1"
    ):
        open_dataset(tmp_path)


def test_a_wrong_class_file_is_one_line(tmp_path: Path) -> None:
    write("Pixel Value, Class\n0, sky\nroad\n", export(tmp_path) / "train/_classes.csv")
    with pytest.raises(
        DatasetError, match=r"_classes\.csv, class 2 is 'road'; expected Pixel Value,Class with numbers"
    ):
        open_dataset(tmp_path)


def test_a_mask_that_is_missing_is_told(tmp_path: Path) -> None:
    (missing,) = (path for path in export(tmp_path).rglob("frame_1_*_mask.png"))
    missing.unlink()
    with pytest.raises(DatasetError, match=f"has no label: {missing} is missing"):
        open_dataset(tmp_path)
