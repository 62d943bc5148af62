"""streetseg.evaluate: what the command line does, in one call."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streetseg
from streetseg import EngineOptions
from streetseg.data.camvid import VOID
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE
from streetseg.errors import ArtefactError, OutputError, ReportError, UsageError
from streetseg.measure.evaluate import describe_engine
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.frames import evaluate_frames
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter

FLOAT32 = EngineOptions("onnxruntime", precision="float32")


def test_every_labelled_pixel_of_the_split_is_judged(camvid: Path) -> None:
    result = streetseg.evaluate(data=camvid, split="val")
    dataset = open_dataset(camvid)
    labelled = sum(int((dataset.read_label(pair) != IGNORE).sum()) for pair in dataset.pairs("val"))
    assert result.frames == 4
    assert result.matrix.sum() == labelled
    segmenter = Segmenter.open()
    judged = evaluate_frames(lambda frame: segmenter(frame).classmap, segmenter.card.classes, dataset, "val")
    np.testing.assert_array_equal(result.matrix, judged.matrix)
    assert np.count_nonzero(result.matrix.sum(0)) > 3  # classes that were predicted


def test_an_open_artefact_and_an_open_dataset_are_the_same(camvid: Path) -> None:
    by_path = streetseg.evaluate(DEFAULT_WEIGHTS, data=str(camvid), options=FLOAT32, trimap=())
    segmenter = Segmenter.open(options=FLOAT32)
    by_object = streetseg.evaluate(segmenter, data=open_dataset(camvid), trimap=())
    np.testing.assert_array_equal(by_path.matrix, by_object.matrix)
    assert by_path.boundary is None
    assert by_path.setup.command == f"streetseg evaluate {DEFAULT_WEIGHTS.name} --data {camvid.name} --split val " + (
        "--engine onnxruntime --precision float32"
    )
    assert by_object.setup.command == f"streetseg evaluate ARTEFACT --data {camvid.name} --split val"
    assert dataclasses.replace(by_object.setup, command="") == dataclasses.replace(by_path.setup, command="")
    with pytest.raises(UsageError, match="is open already"):
        streetseg.evaluate(segmenter, data=camvid, threads=1)


def test_the_command_names_what_was_asked_for(camvid: Path) -> None:
    result = streetseg.evaluate(
        data=camvid, dataset="camvid", scales=[0.5], flip=True, window=(64, 96), overlap=0, trimap=[2], options=FLOAT32
    )
    assert result.setup.command.endswith(
        "--split val --dataset camvid --engine onnxruntime --precision float32 --scale 0.5 --window 64 96 --trimap 2 "
        "--flip --overlap 0.0"
    )
    assert list(result.trimap_miou()) == ["2"]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"worst": -1}, "0 or more, got -1"),
        ({"trimap": (3, 151)}, "widths of 1 to 150 pixels, got 3, 151"),
        ({"scales": [0]}, "above 0 and at most 4, got 0.0"),
        ({"options": FLOAT32, "engine": "openvino"}, "give either options, or engine"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_opened(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        streetseg.evaluate("missing.onnx", data="missing", **wrong)  # type: ignore[arg-type]


def test_a_report_that_cannot_be_written_loses_no_figure(camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "images.csv").mkdir()
    with pytest.raises(ReportError, match=r"images\.csv cannot be written") as caught:
        streetseg.evaluate(data=camvid, report=tmp_path, worst=1, options=FLOAT32, trimap=())
    assert isinstance(caught.value.result, Evaluation)
    assert caught.value.result.frames == 4
    assert len(caught.value.result.worst) == 1
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):  # before the first frame
        streetseg.evaluate("missing.onnx", data=camvid, report=tmp_path / "file")


def test_unfolded_weights_are_exported_first(camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    exported: list[tuple[Path, str]] = []

    def export(weights: Path, *, out: Path) -> None:
        exported.append((weights, out.name))
        shutil.copy(DEFAULT_WEIGHTS, out)

    monkeypatch.setattr(streetseg, "export", export)
    result = streetseg.evaluate(weights, data=camvid, options=FLOAT32, trimap=())
    assert result.setup.command.startswith(f"streetseg evaluate mine.safetensors --data {camvid.name}")
    with pytest.raises(ArtefactError):  # it is no torch.export program
        streetseg.evaluate(weights, data=camvid, export=export, engine="torch")
    assert exported == [(weights, "mine.onnx"), (weights, "mine.pt2")]


def test_what_was_decided_about_a_dataset_is_a_warning(camvid: Path, tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for image in sorted((camvid / "val").iterdir()):
        shutil.copy(image, tmp_path / "images" / image.name)
        with Image.open(camvid / "valannot" / image.name) as opened:
            mask = np.asarray(opened)
        Image.fromarray(np.where(mask == VOID, np.uint8(IGNORE), mask)).save(tmp_path / "masks" / image.name)
    (tmp_path / "classes.yaml").write_text(str(list(open_dataset(camvid).labels.names)))
    with pytest.warns(UserWarning, match="note: no split is given"):
        result = streetseg.evaluate(data=tmp_path, options=FLOAT32, trimap=())
    assert result.frames == 1


def test_another_device_is_named() -> None:
    segmenter = Segmenter.open(engine="onnxruntime")
    assert describe_engine(segmenter, None) == describe_engine(segmenter, "cpu") == "onnxruntime, float32"
    assert describe_engine(segmenter, "cuda:1") == "onnxruntime, float32, cuda:1"
