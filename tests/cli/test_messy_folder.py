"""A messy folder gets to a trained model in three commands after the first message.

Colour masks without a class file that reads them, mixed suffixes, names with blanks and umlauts (composed and not), two
classes misspelt, five masks missing.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data.datasets import open_dataset
from streetseg.models.weights import open_weights
from streetseg.streets.scene import render
from tests.support.command_line import Run
from tests.support.own_data import Bytes

pytestmark = pytest.mark.slow

SIZE = (96, 128)
COLOURS: dict[str, tuple[int, int, int]] = {
    "Himmel": (10, 20, 200), "Gebäude": (90, 90, 90), "Straße": (200, 30, 180), "Fußgänger": (240, 240, 10),
    "Auto": (10, 200, 40),
}  # fmt: skip
MISSPELT = {"Strasse ": (201, 30, 184), "Gebaeude": (90, 94, 90)}
CLASSES = [*COLOURS.values(), *MISSPELT.values()]
# CamVid's 11 classes -> a place in CLASSES.
MEANT = np.array([0, 1, 1, 2, 2, 1, 1, 1, 4, 3, 3], np.uint8)


def painted(label: Bytes, number: int) -> Bytes:
    """The colours of a mask; in every third one road and buildings have the colours of the misspelt classes."""
    index = MEANT[np.minimum(label, 10)]
    if number % 3 == 0:
        index = np.where(index == 2, 5, np.where(index == 1, 6, index))
    colours: Bytes = np.array(CLASSES, np.uint8)[index]
    return colours


def write_messy(root: Path, class_file: bool) -> None:
    """Write 24 images, 19 masks, and where asked a table of classes with two of them misspelt."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(24):
        scene = render(number, SIZE)
        name = f"Straße nach Köln {number:02d}"
        image = Image.fromarray(scene.frame)
        image.save(root / "images" / f"{name}{('.jpg', '.PNG', '.jpeg', '.JPG', '.png')[number % 5]}")
        if number % 5 == 4 or number == 0:
            continue
        spelt = unicodedata.normalize("NFD" if number % 2 else "NFC", name)
        ending = ("_mask.png", ".png", "_label.PNG")[number % 3]
        Image.fromarray(painted(scene.label, number)).save(root / "masks" / f"{spelt}{ending}")
    if class_file:
        rows = [f"{name.strip()},{r},{g},{b}" for name, (r, g, b) in (COLOURS | MISSPELT).items()]
        (root / "class_dict.csv").write_text("\n".join(["name,r,g,b", *rows]) + "\n", encoding="utf-8")


SMALL = ["--set", "iterations=2", "--set", "batch=2", "--set", "crop=64,64", "--set", "evaluate_every=0"]
TRAIN = ["train", "--recipe", "ddrnet_23_slim_camvid", *SMALL, "--set", "warmup_iterations=1", "--init", ""]


def trained(run: Run, clean: Path, out: Path) -> tuple[str, ...]:
    """Train two steps; return the classes of the weights."""
    code, lines, errors = run(*TRAIN, "--data", clean, "--out", out)
    assert code == 0, (lines, errors)
    (weights,) = out.glob("*.safetensors")
    return open_weights(weights)[1].classes


def test_with_a_class_file_whose_names_are_misspelt(tmp_path: Path, run: Run) -> None:
    messy, clean = tmp_path / "Meine Fahrt", tmp_path / "clean"
    write_messy(messy, class_file=True)
    code, _, errors = run(*TRAIN, "--data", messy, "--out", tmp_path / "run")
    assert code == 2
    assert "(5 missing in all)" in errors[-1]
    assert f"streetseg data convert '{messy}' --out DIR" in errors[-1]

    code, lines, _ = run("data", "check", messy)
    assert code == 1
    text = "\n".join(lines)
    assert "5 of 24 images have no mask" in text
    assert "'Strasse' may be 'Straße' misspelt" in text
    assert "'Gebaeude' may be 'Gebäude' misspelt" in text
    merged = "Strasse=Straße,Gebaeude=Gebäude"
    code, lines, _ = run("data", "convert", messy, "--map", merged, "--val", "0.2", "--out", clean)
    assert code == 0
    assert "left out: 5 of 24 images have no mask" in lines[0]
    assert trained(run, clean, tmp_path / "run") == tuple(COLOURS)
    assert sum(len(pairs) for pairs in open_dataset(clean).splits.values()) == 18  # one frame lies between the splits


def test_without_a_class_file(tmp_path: Path, run: Run) -> None:
    messy, clean = tmp_path / "Meine Fahrt", tmp_path / "clean"
    write_messy(messy, class_file=False)
    code, _, errors = run(*TRAIN, "--data", messy, "--out", tmp_path / "run")
    assert code == 2
    assert f"streetseg data init '{messy}'" in errors[-1]

    code, lines, _ = run("data", "init", messy)
    assert code == 0
    assert sum("have nearly one colour" in line for line in lines) == 2
    assert any("5 images have no mask" in line for line in lines)
    names = open_dataset_names(messy)
    assert len(names) == 7
    twins = [line.split("'") for line in lines if "have nearly one colour" in line]
    merged = ",".join(f"{line[3]}={line[1]}" for line in twins)
    code, lines, _ = run("data", "convert", messy, "--map", merged, "--out", clean)
    assert code == 0
    assert len(trained(run, clean, tmp_path / "run")) == 5


def open_dataset_names(root: Path) -> tuple[str, ...]:
    """Return the names in classes.yaml."""
    import yaml

    content = yaml.safe_load((root / "classes.yaml").read_text(encoding="utf-8"))
    return tuple(entry["name"] for entry in content["classes"])
