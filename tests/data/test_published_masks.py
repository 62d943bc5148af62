"""Published street datasets whose labels are masks: folders, values and classes as their publishers have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streetseg.data import a2d2, ade20k, bdd100k, kitti, mapillary
from streetseg.data.cityscapes_classes import LABELS as CITYSCAPES
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.support.mask_data import NAMES, classes, compare, frame, label, pairs_of_files, reads, save, write

TRAIN_IDS, LABEL_IDS = np.array([10, 0, 13], np.uint8), np.array([23, 7, 26], np.uint8)  # sky, road, car


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/10k/{split}/0a0b-{i}.jpg", "labels/sem_seg/masks/{split}/0a0b-{i}.png"),
        ("seg/images/{split}/0a0b-{i}.jpg", "seg/labels/{split}/0a0b-{i}_train_id.png"),
        ("bdd100k/images/10k/{split}/0a0b-{i}.jpg", "bdd100k/labels/sem_seg/masks/{split}/0a0b-{i}.png"),
    ],
)
def test_bdd100k(image: str, mask: str, tmp_path: Path) -> None:
    pairs_of_files(tmp_path, image, mask, TRAIN_IDS)
    inner = tmp_path / image.partition("images")[0]
    save(frame(8), inner / ("images/10k/test/x.jpg" if "10k" in image else "images/test/x.jpg"))
    save(frame(8), inner / "labels/sem_seg/colormaps/train/0a0b-0.png")
    dataset = reads(tmp_path, "bdd100k")
    assert (dataset.name, dataset.labels, dataset.terms) == ("bdd100k", CITYSCAPES, bdd100k.TERMS)
    assert dataset.pairs("test")[0].label is None


def test_kitti(tmp_path: Path) -> None:
    for i in range(5):
        save(frame(i), tmp_path / f"training/image_2/{i:06}_10.png")
        save(LABEL_IDS[label()], tmp_path / f"training/semantic/{i:06}_10.png")
        save(frame(i + 20), tmp_path / f"testing/image_2/{i:06}_10.png")
    dataset = open_dataset(tmp_path)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 1}
    assert (dataset.kind, dataset.labels, dataset.terms) == ("kitti", CITYSCAPES, kitti.TERMS)
    compare(dataset)


def test_datumaro_writes_own_data_in_kittis_folders(tmp_path: Path) -> None:
    """datumaro 1.13: train/ and val/, masks of 16 bits, label_colors.txt with background first."""
    values = np.array([1, 2, 3], np.uint16)
    pairs_of_files(tmp_path, "{split}/image_2/f {i}.png", "{split}/semantic/f {i}.png", values)
    pairs_of_files(tmp_path, "{split}/image_2/f {i}.png", "{split}/instance/f {i}.png", values)
    write("0 0 0 background\n70 130 180 sky\n128 64 128 road\n0 0 142 car\n", tmp_path / "label_colors.txt")
    dataset = reads(tmp_path, "kitti")
    assert dataset.labels.names == NAMES
    assert "KITTI" not in dataset.terms


def vistas(root: Path, labels: str = "labels", config: str = "config.json", last: str = "Unlabeled") -> Path:
    colours = ((0, 0, 142), (128, 64, 128), (70, 130, 180), (0, 0, 0))
    entries = [
        {"color": colour, "name": name, "readable": readable, "evaluate": readable != last, "instances": False}
        for colour, name, readable in zip(
            colours,
            ("object--vehicle--car", "construction--flat--road", "nature--sky", "void--unlabeled"),
            ("car", "road", "sky", last),
            strict=True,
        )
    ]
    write(
        json.dumps({"labels": entries, "version": "1.2", "mapping": "public", "folder_structure": "x"}), root / config
    )
    palette = bytes(value for colour in colours for value in colour)
    for split, numbers in (("training", range(4)), ("validation", range(4, 6))):
        for i in numbers:
            save(frame(i), root / f"{split}/images/key-{i}.jpg")
            mask = np.array([2, 1, 0], np.uint8)[label()]
            mask[0, 0] = 3
            save(mask, root / f"{split}/{labels}/key-{i}.png", palette)
            save(label(), root / f"{split}/instances/key-{i}.png")
    save(frame(30), root / "testing/images/key-30.jpg")
    return root


def test_mapillary_1_2(tmp_path: Path) -> None:
    dataset = open_dataset(vistas(tmp_path))
    assert (dataset.kind, dataset.name, dataset.terms) == ("mapillary", "mapillary", mapillary.TERMS)
    assert dataset.labels.names == ("car", "road", "sky")
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2, "test": 1}
    assert dataset.pairs("test")[0].label is None
    found = dataset.read_label(dataset.pairs("val")[0])
    assert found[0, 0] == 255
    np.testing.assert_array_equal(found.ravel()[1:], (2 - label()).ravel()[1:])


def test_mapillary_2_0_has_both_releases(tmp_path: Path) -> None:
    vistas(tmp_path, "v1.2/labels", "config_v1.2.json", "Void 1.2")
    vistas(tmp_path, "v2.0/labels", "config_v2.0.json")
    assert open_dataset(tmp_path).class_file == tmp_path / "config_v2.0.json"
    assert open_dataset(tmp_path, "mapillary-1.2").class_file == tmp_path / "config_v1.2.json"
    (tmp_path / "config_v1.2.json").unlink()
    with pytest.raises(DatasetError, match=r"has no config_v1\.2\.json; get the dataset's release 1\.2 again"):
        open_dataset(tmp_path, "mapillary-1.2")
    write("{}", tmp_path / "config_v2.0.json")
    with pytest.raises(DatasetError, match=r"config_v2\.0\.json names no classes in a way that is known here"):
        open_dataset(tmp_path)


A2D2 = {"#ff0000": "Car 1", "#c80000": "Car 2", "#ff00ff": "RD normal street", "#87ceff": "Sky"}


def test_a2d2(tmp_path: Path) -> None:
    """Numbers of instances are left out of names; camera and label stand in the middle of the files' names."""
    colours = np.array([(135, 206, 255), (255, 0, 255), (200, 0, 0)], np.uint8)
    for drive in ("20180807_145028", "20180810_142822"):
        for i in range(3):
            name = f"cam_front_center/{drive.replace('_', '')}_{{}}_frontcenter_{i:09}.png"
            save(frame(i), tmp_path / drive / "camera" / name.format("camera"))
            save(colours[label()], tmp_path / drive / "label" / name.format("label"))
    write(json.dumps(A2D2), tmp_path / "class_list.json")
    dataset = open_dataset(tmp_path)
    assert (dataset.kind, dataset.name, dataset.terms) == ("a2d2", "a2d2", a2d2.TERMS)
    assert dataset.labels.names == ("Car", "RD normal street", "Sky")
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2}
    compare(dataset, ("Sky", "RD normal street", "Car"))
    assert len({pair.sequence for pair in dataset.pairs("trainval")}) == 2
    (tmp_path / "class_list.json").unlink()
    with pytest.raises(DatasetError, match=r"class_list\.json is missing; take it from the dataset's archive"):
        open_dataset(tmp_path)
    lines = [f"- {{name: {name}, colour: {colour}}}\n" for name, colour in zip(NAMES, colours.tolist(), strict=True)]
    write("".join(lines), tmp_path / "classes.yaml")
    dataset = open_dataset(tmp_path)
    compare(dataset)
    assert "A2D2" not in dataset.terms


