"""JSON files with random damage: every one is read, or told in one line."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.data.datasets import open_dataset
from streetseg.errors import StreetsegError
from tests.data import test_coco, test_label_studio, test_labelme, test_polygon_files, test_supervisely
from tests.data.test_encoded_masks import BLOCK_BY_LABEL_STUDIO, BLOCK_BY_SUPERVISELY
from tests.support.own_data import HEIGHT, WIDTH, photo, save
from tests.support.shapes import write_json

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("error")]

# What may stand anywhere in a file of a stranger.
NONSENSE: list[Any] = [
    None, True, -1, 0, 1.5, 1e308, float("nan"), float("inf"), 10**30, "", "x", "x" * 5000, "\x00", "a\nb", "\ud800",
    "../../etc/passwd", "images/", [], [[]], [None], ["x"], [[1, 2]], {}, {"a": 1},
]  # fmt: skip
ROUNDS = 60


def places(content: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of keys and numbers to each value, of long lists to the first values."""
    if here:
        yield here
    inner = enumerate(content[:8]) if isinstance(content, list) else ()
    for key, value in content.items() if isinstance(content, dict) else inner:
        yield from places(value, (*here, key))


def with_damage(content: Any, rng: random.Random) -> Any:
    """Return a copy in which one value is missing, or is nonsense."""
    whole = copy.deepcopy(content)
    *above, last = rng.choice(list(places(whole)))
    inner = whole
    for key in above:
        inner = inner[key]
    if isinstance(inner, dict) and rng.random() < 0.2:
        del inner[last]
    else:
        inner[last] = rng.choice(NONSENSE)
    return whole


def frames(root: Path, name: str) -> None:
    for i in range(2):
        save(photo(i), root / name.format(i))


def coco(root: Path) -> dict[Path, Any]:
    frames(root, "{:012}.jpg")
    return {root / "instances.json": test_coco.content(range(2), test_coco.MIXED)}


def label_studio(root: Path) -> dict[Path, Any]:
    frames(root, "f{}.jpg")
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    values: list[dict[str, Any]] = [
        {"x": 1, "y": 1, "width": 5, "height": 5, "rotation": 3, "rectanglelabels": ["car"]},
        {"x": 1, "y": 1, "radiusX": 5, "radiusY": 5, "rotation": 3, "ellipselabels": ["car"]},
    ]
    stroke = {"rle": BLOCK_BY_LABEL_STUDIO, "brushlabels": ["car"]}
    brush = {"original_width": 40, "original_height": 24, "value": stroke}
    result = [*test_label_studio.RESULT, *({"value": value} | size for value in values)]
    tasks = [test_label_studio.task(0, "f0.jpg", result), test_label_studio.task(1, "f1.jpg", [brush])]
    return {root / "export.json": tasks}


def labelme(root: Path) -> dict[Path, Any]:
    frames(root, "f{}.jpg")
    shapes = [
        *test_labelme.SHAPES,
        test_labelme.shape("sun", [[50, 10], [50, 16]], "circle"),
        test_labelme.shape("lane", [[0, 30], [40, 30]], "linestrip"),
        test_labelme.shape("mask", [[1, 1], [25, 12]], "mask", mask=BLOCK_BY_SUPERVISELY),
    ]
    return {root / f"f{i}.json": test_labelme.content(f"f{i}.jpg", shapes) for i in range(2)}


def supervisely(root: Path) -> dict[Path, Any]:
    test_supervisely.write(root)
    bitmap = {"data": BLOCK_BY_SUPERVISELY, "origin": [5, 6]}
    objects = [
        *test_supervisely.OBJECTS,
        {"classTitle": "car", "geometryType": "bitmap", "bitmap": bitmap},
        test_supervisely.thing("sky", "rectangle", [[0, 0], [40, 24]]),
    ]
    meta = root / "meta.json"
    return {
        meta: json.loads(meta.read_text()),
        root / "train" / "ann" / "f0.png.json": test_supervisely.annotation(objects),
    }


def cityscapes(root: Path) -> dict[Path, Any]:
    test_polygon_files.write(root, ("aachen", "munster"))
    folder = root / "gtFine" / "train" / "aachen"
    return {folder / "aachen_000000_gtFine_polygons.json": test_polygon_files.content(test_polygon_files.OBJECTS)}


@pytest.mark.parametrize("write", [coco, label_studio, labelme, supervisely, cityscapes])
def test_damage_is_told_in_one_line(tmp_path: Path, write: Any) -> None:
    rng = random.Random(0)
    contents = write(tmp_path)
    kind = write.__name__.replace("_", "-")
    read, messages = 0, []
    for _ in range(ROUNDS):
        for path, content in contents.items():
            write_json(content, path)
        chosen = rng.choice(list(contents))
        chosen.write_text(json.dumps(with_damage(contents[chosen], rng)), encoding="utf-8")
        try:
            dataset = open_dataset(tmp_path, kind)
        except StreetsegError as error:
            messages.append(str(error))
            continue
        for pair in (pair for pairs in dataset.splits.values() for pair in pairs):
            try:
                label = dataset.read_label(pair)
            except StreetsegError as error:
                messages.append(str(error))
            else:
                assert label.dtype == np.uint8
                read += 1
    assert not [message for message in messages if "\n" in message]
    assert read > ROUNDS / 2
