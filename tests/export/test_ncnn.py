"""ncnn computes what the artefact does: each family's resizing, pooling and concatenations, at sizes of any kind."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.errors import ArtefactError, MissingExtraError, UsageError
from streetseg.export.equivalence import verify
from streetseg.export.ncnn import resizing_in, with_normalisation, with_resizing
from streetseg.export.targets import export
from streetseg.runtime.artefact import read_card
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from tests.support.paths import ROOT

pytest.importorskip("ncnn", reason="ncnn is not installed")

SHIPPED = {
    "ddrnet_23_slim": DEFAULT_WEIGHTS,
    **{name: ROOT / "weights" / f"{name}_camvid.onnx" for name in ("bisenetv2", "stdc1", "fassd_net_l2")},
}


def test_resizing_to_another_values_size() -> None:
    """pnnx leaves it as it is, with its parameters in another file only."""
    theirs = (
        "7767517\n3 3\npnnx.Input in0 0 1 0\n"
        "F.interpolate up_0 2 1 4 2 5 align_corners=True mode=bilinear $input=4 $size=2 #5=(1,8,?,?)f32\n"
        "F.interpolate up_1 2 1 5 2 6 mode=nearest $input=5 $size=2\n"
    )
    text = "7767517\n3 3\nInput in0 0 1 in0\nF.interpolate up_0 2 1 4 2 5\n"
    text += "ReLU up_2 1 1 5 6\nF.interpolate up_1 2 1 6 2 7\n"
    lines = with_resizing(text, resizing_in(theirs)).splitlines()
    assert lines[3].split() == ["Interp", "up_0", "2", "1", "4", "2", "5", "0=2", "5=1", "6=1"]
    assert lines[4] == "ReLU up_2 1 1 5 6"
    assert lines[5].split() == ["Interp", "up_1", "2", "1", "6", "2", "7", "0=1", "5=1"]


def test_normalisation_comes_first() -> None:
    text = "7767517\n3 4\nInput in0 0 1 in0\nSplit s 1 2 in0 a b\nConcat c 2 1 a in0 d 0=0\n"
    assert [line.split() for line in with_normalisation(text).splitlines()] == [
        ["7767517"],
        ["4", "5"],
        ["Input", "in0", "0", "1", "in0"],
        ["Scale", "normalise", "1", "1", "in0", "normalised", "0=3", "1=1"],
        ["Split", "s", "1", "2", "normalised", "a", "b"],
        ["Concat", "c", "2", "1", "a", "normalised", "d", "0=0"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_the_same_function(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pnnx", reason="pnnx is not installed")
    made = export(SHIPPED[name], to="ncnn", out=tmp_path / "net.param", precision="float32")
    assert made.difference is not None
    assert 0 < made.difference < 5e-5
    assert made.card.precision == "float32"
    assert made.card == read_card(made.path)
    ours, theirs = Segmenter.open(SHIPPED[name], precision="float32"), Segmenter.open(made.path, precision="float32")
    assert theirs.engine.name == "ncnn"
    frame = np.random.default_rng(0).integers(0, 256, (61, 45, 3), np.uint8)
    expected, logits = ours.logits(frame), theirs.logits(frame)
    assert np.abs(logits - expected).max() < 1e-4 * expected.std()
    assert (theirs(frame).classmap == ours(frame).classmap).mean() > 0.999


@pytest.mark.slow
def test_half_precision_is_verified_and_its_parts_belong_together(tmp_path: Path) -> None:
    pytest.importorskip("pnnx", reason="pnnx is not installed")
    source = SHIPPED["bisenetv2"]
    net = tmp_path / "net.param"
    made = export(source, out=net)
    assert {path.name for path in tmp_path.glob("net.*")} == {"net.param", "net.bin", "net.card.json"}
    weights = net.with_suffix(".bin")
    assert weights.stat().st_size < 1.02 * source.stat().st_size
    frame = tmp_path / "frame.png"
    with Image.open(ROOT / "docs" / "images" / "example.jpg") as example:
        example.resize((160, 120)).save(frame)
    verification = verify(net, against=source, frames=[frame], threads=1)
    assert verification.passed
    assert "net.param (ncnn, float16)" in verification.table()
    assert json.loads(net.with_suffix(".card.json").read_text()) == json.loads(made.card.to_json())

    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ArtefactError, match="is damaged"):
        Segmenter.open(net)
    weights.unlink()
    with pytest.raises(ArtefactError, match=r"net\.bin does not exist"):
        Segmenter.open(net)
    net.with_suffix(".card.json").unlink()
    with pytest.raises(ArtefactError, match=r"net\.param has no card beside it: net\.card\.json is missing"):
        Segmenter.open(net)


def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="ncnn stores weights in float16 or float32, not in int8"):
        export(DEFAULT_WEIGHTS, out=tmp_path / "a.param", precision="int8")
    int8 = ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx"
    with pytest.raises(ArtefactError, match="is int8, which pnnx does not convert; give the float artefact"):
        export(int8, out=tmp_path / "a.param")
    monkeypatch.setattr(importlib.import_module("streetseg.export.ncnn"), "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs pnnx, .*pip install 'streetseg\[ncnn-export\]'"):
        export(DEFAULT_WEIGHTS, out=tmp_path / "a.param")
    assert not list(tmp_path.iterdir())
