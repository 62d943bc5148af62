"""OpenVINO's own format: the artefact's function, opened by Segmenter, with its card and what the Model API reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

import streetseg
from streetseg.errors import ArtefactError, UsageError
from streetseg.export.targets import export
from streetseg.runtime.artefact import read_card
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render
from tests.support import planted
from tests.support.command_line import files_below
from tests.support.paths import ROOT

FRAME = render(3, (64, 96)).frame
INT8 = ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx"


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.write(planted.small_graph(), tmp_path_factory.mktemp("small") / "small.onnx")


@pytest.fixture(scope="module")
def exported(artefact: Path) -> Path:
    result = export(artefact, to="openvino")
    assert result.path == artefact.with_suffix(".xml")
    assert result.card == read_card(result.path)
    assert result.difference is not None
    assert result.difference < 1e-3
    return result.path


def test_it_is_the_same_function_in_segmenter_and_in_verify(artefact: Path, exported: Path) -> None:
    ours, theirs = (Segmenter.open(path, threads=1, precision="float32") for path in (artefact, exported))
    for size in ((64, 96), (50, 70)):
        frame = render(1, size).frame
        np.testing.assert_allclose(theirs.logits(frame), ours.logits(frame), atol=1e-4)
    assert streetseg.verify(exported, against=artefact, frames=FRAME).passed


@pytest.mark.parametrize("output", ["classmap", "probabilities"])
def test_other_outputs(output: str, artefact: Path, tmp_path: Path) -> None:
    out = export(artefact, to="openvino", out=tmp_path / "a.xml", output=output, size=(64, 96)).path  # type: ignore[arg-type]
    assert streetseg.verify(out, against=artefact, frames=FRAME).passed
    ours, theirs = (Segmenter.open(path, threads=1, precision="float32")(FRAME) for path in (artefact, out))
    assert (ours.classmap != theirs.classmap).mean() < 1e-3


def test_what_the_model_api_reads(exported: Path) -> None:
    info = {
        name: openvino.Core().read_model(exported).get_rt_info(["model_info", name]).astype(str)
        for name in ("model_type", "labels", "label_colors", "layout", "reverse_input_channels")
    }
    assert info == {
        "model_type": "Segmentation", "labels": "road building sky tree car",
        "label_colors": "#010101 #020202 #030303 #040404 #050505", "layout": "NCHW", "reverse_input_channels": "True",
    }  # fmt: skip


def test_damage_is_told(exported: Path, tmp_path: Path) -> None:
    xml, weights = exported.read_bytes(), exported.with_suffix(".bin").read_bytes()
    path = tmp_path / "a.xml"
    path.write_bytes(xml)
    with pytest.raises(ArtefactError, match=r"a\.bin does not exist"):
        read_card(path)
    path.with_suffix(".bin").write_bytes(bytes([weights[0] ^ 1]) + weights[1:])
    with pytest.raises(ArtefactError, match="is damaged"):
        read_card(path)
    path.with_suffix(".bin").write_bytes(weights)
    for wrong in (xml[: len(xml) // 2], b"<?xml version='1.0'?><net></edges><rt_info><a></rt_info>", xml[:-60]):
        path.write_bytes(wrong)
        with pytest.raises(ArtefactError, match="is not a weights file of streetseg, or is damaged"):
            read_card(path)
    path.write_bytes(xml.replace(b"<streetseg>", b"<foreign>").replace(b"</streetseg>", b"</foreign>"))
    with pytest.raises(ArtefactError, match="is of OpenVINO without a card"):
        read_card(path)


def test_precisions(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not int8; first: streetseg quantize"):
        export(artefact, out=tmp_path / "a.xml", precision="int8")
    with pytest.raises(UsageError, match="is int8; leave out --precision"):
        export(INT8, out=tmp_path / "a.xml", precision="float32")
    wide = export(artefact, out=tmp_path / "wide.xml", precision="float32")
    assert wide.card.precision == "float32"
    assert files_below(tmp_path) == {"wide.xml", "wide.bin"}


@pytest.mark.slow
def test_int8_stays_int8(tmp_path: Path) -> None:
    out = export(INT8, out=tmp_path / "int8.xml").path
    assert out.with_suffix(".bin").stat().st_size < 6.5e6
    assert read_card(out).precision == "int8"
