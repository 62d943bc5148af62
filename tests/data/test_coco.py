"""COCO JSON as COCO itself, CVAT, Roboflow, Label Studio and scripts write it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.data.check import check_dataset
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.support.own_data import HEIGHT, NAMES, WIDTH, photo, save, street
from tests.support.shapes import OUTLINES, assert_street, box, flat, shares, write_json

IDS = {"sky": 5, "road": 15, "car": 25}
ROAD_PARTS = (box(0, 20, 10, 48), box(30, 20, 64, 48), box(10, 20, 30, 26), box(10, 40, 30, 48))


def runs_of(mask: np.ndarray) -> dict[str, Any]:
    """Return COCO's uncompressed RLE."""
    values = mask.T.ravel().astype(np.int8)
    counts = np.diff([0, *(np.flatnonzero(np.diff(values)) + 1), values.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if values[0] else counts}


def content(numbers: range, segments: dict[str, Any], name: str = "{:012}.jpg", **category: Any) -> dict[str, Any]:
    """Return a COCO JSON: one annotation of each class for each image."""
    images = [{"id": i, "file_name": name.format(i), "width": WIDTH, "height": HEIGHT} for i in numbers]
    annotations = [
        {"id": 10 * i + k, "image_id": i, "category_id": IDS[label], "segmentation": segment, "bbox": [0, 0, 9, 9],
         "area": 81, "iscrowd": int(isinstance(segment, dict))}
        for i in numbers for k, (label, segment) in enumerate(segments.items(), 1)
    ]  # fmt: skip
    categories = [{"id": IDS[label], "name": label, "supercategory": "street"} | category for label in NAMES]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


POLYGONS: dict[str, Any] = {label: [flat(corners)] for label, corners in OUTLINES.items()}
MIXED: dict[str, Any] = {
    "sky": [flat(OUTLINES["sky"])],
    "road": [flat(part) for part in ROAD_PARTS],
    "car": runs_of(street() == 2),
}


def write(root: Path, *, segments: dict[str, Any] = POLYGONS) -> Path:
    """Write COCO's own layout."""
    for split, numbers in (("train", range(4)), ("val", range(4, 6))):
        for i in numbers:
            save(photo(i), root / f"{split}2017" / f"{i:012}.jpg")
        write_json(content(numbers, segments), root / "annotations" / f"instances_{split}2017.json")
    return root


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write(tmp_path / "coco", segments=MIXED)


def changed(path: Path, **fields: Any) -> dict[str, Any]:
    """Rewrite a JSON with other fields."""
    whole: dict[str, Any] = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(whole))
    return whole


def test_polygons_parts_crowds_and_run_lengths_are_drawn(coco: Path) -> None:
    dataset = assert_street(coco, train=4, val=2)
    assert dataset.kind == "coco"
    assert dataset.labels.names == NAMES
    assert dataset.pairs("train")[0].name == "train/000000000000"
    assert check_dataset(dataset).count("error") == 0
    assert check_dataset(dataset).count("warning") == 0


def test_a_later_object_lies_on_an_earlier_one(tmp_path: Path) -> None:
    dataset = assert_street(write(tmp_path), train=4, val=2)
    assert "later shapes are drawn over earlier ones" in dataset.note


def test_other_jsons_of_coco_are_passed_over(coco: Path) -> None:
    captions = {"info": {}, "images": [], "annotations": [{"id": 1, "image_id": 1, "caption": "a street"}]}
    for name in ("captions_train2017", "image_info_test2017", "person_keypoints_train2017"):
        write_json(captions, coco / "annotations" / f"{name}.json")
    assert_street(coco, train=4, val=2)


def test_cvat_writes_one_subset_as_default(tmp_path: Path) -> None:
    for i in range(5):
        save(photo(i), tmp_path / "images" / "default" / f"frame {i} ü.png")
    write_json(content(range(5), POLYGONS, "frame {} ü.png"), tmp_path / "annotations" / "instances_default.json")
    dataset = assert_street(tmp_path, train=4, val=1)
    assert "the last fifth" in dataset.note


