"""labelme's JSON beside images, in folders of its own, and with the picture inside."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.data.check import check_dataset
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.data.test_encoded_masks import in_base64
from tests.support.own_data import HEIGHT, NAMES, WIDTH, photo, save, street
from tests.support.shapes import OUTLINES, assert_street, shares, write_json


def shape(label: str, points: Any, kind: str | None = "polygon", **fields: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | fields


SHAPES = [shape(name, corners) for name, corners in OUTLINES.items()]


def content(image: str, shapes: list[dict[str, Any]], data: str | None = None) -> dict[str, Any]:
    return {
        "version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": data,
        "imageHeight": HEIGHT, "imageWidth": WIDTH,
    }  # fmt: skip


def write(root: Path, shapes: list[dict[str, Any]] = SHAPES, frames: int = 5) -> Path:
    for i in range(frames):
        save(photo(i), root / f"f{i}.jpg")
        write_json(content(f"f{i}.jpg", shapes), root / f"f{i}.json")
    return root


def test_polygons_are_drawn_later_ones_on_top(tmp_path: Path) -> None:
    dataset = assert_street(write(tmp_path), train=4, val=1)
    assert dataset.kind == "labelme"
    assert dataset.labels.names == NAMES
    assert check_dataset(dataset).count("error") + check_dataset(dataset).count("warning") == 0


def test_jsons_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    for split, numbers in (("train", range(3)), ("val", range(3, 5))):
        for i in numbers:
            save(photo(i), tmp_path / "images" / split / "0001" / f"{i}.png")
            path = tmp_path / "annotations" / split / "0001" / f"{i}.json"
            write_json(content(f"..\\..\\..\\images\\{split}\\0001\\{i}.png", SHAPES), path)
    assert_street(tmp_path, train=3, val=2)


def test_namesakes_in_the_folders_of_drives_stay_apart(tmp_path: Path) -> None:
    for drive, wrong in (("a", False), ("b", True)):
        for i in range(3):
            save(photo(i + 10 * wrong), tmp_path / drive / f"{i}.jpg")
            shapes = [shape("sky", OUTLINES["road"])] if wrong else SHAPES
            write_json(content(f"{i}.jpg", shapes), tmp_path / drive / f"{i}.json")
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs("train")] == ["train/a/0", "train/a/1", "train/a/2", "train/b/0"]
    assert set(shares(dataset)) == {*NAMES, "void"}
    assert (dataset.read_label(dataset.pairs("train")[3])[20:] == 0).all()


def test_every_kind_of_shape_is_drawn(tmp_path: Path) -> None:
    mask = street() == 2
    shapes = [
        shape("sky", [[0, 0], [63, 20]], "rectangle"),
        shape("road", [[0, 20], [64, 20], [64, 48], [0, 48]], None),
        shape("car", [[10, 26], [29, 39]], "mask", mask=in_base64(mask[26:40, 10:30])),
    ]
    dataset = assert_street(write(tmp_path / "areas", shapes), train=4, val=1)
    shapes = [
        shape("road", [[0, 0], [64, 0], [64, 48], [0, 48]], "rectangle"),
        shape("lane", [[0, 30], [40, 30], [40, 48]], "linestrip"),
        shape("sun", [[50, 10], [50, 16]], "circle"),
        shape("sign", [[20, 10]], "point"),
    ]
    dataset = open_dataset(write(tmp_path / "others", shapes))
    pixels = {name: share * HEIGHT * WIDTH for name, share in shares(dataset).items()}
    assert pixels["sun"] == pytest.approx(np.pi * 36, rel=0.05)
    assert pixels["sign"] == pytest.approx(np.pi * 25, rel=0.05)
    assert pixels["lane"] == 40 * 10 + 10 * 18 - 5 * 5  # 10 wide; its two parts share a corner
    assert pixels["void"] == 0


def test_labels_txt_gives_the_order_and_the_background(tmp_path: Path) -> None:
    root = write(tmp_path, [shape("car", OUTLINES["car"]), shape("__ignore__", OUTLINES["sky"])])
    with pytest.raises(DatasetError, match="has 1 class"):
        open_dataset(root)
    (root / "labels.txt").write_text("__ignore__\n_background_\nbus\ncar\n")
    dataset = open_dataset(root)
    assert dataset.labels.names == ("_background_", "bus", "car")
    assert set(shares(dataset)) == {"_background_", "car", "void"}
    assert "pixels that no shape covers are _background_" in dataset.note
    assert shares(dataset)["void"] == pytest.approx(20 / HEIGHT)


def test_frames_that_nobody_drew_on_are_left_out(tmp_path: Path) -> None:
    root = write(tmp_path)
    save(photo(9), root / "f9.jpg")
    write_json(content("f8.jpg", []), root / "f8.json")
    save(photo(8), root / "f8.jpg")
    assert "2 of 7 frames have no shape and are left out" in assert_street(root, train=4, val=1).note


def test_a_picture_inside_its_json_is_taken_out(tmp_path: Path) -> None:
    for i in range(5):
        path = save(photo(i), tmp_path / "away" / f"f{i}.jpg")
        data = base64.b64encode(path.read_bytes()).decode()
        write_json(content(f"f{i}.jpg", SHAPES, data), tmp_path / "town" / f"f{i}.json")
        path.unlink()
    dataset = assert_street(tmp_path / "town", train=4, val=1)
    assert "5 images are taken out of their JSON and kept in" in dataset.note
    assert dataset.pairs("train")[0].name == "train/f0"
    assert_street(tmp_path / "town", train=4, val=1)
    for path in (tmp_path / "town").glob("*.json"):
        write_json(content("f.jpg", SHAPES), path)
    with pytest.raises(DatasetError, match=r"f0\.json has no image beside it, nor has any other of 5 JSONs"):
        open_dataset(tmp_path / "town")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (shape("", [[1, 1]]), "shape 4 has no label"),
        (shape("car", [[1, 1], [2, "a"]]), r"shape 4 \(car\): a polygon's corners are not numbers"),
        (shape("car", [[1, 1]], "cube"), r"shape 4 \(car\): it has the shape_type 'cube'; there are polygon"),
        (shape("car", [[1, 1]], "circle"), r"shape 4 \(car\): a circle needs its middle and a point"),
        (shape("car", [[1, 1], [2, 2]], "mask", mask="AA"), r"shape 4 \(car\): a mask is no PNG"),
        (shape("car", None), r"shape 4 \(car\): a polygon's corners"),
    ],
)
def test_a_wrong_shape_is_an_error_of_its_frame_alone(tmp_path: Path, wrong: dict[str, Any], problem: str) -> None:
    root = write(tmp_path)
    write_json(content("f1.jpg", [*SHAPES, wrong]), root / "f1.json")
    dataset = open_dataset(root)
    with pytest.raises(DatasetError, match=rf"f1\.json: {problem}"):
        dataset.read_label(dataset.pairs("train")[1])
    assert check_dataset(dataset).count("error") == 1


def test_a_json_that_is_cut_off_is_an_error_of_its_frame(tmp_path: Path) -> None:
    root = write(tmp_path)
    path = root / "f1.json"
    path.write_text(path.read_text()[:200])
    report = check_dataset(root)
    assert report.count("error") == 1
    assert "f1.json: cannot be read as JSON" in report.table()
    path.write_text(json.dumps({"version": "5", "shapes": {}, "imagePath": "f1.jpg"}))
    assert "it has no list of shapes" in check_dataset(root).table()
