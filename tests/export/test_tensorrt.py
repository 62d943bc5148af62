"""The graph for TensorRT: what it takes, the same function, and the command. The engine itself needs a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streetseg.cli import main
from streetseg.errors import ArtefactError, EngineError, UsageError, VerificationError
from streetseg.export.targets import export
from streetseg.export.tensorrt import Profile, parsed, sign_ranges, trtexec
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from tests.support.paths import ROOT

INT8 = ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx"


@pytest.fixture(autouse=True)
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests bring doubles of TensorRT, whatever is installed."""
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.slow
def test_a_plan_in_half_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net"
    assert main(["export", str(DEFAULT_WEIGHTS), "--to", "tensorrt", "--plan", "--out", str(out)]) == 0
    said = capsys.readouterr()
    command = (out / "build.sh").read_text().splitlines()[-1].partition(" && ")[2]
    shapes = "--minShapes=frame:1x136x176x3 --optShapes=frame:1x544x720x3 --maxShapes=frame:1x1080x1440x3"
    assert command == f"trtexec --onnx=network.onnx --saveEngine=network.engine {shapes}"
    assert f"not tried on hardware; on the machine with the GPU: {command}" in said.err
    assert "not parsed by TensorRT, which is not installed" in said.err
    assert {path.name for path in out.iterdir()} == {"network.onnx", "build.sh", "export.json"}
    subprocess.run(["sh", "-n", out / "build.sh"], check=True)

    graph = onnx.load(out / "network.onnx").graph
    readers = [node for node in graph.node if "frame" in node.input]
    assert [node.op_type for node in readers] == ["Cast"]
    convolutions = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    assert {one.data_type for one in graph.initializer if one.name in convolutions} == {TensorProto.FLOAT16}
    frame = np.random.default_rng(0).integers(0, 256, (61, 45, 3), np.uint8)
    ours = Segmenter.open(DEFAULT_WEIGHTS, precision="float32").logits(frame)
    theirs = Segmenter.open(out / "network.onnx", engine="onnxruntime").logits(frame)
    assert np.abs(ours - theirs).mean() < 0.01 * ours.std()


@pytest.mark.slow
def test_an_int8_artefact_has_signed_ranges(tmp_path: Path) -> None:
    exported = export(INT8, to="tensorrt", plan=True, out=tmp_path / "net", size=(64, 96), input="float")
    assert exported.card.precision == "int8"
    assert exported.card.form.size == (64, 96)
    assert exported.card.form.input == "float32"
    assert "Shapes" not in (tmp_path / "net" / "build.sh").read_text()
    graph = onnx.load(tmp_path / "net" / "network.onnx").graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    zeros = {node.input[2] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    assert {stored[name].data_type for name in zeros} == {TensorProto.INT8}


def quantised(zero: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "y")]
    stored = [
        numpy_helper.from_array(np.array(0.1, np.float32), "scale"),
        numpy_helper.from_array(np.array(zero, np.uint8), "zero"),
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_the_largest_value_stays() -> None:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model = quantised(0)
    sign_ranges(model.graph)
    given = np.array([0, 20, 25.5], np.float32)
    (kept,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": given})
    np.testing.assert_allclose(kept, given, atol=0.1)
    with pytest.raises(ArtefactError, match="ranges that are not symmetric"):
        sign_ranges(quantised(3).graph)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "net"
    with pytest.raises(UsageError, match="int8 needs calibrated ranges; first streetseg quantize"):
        export(DEFAULT_WEIGHTS, to="tensorrt", plan=True, precision="int8", out=out)
    with pytest.raises(UsageError, match="is int8 and stays so"):
        export(INT8, to="tensorrt", plan=True, precision="float16", out=out)
    with pytest.raises(UsageError, match="no precision bfloat16; choose one of float32, float16, int8"):
        export(DEFAULT_WEIGHTS, to="tensorrt", plan=True, precision="bfloat16", out=out)
    with pytest.raises(UsageError, match="target onnx has no option --plan; targets that have it: tensorrt"):
        export(DEFAULT_WEIGHTS, to="onnx", plan=True, out=tmp_path / "a.onnx")
    with pytest.raises(EngineError, match=r"TensorRT is not installed here, .* by --plan"):
        export(DEFAULT_WEIGHTS, to="tensorrt", size=(64, 64), out=out)
    assert not list(tmp_path.iterdir())


class Recorder:
    """What TensorRT's objects are asked."""

    def __init__(self, told: list[tuple[Any, ...]], answers: dict[str, Any]) -> None:
        self.told, self.answers = told, answers

    def __getattr__(self, name: str) -> Any:
        if name == "num_errors":
            return 1

        def call(*arguments: Any) -> Any:
            self.told.append((name, *arguments))
            return self.answers.get(name, self)

        return call

    def desc(self) -> str:
        return "no such operator\nat line 7"


def double(told: list[tuple[Any, ...]], **answers: Any) -> ModuleType:
    module: Any = ModuleType("tensorrt")
    recorder = Recorder(told, answers)
    module.__version__, module.Builder = "11.4", lambda logger: recorder
    module.OnnxParser = lambda network, logger: recorder
    module.Logger = type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None})
    module.NetworkDefinitionCreationFlag = type("Flags", (), {"STRONGLY_TYPED": 1})
    return module


@pytest.mark.slow
def test_the_engine_gets_the_profile_and_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a double of TensorRT that records what it is asked."""
    told: list[tuple[Any, ...]] = []
    monkeypatch.setitem(sys.modules, "tensorrt", double(told, build_serialized_network=memoryview(b"engine")))
    exported = export(DEFAULT_WEIGHTS, to="tensorrt", out=tmp_path / "net")
    assert (tmp_path / "net" / "network.engine").read_bytes() == b"engine"
    assert "network.engine is built by TensorRT 11.4, but was not run and compared" in exported.notes
    asked = {name: arguments for name, *arguments in told}
    assert asked["create_network"] == [2]
    assert asked["parse"] == [(tmp_path / "net" / "network.onnx").read_bytes()]
    assert asked["set_shape"] == ["frame", (1, 136, 176, 3), (1, 544, 720, 3), (1, 1080, 1440, 3)]


def test_the_parsers_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", double([]))
    assert parsed(b"graph") == "TensorRT's parser takes network.onnx (tensorrt_rtx 11.4)"
    monkeypatch.setitem(sys.modules, "tensorrt", double([], parse=False))
    with pytest.raises(VerificationError, match=r"parser refuses network\.onnx: no such operator; nothing was written"):
        parsed(b"graph")

    def no_cuda(logger: object) -> None:
        raise RuntimeError("CUDA driver is missing\nmore")

    without = double([])
    monkeypatch.setattr(without, "Builder", no_cuda)
    monkeypatch.setitem(sys.modules, "tensorrt", without)
    assert parsed(b"graph") == "not parsed by TensorRT: TensorRT finds no GPU here (CUDA driver is missing)"


def test_the_command() -> None:
    profile = Profile((1, 8, 8, 3), (1, 16, 16, 3), (1, 32, 24, 3))
    assert trtexec(profile).endswith(
        "--minShapes=frame:1x8x8x3 --optShapes=frame:1x16x16x3 --maxShapes=frame:1x32x24x3"
    )
