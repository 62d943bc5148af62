"""Label Studio's JSON, JSON-MIN and masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.data.test_encoded_masks import BLOCK_BY_LABEL_STUDIO, block
from tests.support.own_data import HEIGHT, NAMES, WIDTH, photo, save, street
from tests.support.shapes import OUTLINES, Corners, assert_street, shares, write_json


def region(name: str, corners: Corners, **fields: Any) -> dict[str, Any]:
    """Return a polygon as Label Studio writes it: per cent of the picture."""
    points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in corners]
    value = {"points": points, "closed": True, "polygonlabels": [name]}
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return (
        {"id": name, "type": "polygonlabels", "from_name": "label", "to_name": "image", "value": value} | size | fields
    )


RESULT = [region(name, corners) for name, corners in OUTLINES.items()]


def task(number: int, image: str, *results: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return a task with an annotation for each result."""
    annotations = [
        {"id": 100 * number + i, "completed_by": 1, "was_cancelled": False, "result": result}
        for i, result in enumerate(results)
    ]
    return {"id": number, "annotations": annotations, "predictions": [], "data": {"image": image}} | fields


def write(root: Path, address: str = "/data/local-files/?d=images/f{}.jpg", name: str = "f{}.jpg") -> Path:
    for i in range(5):
        save(photo(i), root / "images" / name.format(i))
    write_json([task(i, address.format(i), RESULT) for i in range(5)], root / "project-1-at-2026-11-30.json")
    return root


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/local-files/?d=images/f{}.jpg", "f{}.jpg"),
        ("/data/local-files/?d=town%2Fimages%5Cf%20{}%C3%BC.jpg", "f {}ü.jpg"),
        ("/data/upload/3/8a7b6c5d-f{}.jpg", "f{}.jpg"),
        ("/data/upload/3/8a7b6c5d-f{}.jpg", "8a7b6c5d-f{}.jpg"),
        ("s3://bucket/drive/f{}.jpg", "f{}.jpg"),
        ("https://example.org/a/f{}.jpg?X-Amz-Signature=12", "f{}.jpg"),
        ("C:\\drive\\f{}.jpg", "f{}.jpg"),
    ],
)
def test_polygons_are_drawn_and_images_found_by_the_end_of_their_address(
    tmp_path: Path, address: str, name: str
) -> None:
    dataset = assert_street(write(tmp_path, address, name), train=4, val=1)
    assert dataset.kind == "label-studio"
    assert dataset.labels.names == NAMES


def test_json_min_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    tasks = []
    for i in range(5):
        size = {"original_width": WIDTH, "original_height": HEIGHT}
        tasks.append(
            {"image": f"/data/upload/1/12345678-f{i}.jpg", "id": i, "label": [one["value"] | size for one in RESULT],
             "annotator": 1, "annotation_id": 7, "created_at": "2026-11-30", "lead_time": 3.5}
        )  # fmt: skip
    (tmp_path / "project-1-at-2026-11-30.json").unlink()
    write_json(tasks, tmp_path / "min.json")
    assert_street(tmp_path, train=4, val=1)


def test_a_label_may_be_an_entry_of_its_own(tmp_path: Path) -> None:
    """<Labels> with <Polygon>: two entries of one id, of which the second has the label."""
    write(tmp_path)
    result = []
    for one in RESULT:
        points = one["value"]["points"]
        result.append(one | {"type": "polygon", "value": {"points": points, "closed": True}})
        result.append(one | {"type": "labels", "value": {"points": points, "labels": one["value"]["polygonlabels"]}})
    result.append({"id": "c", "type": "choices", "value": {"choices": ["night"]}})
    result.append({"type": "relation", "from_id": "sky", "to_id": "car"})
    write_json([task(i, f"f{i}.jpg", result) for i in range(5)], tmp_path / "project-1-at-2026-11-30.json")
    assert_street(tmp_path, train=4, val=1)


def test_brush_strokes_rectangles_and_ellipses_are_drawn(tmp_path: Path) -> None:
    size = {"original_width": 40, "original_height": 24}
    brush = {"format": "rle", "rle": BLOCK_BY_LABEL_STUDIO, "brushlabels": ["car"]}
    whole = {"x": 0, "y": 0, "width": 100, "height": 100, "rotation": 0, "rectanglelabels": ["road"]}
    turned = {"x": 10, "y": 0, "width": 10, "height": 12.5, "rotation": 90, "rectanglelabels": ["sky"]}
    round_ = {"x": 87.5, "y": 12.5, "radiusX": 5, "radiusY": 25 / 3, "rotation": 0, "ellipselabels": ["sign"]}
    result = [
        size | {"id": key, "value": value} for key, value in zip("abcd", (whole, brush, turned, round_), strict=True)
    ]
    for i in range(2):
        save(np.full((24, 40, 3), 50 * i, np.uint8), tmp_path / f"{i}.png")
    write_json([task(i, f"{i}.png", result) for i in range(2)], tmp_path / "export.json")
    dataset = open_dataset(tmp_path)
    label = dataset.read_label(dataset.pairs("train")[0])
    road, car, sky, sign = (label == dataset.labels.names.index(name) for name in ("road", "car", "sky", "sign"))
    np.testing.assert_array_equal(car, block())
    expected = np.zeros((24, 40), bool)
    expected[0:4, 1:4] = True  # 4 wide and 3 high about the corner (4, 0), turned by 90 degrees: to the left and down
    np.testing.assert_array_equal(sky, expected)
    assert sign[3, 35]
    assert 0.8 < sign.sum() / (np.pi * 4) < 1.2
    assert (road | car | sky | sign).all()


