"""Cityscapes and IDD where labels are *_polygons.json."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.data.check import check_dataset
from streetseg.data.cityscapes_classes import VALUES_BY_LABEL
from streetseg.data.datasets import open_dataset
from streetseg.data.idd import LABELS
from streetseg.data.idd import VALUES_BY_LABEL as IDD_LABELS
from streetseg.data.polygon_files import read_polygons
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_cityscapes
from tests.support.own_data import HEIGHT, WIDTH, photo, save, street
from tests.support.shapes import OUTLINES, assert_street, write_json

OBJECTS: list[dict[str, Any]] = [{"label": name, "polygon": corners} for name, corners in OUTLINES.items()]


def content(objects: list[dict[str, Any]], height: int = HEIGHT, width: int = WIDTH) -> dict[str, Any]:
    return {"imgHeight": height, "imgWidth": width, "objects": objects}


def write(root: Path, drives: tuple[str, str], suffix: str = ".png") -> Path:
    for split, drive, numbers in (("train", drives[0], range(3)), ("val", drives[1], range(3, 5))):
        for i in numbers:
            save(photo(i), root / "leftImg8bit" / split / drive / f"{drive}_{i:06}_leftImg8bit{suffix}")
            write_json(content(OBJECTS), root / "gtFine" / split / drive / f"{drive}_{i:06}_gtFine_polygons.json")
    return root


def test_cityscapes_without_label_ids_is_drawn(tmp_path: Path) -> None:
    dataset = assert_street(write(tmp_path, ("aachen", "munster")), train=3, val=2)
    assert dataset.kind == dataset.name == "cityscapes"
    assert len(dataset.labels.names) == 19
    assert "labels are drawn from *_polygons.json" in dataset.note
    assert dataset.terms.startswith("Cityscapes may be used")
    assert check_dataset(dataset).count("error") == 0


def test_frames_with_label_ids_keep_them(tmp_path: Path) -> None:
    root = write(tmp_path, ("aachen", "munster"))
    values = np.array([VALUES_BY_LABEL[name] for name in ("road", "sky", "car")], np.uint8)[street()]
    path = root / "gtFine" / "train" / "aachen" / "aachen_000000_gtFine_labelIds.png"
    save(values, path)
    dataset = open_dataset(root)
    first, second, _ = dataset.pairs("train")
    assert first.label == path
    road, sky = dataset.labels.names.index("road"), dataset.labels.names.index("sky")
    assert dataset.read_label(first)[0, 0] == road
    assert dataset.read_label(second)[0, 0] == sky


def test_cityscapes_as_published_needs_no_polygons(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1, "val": 1}, size=(16, 32))
    assert open_dataset(tmp_path).note == ""


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_idd_has_numbered_drives(tmp_path: Path, suffix: str) -> None:
    dataset = assert_street(write(tmp_path, ("0", "17"), suffix), train=3, val=2)
    assert dataset.kind == dataset.name == "idd"
    assert len(dataset.labels.names) == 26
    assert {pair.sequence for pair in dataset.pairs("train")} == {"0"}
    assert "level 3 of IDD's hierarchy" in dataset.note


def test_numbered_drives_with_label_ids_are_cityscapes(tmp_path: Path) -> None:
    root = write(tmp_path, ("0", "17"))
    for path in root.glob("gtFine/*/*/*_polygons.json"):
        save(np.full((HEIGHT, WIDTH), 7, np.uint8), path.with_name(path.name.replace("polygons.json", "labelIds.png")))
    assert open_dataset(root).kind == "cityscapes"


def test_idd_merges_rare_labels_and_takes_pngs_of_level_3(tmp_path: Path) -> None:
    root = write(tmp_path, ("0", "1"))
    strips = ["parking", "rail track", "animal", "caravan", "polegroup", "tunnel", "fallback background", "ego vehicle"]
    objects: list[dict[str, Any]] = [
        {"label": label, "polygon": [[8 * k, 0], [8 * k + 8, 0], [8 * k + 8, 48], [8 * k, 48]]}
        for k, label in enumerate(strips)
    ]
    objects.append({"label": "license plate", "polygon": OUTLINES["road"]})
    objects.append({"label": "car", "polygon": OUTLINES["road"], "deleted": 1})
    folder = root / "gtFine" / "train" / "0"
    write_json(content(objects), folder / "0_000000_gtFine_polygons.json")
    (folder / "0_000001_gtFine_polygons.json").unlink()
    save(np.full((HEIGHT, WIDTH), 9, np.uint8), folder / "0_000001_gtFine_labellevel3Ids.png")
    dataset = open_dataset(root)
    first, second, _ = dataset.pairs("train")
    label = dataset.read_label(first)
    names = [LABELS.names[v] if v < 255 else "void" for v in label[40, 4::8].tolist()]
    assert names == [
        "drivable fallback", "non-drivable fallback", "person", "vehicle fallback", "pole", "bridge", "sky", "void",
    ]  # fmt: skip
    assert (label == label[:1]).all()
    assert (dataset.read_label(second) == LABELS.names.index("car")).all()


def test_the_hierarchy_of_idd_has_all_labels() -> None:
    assert len(IDD_LABELS) == 41
    assert sorted({value for value in IDD_LABELS.values() if 0 <= value < 255}) == list(range(26))


@pytest.mark.parametrize("drives", [("0", "17"), ("aachen", "munster")])
def test_class_files_beside_polygons_win(tmp_path: Path, drives: tuple[str, str]) -> None:
    root = write(tmp_path, drives)
    (root / "classes.yaml").write_text("- car\n- road\n- sky\n- {name: bonnet, ignore: true}\n")
    dataset = assert_street(root, train=3, val=2)
    assert dataset.labels.names == ("car", "road", "sky")
    assert "maker's own data" in dataset.terms
    assert dataset.name == root.name


def test_groups_deleted_and_hidden_objects(tmp_path: Path) -> None:
    objects: list[dict[str, Any]] = [
        {"label": "road", "polygon": [[0, 0], [63, 0], [63, 47], [0, 47]]},
        {"label": "cargroup", "polygon": [[0, 0], [10, 0], [10, 10], [0, 10]]},
        {"label": "license plate", "polygon": [[20, 0], [30, 0], [30, 10], [20, 10]]},
        {"label": "sky", "polygon": [[40, 0], [50, 0], [50, 10], [40, 10]], "deleted": 1},
        {"label": "sky", "polygon": [[1, 1], [2, 2]]},
    ]
    label = read_polygons(write_json(content(objects), tmp_path / "a_polygons.json"), VALUES_BY_LABEL)
    assert (label[:10, :10] == VALUES_BY_LABEL["car"]).all()
    assert (label == VALUES_BY_LABEL["road"]).sum() == HEIGHT * WIDTH - 100


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"objects": [{"label": "roda", "polygon": []}]},
            "object 1 has the label 'roda'; there are unlabeled",
        ),
        ({"objects": [{"polygon": []}]}, "object 1 has no label"),
        ({"objects": {}}, "it has no imgHeight, imgWidth and objects"),
        ({"imgWidth": "64"}, "it has no imgHeight, imgWidth and objects"),
        ({"imgWidth": 10**9}, "which no picture has"),
        ({"objects": [{"label": "road", "polygon": [[1, 2], [3]]}]}, "a polygon's corners are not numbers"),
    ],
)
def test_a_wrong_file_is_an_error_of_its_frame_alone(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    root = write(tmp_path, ("aachen", "munster"))
    path = root / "gtFine" / "train" / "aachen" / "aachen_000001_gtFine_polygons.json"
    path.write_text(json.dumps(content(OBJECTS) | change))
    dataset = open_dataset(root)
    with pytest.raises(DatasetError, match=rf"polygons\.json: .*{problem}"):
        dataset.read_label(dataset.pairs("train")[1])
    assert check_dataset(dataset).count("error") == 1


def test_a_frame_without_any_label_is_told(tmp_path: Path) -> None:
    root = write(tmp_path, ("0", "1"))
    shutil.rmtree(root / "gtFine" / "val")
    with pytest.raises(DatasetError, match=r"1_000003_gtFine_polygons\.json is missing \(2 missing in all\)"):
        open_dataset(root)