def test_ade20k(tmp_path: Path) -> None:
    values = np.array([3, 7, 21], np.uint8)  # sky, road, car; 0 is void
    for split, numbers in (("training", range(4)), ("validation", range(4, 6))):
        for i in numbers:
            stem = f"ADE_{split[:-3]}_{i:08}"
            save(frame(i), tmp_path / f"images/{split}/{stem}.jpg")
            mask = values[label()]
            mask[0, 0] = 0
            save(mask, tmp_path / f"annotations/{split}/{stem}.png")
    rows = [f"{i}\t0.1\t11\t1\t0\t{name}, other name\n" for i, name in enumerate(ade20k.NAMES, 1)]
    write("Idx\tRatio\tTrain\tVal\tStuff\tName\n" + "".join(rows), tmp_path / "objectInfo150.txt")
    dataset = open_dataset(tmp_path)
    assert (dataset.kind, dataset.labels, dataset.terms) == ("ade20k", ade20k.LABELS, ade20k.TERMS)
    assert len(set(ade20k.NAMES)) == 150
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2}
    found = dataset.read_label(dataset.pairs("val")[0])
    assert found[0, 0] == 255
    assert {dataset.labels.names[i] for i in np.unique(found[1:])} == {*NAMES}


def test_own_data_in_cocostuffs_folders(tmp_path: Path) -> None:
    """Folders as mmsegmentation converts COCO-Stuff: masks of other names, or a classes.yaml, are other data."""
    pairs_of_files(tmp_path, "images/{split}2014/f{i}.jpg", "annotations/{split}2014/f{i}.png")
    classes(tmp_path)
    reads(tmp_path, "mask-folders")
    for i, folder in ((0, "train2014"), (4, "test2014")):
        save(frame(i), tmp_path / f"coco/images/{folder}/f{i}.jpg")
        save(label(), tmp_path / f"coco/annotations/{folder}/f{i}_labelTrainIds.png")
    assert open_dataset(tmp_path / "coco").name == "cocostuff"
    classes(tmp_path / "coco")
    dataset = open_dataset(tmp_path / "coco")
    compare(dataset)
    assert "COCO" not in dataset.terms


def test_own_data_in_ade20ks_folders_needs_classes(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}ing/f{i}.jpg", "annotations/{split}ing/f{i}.png")
    for folder in ("images", "annotations"):
        (tmp_path / folder / "valing").rename(tmp_path / folder / "validation")
    with pytest.raises(DatasetError, match="has no file that names the classes; its masks hold the values"):
        open_dataset(tmp_path)
    classes(tmp_path)
    reads(tmp_path, "mask-folders")
