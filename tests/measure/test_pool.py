"""Evaluations of parts, pooled, are the evaluation of the whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from streetseg.cli import main
from streetseg.errors import UsageError
from streetseg.measure.compare import compare
from streetseg.measure.pool import distinct_names, pool

pytestmark = pytest.mark.slow


def evaluated(camvid: Path, split: str, out: Path, *options: str) -> Path:
    command = ["evaluate", "ddrnet_23_slim-camvid", "--data", str(camvid), "--split", split, "--report", str(out)]
    assert main([*command, "--precision", "float32", "--worst", "0", *options]) == 0
    return out / "evaluation.json"


@pytest.fixture(scope="module")
def parts(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    return [evaluated(camvid, split, folder / split) for split in ("train", "val", "trainval")]


def test_parts_pooled_are_the_whole(parts: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    train, val, whole = parts
    assert main(["pool", str(train), str(val), "--json"]) == 0
    pooled, expected = json.loads(capsys.readouterr().out), json.loads(whole.read_text())
    assert pooled["frames"] == len({image["name"] for image in pooled["images"]}) == expected["frames"]
    for key in ("miou", "iou", "f1", "pixel_accuracy", "confusion", "pixels", "uncounted_pixels"):
        assert pooled[key] == expected[key], key
    assert pooled["weights"] == ", ".join([expected["weights"]] * 2)
    assert pooled["measured_on"].count("trained on") == 2
    assert main(["pool", str(train), str(val)]) == 0
    assert f"mIoU {100 * expected['miou']:.2f}" in capsys.readouterr().out


def test_files_of_one_name_keep_their_folders(parts: list[Path], tmp_path: Path) -> None:
    train, val, _ = parts
    assert pool([train, val]).setup.command == "streetseg pool train/evaluation.json val/evaluation.json"
    other = shutil.copy(val, tmp_path / "other.json")
    assert pool([train, other]).setup.command == "streetseg pool evaluation.json other.json"


def test_as_many_folders_tell_files_apart_as_it_takes() -> None:
    names = ["x/run/best.onnx", "y/run/best.onnx", "x/run/other.onnx", "y/run/best.onnx", "best.onnx"]
    assert distinct_names([Path(name) for name in names]) == [
        "x/run/best.onnx", "y/run/best.onnx", "other.onnx", "y/run/best.onnx", "best.onnx",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "key", "wrong"),
    [
        *(("file", key, None) for key in ("classes", "confusion", "images", "weights", "measured_on", "engine", "views",
                                          "left_out", "not_judged", "uncounted_pixels")),
        ("file", "classes", "x"), ("file", "classes", ["road", "road"]), ("file", "left_out", [1]),
        ("file", "confusion", [[1, 2]]), ("file", "confusion", [[1], [2, 3]]), ("file", "confusion", []),
        ("file", "uncounted_pixels", -1), ("file", "uncounted_pixels", 1.5), ("file", "images", []),
        ("image", "name", None), ("image", "name", ["x"]), ("image", "miou", "x"), ("image", "miou", 74.5),
        ("image", "pixel_accuracy", float("nan")), ("image", "confusion", [[11, 0, 5]]),
        ("image", "confusion", [[0, 0, -5]]), ("image", "confusion", [[0, 0, 1e30]]),
        ("image", "confusion", [[0, 0, 10**30]]), ("image", "confusion", []),
    ],
)  # fmt: skip
def test_an_edited_file_is_refused(parts: list[Path], tmp_path: Path, place: str, key: str, wrong: Any) -> None:
    """By pool and by compare, which read alike."""
    edited = tmp_path / "edited.json"
    found = json.loads(parts[1].read_text())
    (found if place == "file" else found["images"][0])[key] = wrong
    edited.write_text(json.dumps(found))
    for call in (lambda: pool([edited]), lambda: compare(edited, edited)):
        with pytest.raises(UsageError, match=r"edited\.json is not a result of streetseg evaluate") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_frame_counts_once(parts: list[Path], tmp_path: Path) -> None:
    edited = tmp_path / "edited.json"
    found = json.loads(parts[1].read_text())
    images = found["images"]
    for wrong, complaint in (([*images, images[0]], "occurs twice"), (images[1:], "do not add up to the confusion")):
        edited.write_text(json.dumps(found | {"images": wrong}))
        with pytest.raises(UsageError, match=complaint):
            pool([edited])


@pytest.mark.slow
def test_mistakes_are_one_line(
    parts: list[Path], camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, val, whole = parts
    other = evaluated(camvid, "val", tmp_path / "flip", "--flip")
    nameless = json.loads(val.read_text())
    del nameless["images"][0]["name"]
    (tmp_path / "nameless.json").write_text(json.dumps(nameless))
    for given, complaint in (
        ([train, whole], "is in several of the evaluations"),
        ([train, other], "differ in views; pool evaluations that agree in these"),
        ([train, val.with_name("classes.csv")], "classes.csv is not a result of streetseg evaluate"),
        ([train, tmp_path / "nameless.json"], "nameless.json is not a result of streetseg evaluate"),
        ([tmp_path / "none.json"], "none.json cannot be read: No such file or directory"),
    ):
        capsys.readouterr()
        assert main(["pool", *map(str, given)]) == 2
        errors = capsys.readouterr().err
        assert complaint in errors
        assert len(errors.splitlines()) == 1