@pytest.mark.parametrize(
    "place", ["{}.json", "labels_{}.json", "coco_annotations/{}.json", "json/my_{}_v2.json", "{}/annotations/a.json"]
)
def test_jsons_lie_where_people_put_them(tmp_path: Path, place: str) -> None:
    for split, numbers in (("train", range(3)), ("val", range(3, 5))):
        for i in numbers:
            save(photo(i), tmp_path / "photos" / f"f{i}.jpg")
        write_json(content(numbers, POLYGONS, "f{}.jpg"), tmp_path / place.format(split))
    assert_street(tmp_path, train=3, val=2)


def test_roboflow_writes_a_json_into_each_split_and_a_category_for_the_group(tmp_path: Path) -> None:
    group = {"id": 0, "name": "streets-and-cars", "supercategory": "none"}
    for folder, numbers in (("train", range(3)), ("valid", range(3, 5)), ("test", range(5, 6))):
        whole = content(numbers, POLYGONS, "f{}_jpg.rf.0123abcd.jpg", supercategory="streets-and-cars")
        whole["categories"].insert(0, group)
        write_json(whole, tmp_path / folder / "_annotations.coco.json")
        for i in numbers:
            save(photo(i), tmp_path / folder / f"f{i}_jpg.rf.0123abcd.jpg")
    dataset = assert_street(tmp_path, train=3, val=2, test=1)
    assert dataset.labels.names == NAMES


@pytest.mark.parametrize(
    "name",
    [
        r"C:\Users\me\data\images\f{}.jpg",
        r"images\f{}.jpg",
        "/home/me/town/images/f{}.jpg",
        "../images/f{}.jpg",
        "https://storage.example.org/bucket/f{}.jpg?sign=1",
        "f{}.JPG",
        "f{}",
        "1a2b3c4d-f{}.jpg",
    ],
)
def test_names_of_other_machines_find_their_images(tmp_path: Path, name: str) -> None:
    for i in range(5):
        save(photo(i), tmp_path / "images" / f"f{i}.jpg")
    write_json(content(range(5), POLYGONS, name), tmp_path / "result.json")
    assert_street(tmp_path, train=4, val=1)


def test_percent_signs_of_addresses_are_understood(tmp_path: Path) -> None:
    for i in range(5):
        save(photo(i), tmp_path / "images" / f"Straße {i}.jpg")
    write_json(content(range(5), POLYGONS, "images/Stra%C3%9Fe%20{}.jpg"), tmp_path / "labels.json")
    assert_street(tmp_path, train=4, val=1)


def test_namesakes_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for split, numbers in (("train", range(2)), ("val", range(2))):
        for i in numbers:
            save(photo(i + 10 * len(split)), tmp_path / "images" / split / f"f{i}.jpg")
        write_json(content(numbers, POLYGONS, "f{}.jpg"), tmp_path / "annotations" / f"{split}.json")
    dataset = assert_street(tmp_path, train=2, val=2)
    assert {pair.image.parent.name for pair in dataset.pairs("val")} == {"val"}
    save(photo(0), tmp_path / "more" / "f0.jpg")
    assert_street(tmp_path, train=2, val=2)
    write_json(content(range(2), POLYGONS, "f{}.jpg"), tmp_path / "annotations" / "default.json")
    for split in ("train", "val"):
        (tmp_path / "annotations" / f"{split}.json").unlink()
    with pytest.raises(DatasetError, match=r"the image 'f0\.jpg' could be .* or .*; take one away"):
        open_dataset(tmp_path)


def test_boxes_alone_are_refused_with_the_remedy(tmp_path: Path) -> None:
    root = write(tmp_path, segments={"road": [], "car": []})
    with pytest.raises(DatasetError, match=r"has boxes only .*label polygons or masks and export them as COCO seg"):
        open_dataset(root)


