"""An int8 artefact runs in both engines at any size, loses no more than allowed, and says what it lost."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from streetseg.cli import main
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.errors import ArtefactError, DatasetError, OutputError, UsageError, VerificationError
from streetseg.export.graph import widen_weights, with_card
from streetseg.export.operations import FloatOperation, operation_places
from streetseg.export.quantize import STAYS_FLOAT, Quantization, nodes_to_keep, quantize
from streetseg.measure.frames import evaluate_frames
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def dataset(camvid: Path) -> Dataset:
    return open_dataset(camvid)


@pytest.fixture(scope="module")
def shipped(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Quantization]:
    """The weights that come along, in int8."""
    out = tmp_path_factory.mktemp("int8") / "street.onnx"
    return out, quantize(DEFAULT_WEIGHTS, data=dataset, out=out, frames=6, max_drop=5)


def classes(path: Path, engine: str, frames: list[np.ndarray]) -> list[np.ndarray]:
    segmenter = Segmenter.open(path, engine=engine, precision="float32", threads=1)
    return [segmenter(frame).classmap for frame in frames]


def agreement(one: list[np.ndarray], two: list[np.ndarray]) -> float:
    """The share of pixels of the same class, in the frame where it is least."""
    return min(float((a == b).mean()) for a, b in zip(one, two, strict=True))


@pytest.mark.slow
def test_the_card_says_what_was_measured(shipped: tuple[Path, Quantization], dataset: Dataset) -> None:
    path, made = shipped
    card, before = read_card(path), read_card(DEFAULT_WEIGHTS)
    assert card == made.card
    assert card.precision == "int8"
    assert card.content_hash != before.content_hash
    written = ("title", "date", "package_version", "card_version")
    measured: dict[str, Any] = dict.fromkeys(("precision", "content_hash", "accuracy", *written))
    assert (card.title, card.card_version) == ("street", 2)
    assert dataclasses.replace(card, **measured) == dataclasses.replace(before, **measured)
    segmenter = Segmenter.open(path, precision="float32")
    result = evaluate_frames(lambda frame: segmenter(frame).classmap, card.classes, dataset, "val")
    (stated,) = card.accuracy
    assert stated.miou == pytest.approx(result.scores.miou, abs=1e-6)
    assert stated.weights == card.content_hash
    assert stated.measured_on == "camvid, split val, 4 frames; trained on camvid, split trainval"
    assert made.before - made.after <= 0.05
    assert path.stat().st_size < 0.6 * DEFAULT_WEIGHTS.stat().st_size


@pytest.mark.slow
def test_it_runs_in_both_engines_at_any_size(shipped: tuple[Path, Quantization], dataset: Dataset) -> None:
    frame = read_frame(dataset.pairs("val")[0].image)
    frames = [frame, frame[:61, :45]]
    by_openvino = classes(shipped[0], "openvino", frames)
    assert agreement(by_openvino, classes(shipped[0], "onnxruntime", frames)) >= 0.98
    assert agreement(by_openvino, classes(DEFAULT_WEIGHTS, "onnxruntime", frames)) >= 0.9


@pytest.mark.slow
def test_every_convolution_is_int8_and_the_rest_is_explained(shipped: tuple[Path, Quantization]) -> None:
    path, made = shipped
    nodes = onnx.load(path).graph.node
    convolutions = sum(node.op_type == "Conv" for node in nodes)
    assert convolutions == 55
    assert made.int8 >= convolutions
    assert {one.operation for one in made.stayed} == {"Sub", "Mul", "BatchNormalization"}
    facts = json.loads(made.to_json())
    assert list(facts) == [
        "network", "calibrated_on", "measured_on", "miou_before", "miou", "drop_points", "left_out_share",
        "int8_operations", "float_operations",
    ]  # fmt: skip
    assert facts["float_operations"][0] == {
        "operation": "Sub",
        "place": "after input",
        "reason": "before the first rounding",
    }
    norm = next(one for one in made.stayed if one.place == "network.head.0")
    assert norm.reason == "takes the result of Add before it is rounded"
    assert re.search(r"^BatchNormalization +network\.head\.0 +takes the result of Add", made.table(), re.M)


@pytest.mark.slow
def test_what_is_int8_already_is_refused(shipped: tuple[Path, Quantization], dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"is int8 already; give the artefact that it was made from"):
        quantize(shipped[0], data=dataset, out=tmp_path / "a.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bisenetv2", "fassd_net_l2"])
def test_other_families_run_in_both_engines(name: str, dataset: Dataset, tmp_path: Path) -> None:
    source, out = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    ships = ROOT / "weights" / f"{name}_camvid.onnx"
    card = dataclasses.replace(read_card(ships), native_short_side=96, operating_scale=1.0)
    source.write_bytes(with_card(onnx.load(ships), card, "float16")[0])
    made = quantize(source, data=dataset, out=out, frames=3, max_drop=100)
    frames = [read_frame(dataset.pairs("val")[0].image)]
    by_openvino = classes(out, "openvino", frames)
    assert agreement(by_openvino, classes(out, "onnxruntime", frames)) >= 0.9
    assert agreement(by_openvino, classes(source, "onnxruntime", frames)) >= 0.7
    kept = {one.place for one in made.stayed if one.operation == "Conv"}
    assert kept == {f"network.{place}" for place in STAYS_FLOAT.get(read_card(ships).network, ())}


# Accuracy control


@pytest.fixture(scope="module")
def sky_and_road(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same frames in a folder, the sky made light and the road dark, with labels of these two classes; all else is
    void."""
    root = tmp_path_factory.mktemp("sky_and_road")
    places = {dataset.labels.names.index(name): place for place, name in enumerate(("sky", "road"))}
    for split in ("train", "val"):
        for folder in ("images", "masks"):
            (root / folder / split).mkdir(parents=True)
        for pair in dataset.pairs(split):
            label = dataset.read_label(pair)
            mask, frame = np.full_like(label, 255), read_frame(pair.image) // 4
            for index, place in places.items():
                mask[label == index] = place
            frame[mask == 0] += 190
            Image.fromarray(frame).save(root / "images" / split / f"{pair.image.stem}.png")
            Image.fromarray(mask).save(root / "masks" / split / f"{pair.image.stem}.png")
    (root / "classes.yaml").write_text("- sky\n- road\n")
    return root


