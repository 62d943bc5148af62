"""A messy folder becomes weights in three commands after the first message."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.models.weights import open_weights
from tests.support.mask_data import COLOURS, frame, label, write

pytestmark = pytest.mark.slow

SUFFIXES = (".jpg", ".JPG", ".jpeg", ".png", ".PNG")
SMALL = ["batch=4", "crop=64,64", "iterations=2", "warmup_iterations=1", "checkpoint_every=2"]
TRAIN = ["train", "--recipe", "ddrnet_23_slim_camvid", *(part for field in SMALL for part in ("--set", field))]


def enlarged(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.repeat(4, 0).repeat(4, 1))


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """RGB masks, mixed suffixes, names with blanks and umlauts, two classes misspelt, five masks missing."""
    root = tmp_path / "my data"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(15):
        enlarged(frame(i)).save(root / "images" / f"Straße größe {i}{SUFFIXES[i % 5]}")
        if i % 3:
            enlarged(COLOURS[label()]).save(root / "masks" / f"Straße größe {i}{'.png' if i % 2 else '.PNG'}")
    write("name,r,g,b\nsky,70,130,180\nraod,128,64,128\ncra,0,0,142\n", root / "class_dict.csv")
    return root


def test_a_messy_folder_is_trained_on(messy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, run = tmp_path / "clean", tmp_path / "run"
    assert main([*TRAIN, "--data", str(messy), "--out", str(run)]) == 2
    assert "(5 missing in all); copy them to their places, or let streetseg data convert" in capsys.readouterr().err
    assert main(["data", "init", str(messy)]) == 0
    told = capsys.readouterr().out
    assert "'raod' may be 'road' misspelt" in told
    assert "'cra' may be 'car' misspelt" in told
    assert main(["data", "convert", str(messy), "--out", str(out), "--map", "raod=road,cra=car"]) == 0
    assert "5 left out" in capsys.readouterr().out
    assert main([*TRAIN, "--data", str(out), "--out", str(run)]) == 0
    (weights,) = run.glob("*.safetensors")
    assert open_weights(weights)[1].classes == ("sky", "road", "car")


def test_without_names_the_first_message_is_the_remedy(messy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (messy / "class_dict.csv").unlink()
    assert main(["data", "check", str(messy)]) == 2
    told = capsys.readouterr().err
    assert f"run streetseg data init {shlex.quote(str(messy))}" in told
    assert main(["data", "init", str(messy)]) == 0
    assert "name: car" in (messy / "classes.yaml").read_text()