def test_some_boxes_and_thin_objects_are_counted(tmp_path: Path) -> None:
    root = write(tmp_path, segments={**POLYGONS})
    path = root / "annotations" / "instances_train2017.json"
    whole = json.loads(path.read_text())
    whole["annotations"] += [
        {"id": 900, "image_id": 0, "category_id": 25, "segmentation": [], "bbox": [0, 0, 5, 5]},
        {"id": 901, "image_id": 0, "category_id": 25, "segmentation": [[1, 1, 5, 5]]},
        {"id": 902, "image_id": 77, "category_id": 25, "segmentation": [[1, 1, 5, 5, 9, 9]]},
    ]
    path.write_text(json.dumps(whole))
    dataset = assert_street(root, train=4, val=2)
    assert "1 of 21 objects have a box only" in dataset.note
    assert "1 of 21 objects have fewer than three corners" in dataset.note
    assert "1 of 21 objects belong to no listed image" in dataset.note


def test_images_without_objects_are_left_out_unless_background_counts(tmp_path: Path) -> None:
    root = write(tmp_path)
    path = root / "annotations" / "instances_train2017.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"annotations": [a for a in whole["annotations"] if a["image_id"] != 1]}))
    dataset = assert_street(root, train=3, val=2)
    assert "1 of 6 frames have no shape and are left out" in dataset.note
    (root / "classes.yaml").write_text("- background\n- car\n")
    dataset = open_dataset(root)
    assert len(dataset.pairs("train")) == 4
    car = 20 * 14 / (HEIGHT * WIDTH)
    assert shares(dataset) == pytest.approx({"car": car, "void": 1 - car})  # sky and road are labels that do not count
    empty = dataset.read_label(dataset.pairs("train")[1])
    assert (empty == 0).all()
    assert "labels that classes.yaml does not list do not count: sky, road" in dataset.note


def test_one_class_needs_a_background(tmp_path: Path) -> None:
    whole = content(range(5), {"car": POLYGONS["car"]}, "f{}.jpg")
    whole["categories"] = whole["categories"][2:]
    for i in range(5):
        save(photo(i), tmp_path / f"f{i}.jpg")
    write_json(whole, tmp_path / "instances.json")
    with pytest.raises(DatasetError, match=r"has 1 class .*classes\.yaml with the lines '- background' and '- car'"):
        open_dataset(tmp_path)
    (tmp_path / "classes.yaml").write_text("- background\n- car\n")
    car = 20 * 14 / (HEIGHT * WIDTH)
    assert shares(open_dataset(tmp_path)) == pytest.approx({"background": 1 - car, "car": car, "void": 0})


def test_images_that_are_missing_are_told(coco: Path) -> None:
    (coco / "train2017" / "000000000002.jpg").unlink()
    dataset = assert_street(coco, train=3, val=2)
    assert "1 of 6 listed images are not there and are left out, first '000000000002.jpg'" in dataset.note
    shutil.rmtree(coco / "train2017")
    shutil.rmtree(coco / "val2017")
    with pytest.raises(DatasetError, match=r"lists 6 images and none of them is below .*, the first is '0+\.jpg'; put"):
        open_dataset(coco)


