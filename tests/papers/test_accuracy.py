"""Accuracy for the rows of the papers' tables: which weights fill which row, and which are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from streetseg.cli import main
from streetseg.data import camvid, cityscapes_classes
from streetseg.export.graph import with_card
from streetseg.export.onnx import to_onnx
from streetseg.models.networks import build
from streetseg.runtime.card import ModelCard
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from streetseg.streets.datasets import write_camvid_tutorial, write_cityscapes, write_folder


@pytest.mark.slow
def test_accuracy_fills_the_row_of_the_network_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_camvid_tutorial(tmp_path, {"train": 1, "test": 2}, size=(72, 96), seed=3)
    data = ["--data", str(tmp_path), "--engine", "onnxruntime"]
    assert main(["tables", "ddrnet-vi", *data, "--json", "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "out" / "ddrnet-VI.json").read_text()) == printed
    filled = {row["paper"]["model"]: row["ours"]["miou"] for row in printed["rows"] if row["ours"]["miou"] is not None}

    assert main(["evaluate", str(DEFAULT_WEIGHTS), "--split", "test", *data, "--json"]) == 0
    assert filled == {"DDRNet-23-slim": pytest.approx(json.loads(capsys.readouterr().out)["miou"], abs=1e-6)}

    given = ["--weights", str(DEFAULT_WEIGHTS)]
    for arguments, complaint in (
        (["ddrnet-V"], "is camvid, on which ddrnet-V is not; leave --data out"),
        (["ddrnet-VI", *given, *given], f"and so is {DEFAULT_WEIGHTS}: a row takes one; leave one of them out"),
        (["bisenetv2-8"], "at operating scale 1.5, for which bisenetv2-8 has no row; take other --weights, or another"),
    ):
        assert main(["tables", *arguments, *data]) == 2
        errors = capsys.readouterr().err
        assert complaint in errors
        assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_an_operating_point_takes_its_own_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cityscapes(tmp_path, {"val": 1}, size=(128, 256))
    network = build("stdc1", len(cityscapes_classes.LABELS.names)).eval()
    card = ModelCard(
        network="stdc1", classes=cityscapes_classes.LABELS.names, colours=cityscapes_classes.LABELS.colours,
        mean=(120.0,) * 3,
        std=(60.0,) * 3, output_stride=network.output_stride, size_multiple=network.size_multiple,
        align_corners=network.align_corners, native_short_side=1024,
    )  # fmt: skip
    model = to_onnx(network, card)
    for scale in (0.5, 0.75, 1.0):
        scaled = dataclasses.replace(card, operating_scale=scale)
        (tmp_path / f"{scale}.onnx").write_bytes(with_card(model, scaled, "float16")[0])
    command = ["tables", "stdc-operating-points", "--data", str(tmp_path), "--engine", "onnxruntime", "--json"]
    for scales, filled in (([0.5], ["STDC1-Seg50"]), ([0.75, 0.5], ["STDC1-Seg50", "STDC1-Seg75"])):
        weights = [part for scale in scales for part in ("--weights", str(tmp_path / f"{scale}.onnx"))]
        assert main([*command, *weights]) == 0
        rows = json.loads(capsys.readouterr().out)["rows"]
        assert [row["paper"]["model"] for row in rows if row["ours"]["miou"] is not None] == filled
    assert main([*command, "--weights", str(tmp_path / "1.0.onnx")]) == 2
    assert "is stdc1 at operating scale 1, for which stdc-operating-points has no row" in capsys.readouterr().err


def test_own_data_called_like_a_benchmark_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path / "cityscapes", {"val": 1}, size=(72, 96))
    assert main(["tables", "ddrnet-V", "--data", str(tmp_path / "cityscapes")]) == 2
    assert "is images-masks, on which ddrnet-V is not; leave --data out" in capsys.readouterr().err


@pytest.mark.slow
def test_ablations_have_no_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_camvid_tutorial(tmp_path, {"train": 1, "test": 1}, size=(72, 96))
    network = build("bisenetv2", len(camvid.LABELS.names), branches="semantic").eval()
    card = ModelCard(
        network="bisenetv2", classes=camvid.LABELS.names, colours=camvid.LABELS.colours, mean=(120.0,) * 3,
        std=(60.0,) * 3, output_stride=network.output_stride, size_multiple=network.size_multiple,
        align_corners=network.align_corners, native_short_side=360, network_arguments={"branches": "semantic"},
    )  # fmt: skip
    artefact = tmp_path / "ablation.onnx"
    artefact.write_bytes(with_card(to_onnx(network, card), card, "float16")[0])
    assert main(["tables", "bisenetv2-8", "--data", str(tmp_path), "--weights", str(artefact)]) == 2
    assert "is bisenetv2 built with {'branches': 'semantic'}, an ablation" in capsys.readouterr().err
