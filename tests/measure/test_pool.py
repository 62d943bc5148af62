"""Evaluations of parts, pooled, are the evaluation of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streetseg.cli import main


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
        ([train, other], "differ in views; pool evaluations of one kind"),
        ([train, val.with_name("classes.csv")], "classes.csv is no result of streetseg evaluate"),
        ([train, tmp_path / "nameless.json"], "nameless.json is no result of streetseg evaluate"),
        ([tmp_path / "none.json"], "none.json cannot be read: No such file or directory"),
    ):
        capsys.readouterr()
        assert main(["pool", *map(str, given)]) == 2
        errors = capsys.readouterr().err
        assert complaint in errors
        assert len(errors.splitlines()) == 1