def test_the_annotation_that_counts(tmp_path: Path) -> None:
    """Ground truth before the last change before the last one; skipped ones never."""
    write(tmp_path)
    wrong = [region("car", OUTLINES["sky"])]
    cases = [
        task(0, "f0.jpg", wrong, RESULT),
        task(1, "f1.jpg", RESULT, wrong),
        task(2, "f2.jpg", RESULT, wrong),
        task(3, "f3.jpg", RESULT, wrong),
        task(4, "f4.jpg"),
    ]
    cases[1]["annotations"][0]["ground_truth"] = True
    cases[2]["annotations"][0]["updated_at"] = "2026-11-30T10:00:00Z"
    cases[2]["annotations"][1]["updated_at"] = "2026-11-29T10:00:00Z"
    cases[3]["annotations"][1]["was_cancelled"] = True
    write_json(cases, tmp_path / "project-1-at-2026-11-30.json")
    dataset = assert_street(tmp_path, train=3, val=1)
    assert "1 of 5 frames have no shape and are left out" in dataset.note
    assert "3 tasks have several annotations, of which the ground truth or else the last one counts" in dataset.note


def test_images_that_are_missing_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "images" / "f1.jpg").unlink()
    assert "1 listed images are not there" in assert_street(tmp_path, train=3, val=1).note
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"lists 5 tasks and none of their images is below .*put the images there"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image_rotation": 90}, "the image was turned by 90 degrees for labelling"),
        ({"value": {"rle": [1, 2], "brushlabels": ["sky"]}}, "region sky: a brush's rle is not a list of bytes"),
        ({"value": {"points": [[1], [2]], "polygonlabels": ["sky"]}}, "region sky: a polygon's corners have the shape"),
        ({"value": {"x": 1, "y": "a", "width": 1, "height": 1, "rectanglelabels": ["sky"]}}, "region sky: could not"),
    ],
)
def test_a_wrong_region_is_an_error_of_its_task_alone(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = write(tmp_path) / "project-1-at-2026-11-30.json"
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"][0]["result"][0] |= change
    path.write_text(json.dumps(tasks))
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match=rf"2026-11-30\.json, task 0: {problem}"):
        dataset.read_label(dataset.pairs("train")[0])
    for pair in (*dataset.pairs("train")[1:], *dataset.pairs("val")):
        dataset.read_label(pair)


def test_masks_of_labels_find_images_that_are_named_by_tasks(tmp_path: Path) -> None:
    """`Brush labels to PNG` writes a mask for each label, and no images."""
    for i in range(1, 6):
        save(photo(i), tmp_path / "images" / f"photo{i}.png")
        for k, name in enumerate(NAMES):
            mask = ((street() == k) * 255).astype(np.uint8)
            save(mask, tmp_path / f"task-{i}-annotation-{10 + i}-by-me@example.org-tag-{name}-0.png")
    with pytest.raises(DatasetError, match=r"masks of 5 tasks, whose names do not say .* the project as JSON, too"):
        open_dataset(tmp_path)
    for i in range(1, 6):
        (tmp_path / "images" / f"photo{i}.png").rename(tmp_path / "images" / f"{i}.png")
    dataset = assert_street(tmp_path, train=4, val=1)
    assert dataset.kind == "label-studio"
    write_json([task(i, f"{i}.png", RESULT) for i in range(1, 6)], tmp_path / "export.json")
    assert_street(tmp_path, train=4, val=1)


def test_a_second_mask_of_a_label_is_drawn_too(tmp_path: Path) -> None:
    for i in range(2):
        save(photo(i), tmp_path / f"task-{i}.png")
        for number, rows in enumerate((slice(0, 10), slice(20, 30))):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[rows] = 255
            save(mask, tmp_path / f"task-{i}-annotation-1-by-1-tag-traffic light-{number}.png")
            save(255 - mask, tmp_path / f"task-{i}-annotation-1-by-1-tag-a-b-{number + 2}.png")
    assert set(open_dataset(tmp_path).labels.names) == {"traffic light", "a-b"}
    assert shares(open_dataset(tmp_path)) == {"a-b": 1.0, "void": 0.0}
