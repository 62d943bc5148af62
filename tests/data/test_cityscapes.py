"""Cityscapes: labelIds and labelTrainIds become its 19 classes."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data import cityscapes_classes
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from streetseg.streets.datasets import (
    write_cityscapes,
)
from streetseg.streets.scene import render_surfaces
from streetseg.streets.world import SURFACES
from tests.support.mask_data import HEIGHT, SPLITS, WIDTH, classes, frame, label, pairs_of_files, reads, save, write

pytestmark = pytest.mark.slow

SMALL = (90, 120)


def test_cityscapes_ids_become_the_19_classes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1, "test": 1}, size=SMALL)
    dataset = open_dataset(tmp_path)
    (pair,) = dataset.pairs("train")
    label, (_, surfaces) = dataset.read_label(pair), render_surfaces(0, SMALL)
    for surface, name in (("Car", "car"), ("TrafficLight", "traffic light"), ("Sky", "sky"), ("Sidewalk", "sidewalk")):
        index = cityscapes_classes.LABELS.names.index(name)
        assert (label[surfaces == SURFACES.index(surface)] == index).all()
    assert pair.sequence == "aachen"
    with pytest.raises(DatasetError, match="has no label, as in published test splits; choose another"):
        dataset.read_label(dataset.pairs("test")[0])


def test_cityscapes_train_ids_are_read_where_there_are_no_label_ids(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1}, size=SMALL)
    expected = open_dataset(tmp_path).read_label(open_dataset(tmp_path).pairs("train")[0])
    (path,) = tmp_path.glob("gtFine/*/*/*_labelIds.png")
    Image.fromarray(expected).save(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    path.unlink()
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.read_label(dataset.pairs("train")[0]), expected)


def own(root: Path, image: str, mask: str, values: np.ndarray) -> Path:
    pairs_of_files(root, image, mask, values)
    write("0 0 0 background\n70 130 180 sky\n128 64 128 road\n0 0 142 car\n", root / "label_colors.txt")
    return root


@pytest.mark.parametrize("above", ["", "imgsFine/"])
@pytest.mark.parametrize("city", ["", "town/", "größe/"])
def test_own_classes_in_cityscapes_folders_count(above: str, city: str, tmp_path: Path) -> None:
    """As CVAT and datumaro export a user's own data: no cities, values are places in label_colors.txt."""
    image = f"{above}leftImg8bit/{{split}}/{unicodedata.normalize('NFD', city)}f {{i}}_leftImg8bit.png"
    own(tmp_path, image, f"gtFine/{{split}}/{city}f {{i}}_gtFine_labelIds.png", np.array([1, 2, 3], np.uint8))
    dataset = reads(tmp_path, "cityscapes")
    assert dataset.labels.names == ("sky", "road", "car")
    assert "Cityscapes" not in dataset.terms
    assert dataset.server_values == ()


def test_cvats_task_without_a_subset(tmp_path: Path) -> None:
    own(tmp_path, "x/{split}/f{i}.png", "x/{split}/f{i}_mask.png", np.array([1, 2, 3], np.uint8))
    for i in range(6):
        save(frame(i), tmp_path / f"imgsFine/leftImg8bit/default/task/f{i}_leftImg8bit.png")
        save(label() + np.uint8(1), tmp_path / f"gtFine/default/task/f{i}_gtFine_labelIds.png")
    dataset = reads(tmp_path, "cityscapes")
    assert dataset.pairs("val")[0].name == "val/f4"
    assert "the last fifth of the images" in dataset.note


def test_own_classes_contradicted_by_classes_yaml_are_refused(tmp_path: Path) -> None:
    image, mask = "leftImg8bit/{split}/a/f{i}_leftImg8bit.png", "gtFine/{split}/a/f{i}_gtFine_labelIds.png"
    own(tmp_path, image, mask, np.array([1, 2, 3], np.uint8))
    classes(tmp_path)
    with pytest.raises(DatasetError, match=r"classes\.yaml gives sky the value 0, .*label_colors\.txt gives it 1"):
        open_dataset(tmp_path)


def test_cityscapes_own_classes_in_a_file_are_cityscapes(tmp_path: Path) -> None:
    """datumaro writes all labels of the dataset with their values as places."""
    image, mask = "leftImg8bit/{split}/a/f{i}_leftImg8bit.png", "gtFine/{split}/a/f{i}_gtFine_labelIds.png"
    pairs_of_files(tmp_path, image, mask, np.array([23, 7, 26], np.uint8))
    names = {value: name for value, name, _ in cityscapes_classes.CLASSES}
    write("".join(f"{i} {i} 200 {names.get(i, f'other {i}')}\n" for i in range(34)), tmp_path / "label_colors.txt")
    assert reads(tmp_path, "cityscapes").labels == cityscapes_classes.LABELS


@pytest.mark.parametrize("city", ["a", "7"])
def test_own_classes_name_the_values_of_polygons(city: str, tmp_path: Path) -> None:
    """A number for a city alone would be IDD's folders."""
    outline = {"sky": [[0, 0], [32, 0], [32, 10], [0, 10]], "road": [[0, 10], [32, 10], [32, 24], [0, 24]]}
    outline["car"] = [[5, 12], [17, 12], [17, 20], [5, 20]]
    objects = [{"label": name, "polygon": points} for name, points in outline.items()]
    text = json.dumps({"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects})
    for split, numbers in SPLITS.items():
        for i in numbers:
            save(frame(i), tmp_path / f"leftImg8bit/{split}/{city}/f{i}_leftImg8bit.png")
            write(text, tmp_path / f"gtFine/{split}/{city}/f{i}_gtFine_polygons.json")
    classes(tmp_path, ("car", "sky", "road"))
    dataset = open_dataset(tmp_path)
    label_map = dataset.read_label(dataset.pairs("train")[0])
    assert [dataset.labels.names[i] for i in label_map[[2, 22, 16], [2, 2, 10]]] == ["sky", "road", "car"]


def test_other_names_in_cityscapes_folders_are_mask_folders(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "leftImg8bit/{split}/a/f{i}_image.jpg", "gtFine/{split}/a/f{i}_label.png")
    pairs_of_files(tmp_path, "leftImg8bit/{split}/a/f{i}_image.jpg", "gtFine/{split}/a/f{i}_inst_label.png")
    classes(tmp_path)
    reads(tmp_path, "mask-folders")
