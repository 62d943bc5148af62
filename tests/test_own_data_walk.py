"""The walk of docs/own_data.md is gone, command by command, on rendered photos as two labelling tools export them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.runtime.artefact import read_card
from streetseg.streets.datasets import write_cvat
from tests.data.test_label_studio import RESULT, task
from tests.support import pages
from tests.support.own_data import photo, save
from tests.support.paths import ROOT
from tests.support.shapes import write_json

PAGE = ROOT / "docs" / "own_data.md"
DRIVES = ("city", "garage", "night out")
# What the page's runs would take minutes for.
QUICKLY = ["--crop", "64x64", "--batch", "2", "--epochs", "1"]


def cvat_export(root: Path, photos: Path) -> None:
    """Write six photos of three drives as CVAT exports them, and the photos alone."""
    write_cvat(root, {"default": 6}, size=(48, 64))
    names = {f"default_{number:04}": f"{DRIVES[number // 2]}_{number:03}" for number in range(6)}
    for path in [path for path in root.rglob("default_0*") if path.is_file()]:
        path.rename(path.with_name(names[path.stem] + path.suffix))
    for path in (root / "ImageSets").rglob("*.txt"):
        path.write_text(re.sub(r"default_\d+", lambda found: names[found[0]], path.read_text()))
    shutil.copytree(root / "JPEGImages", photos)


def label_studio_export(root: Path) -> None:
    """Write four photos of two drives and their polygons as Label Studio exports them."""
    names = [f"{drive}_{number}.jpg" for drive in ("hill", "lake") for number in range(2)]
    for number, name in enumerate(names):
        save(photo(number), root / "images" / name)
    tasks = [task(number, f"/data/upload/1/{name}", RESULT) for number, name in enumerate(names)]
    write_json(tasks, root / "project-1.json")


@pytest.mark.slow
def test_the_walk_leads_from_photos_to_class_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cvat_export(tmp_path / "cvat_export", tmp_path / "photos")
    label_studio_export(tmp_path / "label_studio_export")
    walked = []
    for command in pages.block_commands(PAGE):
        arguments = pages.streetseg_arguments(command)
        assert arguments, command
        assert main([*arguments, *(QUICKLY if arguments[0] == "train" else [])]) == 0, command
        walked.append(arguments[0])
    assert walked == ["data"] * 5 + ["train", "export", "evaluate", "train", "predict"]

    card = read_card(tmp_path / "tuned" / "finetune_best.onnx")
    assert "split train; started from weights trained on camvid" in card.training_data
    assert (tmp_path / "sheet.html").stat().st_size > 10_000
    assert (tmp_path / "report" / "report.html").exists()
    assert (tmp_path / "folds" / "pooled.json").exists()
    maps = sorted((tmp_path / "results").rglob("*_classes.png"))
    assert len(maps) == 6
    with Image.open(maps[0]) as image:
        assert image.size == (64, 48)
        assert np.asarray(image).max() < len(card.classes)
