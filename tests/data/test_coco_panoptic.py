"""COCO panoptic: PNGs of segments and their JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.support.own_data import HEIGHT, NAMES, WIDTH, photo, save, street
from tests.support.shapes import assert_street, shares, write_json

NUMBERS = np.array([3_000_000, 70_000, 9], np.uint32)  # of the segments: all three bytes are used


@pytest.fixture
def panoptic(tmp_path: Path) -> Path:
    numbers = NUMBERS[street()]
    colours = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], -1).astype(np.uint8)
    for split, frames in (("train", range(3)), ("val", range(3, 5))):
        for i in frames:
            save(photo(i), tmp_path / f"{split}2017" / f"{i:012}.png")
            save(colours, tmp_path / "annotations" / f"panoptic_{split}2017" / f"{i:012}.png")
        segments = [
            {"id": int(number), "category_id": 10 * k, "iscrowd": 0, "area": 5} for k, number in enumerate(NUMBERS)
        ]
        content = {
            "images": [{"id": i, "file_name": f"{i:012}.png", "width": WIDTH, "height": HEIGHT} for i in frames],
            "annotations": [{"image_id": i, "file_name": f"{i:012}.png", "segments_info": segments} for i in frames],
            "categories": [
                {"id": 10 * k, "name": name, "isthing": 0, "color": [k, 9, 200]} for k, name in enumerate(NAMES)
            ],
        }
        write_json(content, tmp_path / "annotations" / f"panoptic_{split}2017.json")
    return tmp_path


def test_segments_become_their_categories(panoptic: Path) -> None:
    dataset = assert_street(panoptic, train=3, val=2)
    assert dataset.kind == "coco-panoptic"
    assert dataset.labels.colours == ((0, 9, 200), (1, 9, 200), (2, 9, 200))
    assert dataset.pairs("train")[0].image.parent.name == "train2017"


def test_number_0_is_void(panoptic: Path) -> None:
    path = panoptic / "annotations" / "panoptic_train2017" / f"{0:012}.png"
    save(np.zeros((HEIGHT, WIDTH, 3), np.uint8), path)
    assert shares(open_dataset(panoptic)) == {"void": 1}


def test_segments_that_the_json_lacks_are_told(panoptic: Path) -> None:
    path = panoptic / "annotations" / "panoptic_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segments_info"].pop()
    content["annotations"][1]["segments_info"][0]["category_id"] = 5
    path.write_text(json.dumps(content))
    dataset = open_dataset(panoptic)
    first, second, _ = dataset.pairs("train")
    with pytest.raises(DatasetError, match=r"0+\.png: 280 pixels have the number 9 or others that the JSON does not"):
        dataset.read_label(first)
    with pytest.raises(DatasetError, match=r"1\.png: segment 3000000 has category_id 5: no category"):
        dataset.read_label(second)


def test_instances_beside_it_ask_for_a_choice(panoptic: Path) -> None:
    content = json.loads((panoptic / "annotations" / "panoptic_val2017.json").read_text())
    instances = content | {
        "annotations": [{"id": 1, "image_id": 3, "category_id": 0, "segmentation": [[0, 0, 9, 0, 9, 9]]}]
    }
    write_json(instances, panoptic / "annotations" / "instances_val2017.json")
    with pytest.raises(DatasetError, match="could be coco or coco-panoptic; choose one with --dataset"):
        open_dataset(panoptic)
    assert open_dataset(panoptic, "coco").kind == "coco"
    assert_street(open_dataset(panoptic, "coco-panoptic"), train=3, val=2)


def test_missing_pngs_are_told(panoptic: Path) -> None:
    folder = panoptic / "annotations" / "panoptic_train2017"
    (folder / f"{1:012}.png").unlink()
    with pytest.raises(DatasetError, match=r"0+1\.png has no label: .* is missing \(1 missing in all\)"):
        open_dataset(panoptic)
    folder.rename(panoptic / "elsewhere")
    with pytest.raises(DatasetError, match=r"panoptic_train2017\.json has no masks; put its PNGs into"):
        open_dataset(panoptic)