def bright_or_dark(path: Path, outlier: float, *, blue: float = 1.0) -> Path:
    """An artefact that tells sky from road by brightness alone, through a layer whose fourth channel holds `outlier`
    in every pixel: where that is large, 8 bits for the whole layer leave nothing of the brightness. Nor do they before
    it where `blue` is, by which the input's third channel is multiplied, and divided in that layer."""
    card = ModelCard(
        network="none", classes=("sky", "road"), colours=((0, 0, 0), (1, 1, 1)), mean=(0.0, 0.0, 0.0),
        std=(255.0, 255.0, 255.0), output_stride=1, size_multiple=1, align_corners=False, native_short_side=96,
    )  # fmt: skip
    colours = np.zeros((4, 3, 1, 1), np.float32)
    colours[[0, 1, 2], [0, 1, 2], 0, 0] = 1, 1, 1 / blue
    brightness = np.array([[1, 1, 1, 0], [-1, -1, -1, 0]], np.float32)[..., None, None]
    tensors = {
        "scale": np.array([1, 1, blue], np.float32).reshape(1, 3, 1, 1) / 255,
        "colours.weight": colours,
        "colours.bias": np.array([0, 0, 0, outlier], np.float32),
        "brightness.weight": brightness,
        "brightness.bias": np.array([-1.5, 1.5], np.float32),
    }
    nodes = [
        helper.make_node("Transpose", ["frame"], ["first"], name="first", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["first"], ["cast"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "scale"], ["x"], name="mul"),
        helper.make_node("Conv", ["x", "colours.weight", "colours.bias"], ["y"], name="colours"),
        helper.make_node("Conv", ["y", "brightness.weight", "brightness.bias"], ["z"], name="brightness"),
        helper.make_node("Transpose", ["z"], ["logits"], name="last", perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "height", "width", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(with_card(model, card, "float32")[0])
    return path


@pytest.mark.slow
def test_operations_that_cost_too_much_go_back_to_float(
    sky_and_road: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = open_dataset(sky_and_road)
    mild, harsh = (bright_or_dark(tmp_path / f"{outlier}.onnx", outlier) for outlier in (1, 3000))
    assert quantize(mild, data=dataset, out=tmp_path / "mild.onnx", frames=4).int8 == 2
    ruined = quantize(harsh, data=dataset, out=tmp_path / "ruined.onnx", frames=4, max_drop=100)
    assert ruined.before - ruined.after > 0.1

    out = tmp_path / "saved.onnx"
    command = ["quantize", harsh, "--data", sky_and_road, "--frames", "4", "--out", out, "--json"]
    assert main([str(word) for word in command]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["drop_points"] <= 0.5
    assert {"operation": "Conv", "place": "brightness", "reason": "accuracy"} in facts["float_operations"]
    assert facts["miou"] == read_card(out).accuracy[0].miou


def test_a_first_frame_without_labels_is_no_obstacle(sky_and_road: Path, tmp_path: Path) -> None:
    """NNCF asks about it alone first."""
    shutil.copytree(sky_and_road, tmp_path / "data")
    label = min((tmp_path / "data" / "masks" / "val").iterdir())
    Image.fromarray(np.full((96, 128), 255, np.uint8)).save(label)
    harsh = bright_or_dark(tmp_path / "harsh.onnx", 3000)
    quantization = quantize(harsh, data=open_dataset(tmp_path / "data"), out=tmp_path / "saved.onnx", frames=4)
    assert quantization.before - quantization.after <= 0.005


@pytest.mark.slow
def test_a_drop_that_stays_too_large_is_an_error(
    sky_and_road: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were accuracy control to give nothing back."""
    dataset = open_dataset(sky_and_road)
    harsh = bright_or_dark(tmp_path / "harsh.onnx", 3000)
    monkeypatch.setattr("nncf.onnx.quantization.quantize_model.calculate_accuracy_drop", lambda *_: (True, 0.0))
    with pytest.raises(VerificationError, match=r"mIoU points in int8, allowed are 0.5; nothing was written"):
        quantize(harsh, data=dataset, out=tmp_path / "out.onnx", frames=4)
    assert [path.name for path in tmp_path.iterdir()] == ["harsh.onnx"]


@pytest.mark.slow
def test_an_artefact_with_nothing_in_int8_is_none(sky_and_road: Path, tmp_path: Path) -> None:
    dataset = open_dataset(sky_and_road)
    both = bright_or_dark(tmp_path / "both.onnx", 3000, blue=1e5)
    with pytest.raises(VerificationError, match=r"with any operation in int8; nothing was written; allow more by"):
        quantize(both, data=dataset, out=tmp_path / "out.onnx", frames=4)
    assert [path.name for path in tmp_path.iterdir()] == ["both.onnx"]


# Modules that stay in float


@pytest.mark.slow
def test_a_module_stays_in_float(sky_and_road: Path, tmp_path: Path) -> None:
    mild = bright_or_dark(tmp_path / "mild.onnx", 1)
    data = open_dataset(sky_and_road)
    made = quantize(mild, data=data, out=tmp_path / "out.onnx", frames=4, keep_float=["brightness"])
    assert made.int8 == 1
    assert FloatOperation("Conv", "brightness", "accuracy") in made.stayed
    with pytest.raises(UsageError, match=r"no convolution of none is called 'bright'; there are brightness, colours"):
        quantize(mild, data=data, out=tmp_path / "other.onnx", frames=4, keep_float=["bright"])


def test_what_costs_too_much_is_known() -> None:
    path = ROOT / "weights" / "bisenetv2_camvid.onnx"
    graph, card = onnx.load(path).graph, read_card(path)
    widen_weights(graph)
    places = operation_places(graph)
    known = {places[name] for name in nodes_to_keep(graph, card, None)}
    assert known == {"network.aggregation.fuse.0", "network.head.4"}
    assert {places[name] for name in nodes_to_keep(graph, card, ["network.head"])} == {
        "network.head.0",
        "network.head.4",
    }
    assert nodes_to_keep(graph, card, []) == set()


# What the user may get wrong


def test_mistakes(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    with pytest.raises(UsageError, match="at least 1 calibration frame, got 0"):
        quantize(DEFAULT_WEIGHTS, data=dataset, out=out, frames=0)
    with pytest.raises(UsageError, match="in mIoU points, 0 or more, got -1"):
        quantize(DEFAULT_WEIGHTS, data=dataset, out=out, max_drop=-1)
    with pytest.raises(UsageError, match=r"makes one NAME.onnx of another, not .*out.pt2"):
        quantize(DEFAULT_WEIGHTS, data=dataset, out=tmp_path / "out.pt2")
    with pytest.raises(UsageError, match="is the float artefact itself; choose another name"):
        quantize(DEFAULT_WEIGHTS, data=dataset, out=DEFAULT_WEIGHTS)
    for wrong in ({"split": "night"}, {"validate": "night"}):
        with pytest.raises(DatasetError, match="has no split 'night'"):
            quantize(DEFAULT_WEIGHTS, data=dataset, out=out, **wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_told_first(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written to"):
        quantize(DEFAULT_WEIGHTS, data=dataset, out=tmp_path / "file" / "out.onnx", split="night")


@pytest.mark.slow
def test_nncf_is_opened_without_its_telemetry() -> None:
    code = "import sys, streetseg.export.quantize; print('openvino_telemetry' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_widened_weights_are_the_halved_ones() -> None:
    model = onnx.load(DEFAULT_WEIGHTS)
    before = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    widen_weights(model.graph)
    after = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert {name.removesuffix(".half") for name in before} == set(after)
    assert all(np.array_equal(after[name.removesuffix(".half")], value) for name, value in before.items())
    assert not [t for t in after.values() if t.dtype == np.float16]


@pytest.mark.slow
def test_on_real_frames_little_is_lost(real_camvid: Path, tmp_path: Path) -> None:
    dataset = open_dataset(real_camvid)
    some = dataclasses.replace(dataset, splits={**dataset.splits, "val": dataset.pairs("val")[::10]})
    out = tmp_path / "int8.onnx"
    made = quantize(DEFAULT_WEIGHTS, data=some, out=out, frames=10)
    assert made.before - made.after <= 0.005
    assert not [one for one in made.stayed if one.reason == "accuracy"]
    frames = [read_frame(some.pairs("val")[0].image)]
    assert agreement(classes(out, "openvino", frames), classes(out, "onnxruntime", frames)) >= 0.98
