"""From another code base's checkpoint to weights of ours, and on to pictures; mistakes are refused in one line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from streetseg.cli import main
from streetseg.export.convert import convert
from streetseg.models.weights import open_weights
from streetseg.runtime.artefact import read_card
from streetseg.streets.scene import render
from tests.support.checkpoints import filled, save
from tests.support.reference_rules import Reference


def test_a_conversion_says_what_it_took(tmp_path: Path) -> None:
    checkpoint = save(tmp_path / "x.pth", Reference("ddrnet-23-slim-cls").state_dict())
    out = tmp_path / "x.safetensors"
    converted = convert(str(checkpoint), out=str(out), classes=["road", "sky"])
    network, card = open_weights(out)
    assert json.loads(converted.to_json()) == {
        "path": str(out),
        "source": "x.pth",
        "network": "ddrnet_23_slim",
        "origin": "ydhongHIT/DDRNet",
        "classes": ["road", "sky"],
        "taken": converted.taken,
        "left_out": {"down5": 12, "last_layer": 6, "linear": 2},
        "untrained": dict(converted.untrained),
        "part": "",
        "not_taken": [],
        "notes": [],
    }
    assert converted.taken + sum(converted.untrained.values()) == len(network.state_dict())
    assert converted.untrained.keys() == {"context", "head"}
    assert card.classes == converted.classes == ("road", "sky")
    assert "train it before use" in converted.table()
    assert convert(checkpoint, out=out, classes=3).classes == ("class_0", "class_1", "class_2")


@pytest.mark.slow
def test_from_a_checkpoint_to_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = Reference("mmseg-bisenetv2").state_dict()
    checkpoint = save(tmp_path / "x.pth", {"meta": {"epoch": 160000}, "state_dict": theirs})
    weights, photo = tmp_path / "x.safetensors", tmp_path / "photo.png"
    Image.fromarray(render(0, (64, 96)).frame).save(photo)
    assert main(["convert", str(checkpoint), "--out", str(weights)]) == 0
    output = capsys.readouterr().out
    assert "bisenetv2 as open-mmlab/mmsegmentation has it" in output
    assert "auxiliary_head (56)" in output
    assert main(["export", str(weights)]) == 0
    arguments = ["--weights", str(tmp_path / "x.onnx"), "--out", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert main(["predict", str(photo), *arguments]) == 0
    with Image.open(tmp_path / "out" / "photo_classes.png") as image:
        assert image.size == (96, 64)


@pytest.mark.slow
def test_averaged_weights_are_told(tmp_path: Path) -> None:
    checkpoint = save(tmp_path / "x.pth", {"net": filled(0.25), "ema_net": filled(0.5)})
    out = tmp_path / "x.safetensors"
    converted = convert(checkpoint, out=out)
    assert "taken: the averaged weights, ema_net; not taken: net (--part NAME takes another)" in converted.table()
    assert (converted.part, converted.not_taken) == ("ema_net", ("net",))
    assert open_weights(out)[0].state_dict()["head.weight"].flatten()[0].item() == 0.5
    assert "not taken: ema_net" in convert(checkpoint, out=out, part="net").table()
    assert open_weights(out)[0].state_dict()["head.weight"].flatten()[0].item() == 0.25


NAMES = tuple(f"kind {index}" for index in range(19))
PALETTE = tuple((index, 2 * index, 255 - index) for index in range(19))


@pytest.mark.parametrize(
    "meta",
    [
        {"meta": {"CLASSES": NAMES, "PALETTE": [list(colour) for colour in PALETTE], "epoch": 3}},
        {"meta": {"dataset_meta": {"classes": NAMES, "palette": PALETTE}}},
        {"meta": {"dataset_meta": {"CLASSES": list(NAMES), "PALETTE": PALETTE}}},
        {"hyper_parameters": argparse.Namespace(data={"class_names": list(NAMES), "palette": PALETTE})},
        {"names": dict(enumerate(NAMES)), "colors": PALETTE},
    ],
)
def test_class_names_in_the_checkpoint_go_to_the_card(tmp_path: Path, meta: dict[str, object]) -> None:
    checkpoint = save(tmp_path / "x.pth", {"state_dict": filled(0.25), **meta})
    out = tmp_path / "x.safetensors"
    converted = convert(checkpoint, out=out)
    assert converted.classes == NAMES
    assert "class names and colours are those in the checkpoint's" in converted.table()
    assert read_card(out).colours == PALETTE
    assert convert(checkpoint, out=out, classes="cityscapes").classes[0] == "road"


def test_class_counts_that_differ_are_told_with_both_sides(tmp_path: Path) -> None:
    checkpoint = save(tmp_path / "x.pth", {"state_dict": filled(0.25), "meta": {"CLASSES": ("road", "sky")}})
    converted = convert(checkpoint, out=tmp_path / "x.safetensors")
    assert "meta.classes in the checkpoint names 2 classes and its last layer has 19" in converted.table()
    assert converted.classes[0] == "road"
    converted = convert(checkpoint, out=tmp_path / "x.safetensors", classes=["road", "sky"])
    assert "the checkpoint has 19 classes and --classes 2: its last layer is not taken" in converted.table()
    assert converted.untrained.keys() == {"head"}


def one_logit(fixture: str) -> dict[str, Tensor]:
    """A checkpoint with the first row of its last layers alone, as a sigmoid's is."""
    tensors = Reference(fixture).state_dict()
    return {key: tensor[:1] if ".conv_seg." in key else tensor for key, tensor in tensors.items()}


@pytest.mark.slow
def test_mistakes_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = save(tmp_path / "x.pth", Reference("stdc1-cls").state_dict())
    out = ["--out", str(tmp_path / "x.safetensors")]
    for arguments, expected in (
        ([], "--classes"),
        (["--operating-scale", "5"], "at most 4"),
        (["--classes", "camvit"], "unknown classes 'camvit'; give a dataset"),
        (["--network", "stdc2"], "it fits stdc1"),
    ):
        assert main(["convert", str(checkpoint), *out, *arguments]) == 2
        assert expected in capsys.readouterr().err
    one = save(tmp_path / "one.pth", one_logit("mmseg-ddrnet-23-slim"))
    for options in ([], ["--classes", "1"]):
        assert main(["convert", str(one), *out, *options]) == 2
        assert "one logit a pixel, for a threshold" in capsys.readouterr().err
    one.unlink()
    assert main(["convert", str(checkpoint), "--out", str(tmp_path / "x.onnx")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pth"]
    itself = tmp_path / "x.safetensors"
    checkpoint.rename(itself)
    content = itself.read_bytes()
    assert main(["convert", str(itself), "--out", str(itself), "--classes", "camvid"]) == 2
    assert "is the checkpoint itself; choose another name" in capsys.readouterr().err
    assert itself.read_bytes() == content
