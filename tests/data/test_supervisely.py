"""Supervisely's project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.data.check import check_dataset
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.data.test_encoded_masks import BLOCK_BY_SUPERVISELY, block
from tests.support.own_data import HEIGHT, NAMES, WIDTH, photo, save
from tests.support.shapes import OUTLINES, assert_street, write_json

COLOURS = ("#4682B4", "#804080", "#00008E")


def thing(title: str, kind: str, exterior: Any = (), interior: Any = (), **fields: Any) -> dict[str, Any]:
    points = {"exterior": exterior, "interior": interior}
    return {"classTitle": title, "geometryType": kind, "points": points, "tags": []} | fields


OBJECTS = [thing(name, "polygon", corners) for name, corners in OUTLINES.items()]


def annotation(objects: list[dict[str, Any]], height: int = HEIGHT, width: int = WIDTH) -> dict[str, Any]:
    return {"description": "", "tags": [], "size": {"height": height, "width": width}, "objects": objects}


def write(root: Path, folders: tuple[str, ...] = ("train", "val"), ending: str = ".png.json") -> Path:
    classes = [{"title": name, "shape": "any", "color": colour} for name, colour in zip(NAMES, COLOURS, strict=True)]
    write_json({"classes": classes, "tags": []}, root / "meta.json")
    for n, folder in enumerate(folders):
        for i in range(3 - n):
            save(photo(10 * n + i), root / folder / "img" / f"f{i}.png")
            write_json(annotation(OBJECTS), root / folder / "ann" / f"f{i}{ending}")
    return root


@pytest.mark.parametrize("ending", [".png.json", ".json"])
def test_datasets_of_a_project_are_splits(tmp_path: Path, ending: str) -> None:
    dataset = assert_street(write(tmp_path, ending=ending), train=3, val=2)
    assert dataset.kind == "supervisely"
    assert dataset.labels.colours == ((70, 130, 180), (128, 64, 128), (0, 0, 142))
    assert check_dataset(dataset).count("error") + check_dataset(dataset).count("warning") == 0


def test_other_datasets_are_split_by_their_frames(tmp_path: Path) -> None:
    dataset = assert_street(write(tmp_path, folders=("ds0", "drives/ds 1")), train=4, val=1)
    assert {pair.name for pair in dataset.pairs("val")} == {"val/drives/ds 1/f1"}


def test_bitmaps_holes_and_rectangles_are_drawn(tmp_path: Path) -> None:
    root = write(tmp_path)
    objects = [
        thing("sky", "rectangle", [[0, 0], [40, 24]]),
        thing("road", "polygon", [[0, 0], [40, 0], [40, 24], [0, 24]], [[[30, 2], [38, 2], [38, 8], [30, 8]]]),
        {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": BLOCK_BY_SUPERVISELY, "origin": [5, 6]}},
        thing("car", "line", [[0, 0], [9, 9]]),
        thing("car", "point", [[3, 3]]),
    ]
    write_json(annotation(objects, 24, 40), root / "train" / "ann" / "f0.png.json")
    save(np.zeros((24, 40, 3), np.uint8), root / "train" / "img" / "f0.png")
    label = open_dataset(root).read_label(open_dataset(root).pairs("train")[0])
    np.testing.assert_array_equal(label == 2, block())
    assert (label[2:8, 30:38] == 0).all()
    assert (label == 1).sum() == 24 * 40 - block().sum() - 6 * 8


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "it has no size and objects"),
        ({"size": {"height": 3}, "objects": []}, "it has no size and objects"),
        (annotation([{}]), "object 1 has no classTitle"),
        (
            annotation([thing("bus", "polygon", OUTLINES["car"])]),
            "label 'bus' is not a class; there are sky, road",
        ),
        (annotation([thing("cars", "polygon", OUTLINES["car"])]), "label 'cars' is not a class; did you mean car?"),
        (annotation([{"classTitle": "car", "bitmap": {}}]), r"object 1 \(car\): it has no points|no origin"),
        (annotation([thing("car", "bitmap", bitmap={"origin": [1, 2], "data": "?"})]), "a mask is no PNG"),
        (annotation([thing("car", "polygon", [[1, 2, 3]])]), r"object 1 \(car\): a polygon's corners have the shape"),
    ],
)
def test_a_wrong_annotation_is_an_error_of_its_frame_alone(tmp_path: Path, content: Any, problem: str) -> None:
    root = write(tmp_path)
    write_json(content, root / "train" / "ann" / "f1.png.json")
    dataset = open_dataset(root)
    with pytest.raises(DatasetError, match=rf"f1\.png\.json: .*{problem}"):
        dataset.read_label(dataset.pairs("train")[1])
    assert check_dataset(dataset).count("error") == 1


def test_a_project_that_is_incomplete_is_one_line(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in root.glob("*/ann/*"):
        path.unlink()
    with pytest.raises(DatasetError, match="has no annotations in DATASET/ann/; export the project with annotations"):
        open_dataset(root)
    write_json({"classes": [{"shape": "any"}]}, root / "meta.json")
    with pytest.raises(DatasetError, match=r"meta\.json: a class has no title"):
        open_dataset(root)