def test_images_that_no_json_lists_are_told(coco: Path) -> None:
    save(photo(77), coco / "train2017" / "stray.jpg")
    assert "1 images are in no JSON and are left out" in assert_street(coco, train=4, val=2).note


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        ({"category_id": 99}, r"annotation 1 has category_id 99, which is no category; there are 5, 15, 25"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, r"annotation 1: a polygon has 7 numbers, an odd count"),
        ({"segmentation": "x"}, r"annotation 1: its segmentation is 'x'; expected polygons or a run-length mask"),
        ({"segmentation": {"size": [3, 3], "counts": [9]}}, r"a run-length mask is 3 x 3, its frame is 64 x 48"),
        ({"segmentation": {"size": [48, 64], "counts": [9]}}, r"annotation 1: a run-length mask's runs are 9 pixels"),
    ],
)
def test_a_wrong_object_is_an_error_of_its_frame_alone(coco: Path, annotation: dict[str, Any], problem: str) -> None:
    path = coco / "annotations" / "instances_train2017.json"
    whole = json.loads(path.read_text())
    whole["annotations"][0] |= annotation
    path.write_text(json.dumps(whole))
    dataset = open_dataset(coco)
    with pytest.raises(DatasetError, match=rf"instances_train2017\.json, image 0 \(0+\.jpg\): {problem}"):
        dataset.read_label(dataset.pairs("train")[0])
    for pair in (*dataset.pairs("train")[1:], *dataset.pairs("val")):
        dataset.read_label(pair)
    assert check_dataset(dataset).count("error") == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"images": None}, "has no list of objects 'images'"),
        ({"images": [1]}, "has no list of objects 'images'"),
        ({"annotations": {}}, "has no list of objects 'annotations'"),
        ({"categories": [{"id": 1}]}, "a category has no name or no id"),
        ({"categories": [{"id": 5, "name": "a"}, {"id": 5, "name": "b"}]}, "gives the id 5 to two categories"),
        ({"images": [{"id": 1}]}, "an image has no file_name or no id"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "gives the id 1 to two images"),
        ({"images": []}, "lists no images"),
    ],
)
def test_a_json_that_is_wrong_as_a_whole_is_one_line(tmp_path: Path, fields: dict[str, Any], problem: str) -> None:
    path = write_json(content(range(2), POLYGONS), tmp_path / "instances.json")
    changed(path, **fields)
    with pytest.raises(DatasetError, match=problem) as caught:
        open_dataset(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_json_that_is_cut_off_is_one_line(coco: Path) -> None:
    path = coco / "annotations" / "instances_train2017.json"
    path.write_text(path.read_text()[:-50])
    with pytest.raises(DatasetError, match=r"instances_train2017\.json cannot be read as JSON: .*; export it again"):
        open_dataset(coco)


def test_sizes_that_do_not_fit_are_told(coco: Path) -> None:
    path = coco / "annotations" / "instances_train2017.json"
    whole = json.loads(path.read_text())
    whole["images"][0] |= {"width": 10**7}
    whole["images"][1] |= {"width": 32}
    path.write_text(json.dumps(whole))
    dataset = open_dataset(coco)
    with pytest.raises(DatasetError, match=r"given as 10000000 x 48, which no picture has"):
        dataset.read_label(dataset.pairs("train")[0])
    report = check_dataset(dataset)
    assert report.count("error") >= 1


def test_sizes_may_be_missing_and_ids_may_be_texts(tmp_path: Path) -> None:
    for i in range(5):
        save(photo(i), tmp_path / "images" / f"f{i}.jpg")
    whole = content(range(5), POLYGONS, "f{}.jpg")
    for image in whole["images"]:
        del image["width"], image["height"]
        image["id"] = str(image["id"])
    write_json(whole, tmp_path / "annotations.json")
    assert_street(tmp_path, train=4, val=1)


def test_a_test_split_may_have_no_annotations(coco: Path) -> None:
    save(photo(9), coco / "test2017" / "000000000009.jpg")
    whole = content(range(9, 10), {})
    del whole["annotations"]
    write_json(whole, coco / "annotations" / "instances_test2017.json")
    dataset = assert_street(coco, train=4, val=2, test=1)
    assert dataset.pairs("test")[0].label is None


def test_what_convert_writes_is_read_back(tmp_path: Path) -> None:
    from streetseg.data.convert import convert_dataset

    root = write(tmp_path / "coco", segments=MIXED)
    convert_dataset(root, tmp_path / "again", to="coco")
    assert_street(tmp_path / "again", train=4, val=2)
