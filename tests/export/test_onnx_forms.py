"""The forms of an ONNX export: each runs in both engines, opens in Segmenter, and computes what its artefact does."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray

import streetseg
from streetseg.errors import ArtefactError, UsageError
from streetseg.export.difference import LIMITS, Sizes, difference
from streetseg.export.foreign import Answer
from streetseg.export.grids import upsample
from streetseg.export.targets import export
from streetseg.runtime.artefact import read_card
from streetseg.runtime.classmap import class_map
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render
from tests.support import planted
from tests.support.paths import ROOT

SIZE = (64, 96)
FRAME = render(3, SIZE).frame
# Each value of each option, and each pair that could trouble the other.
FORMS: list[dict[str, Any]] = [
    {"input": "float"},
    {"layout": "nchw"},
    {"size": SIZE},
    {"output": "probabilities"},
    {"output": "classmap"},
    {"precision": "float32"},
    {"precision": "float16"},
    {"opset": 13},
    {"opset": 17, "input": "float", "layout": "nchw", "output": "probabilities", "size": SIZE},
    {"opset": 13, "output": "classmap"},
    {"opset": 13, "output": "classmap", "layout": "nchw", "input": "float"},
    {"opset": 13, "output": "classmap", "size": SIZE, "precision": "float16"},
    {"opset": 13, "input": "float", "layout": "nchw", "size": SIZE, "precision": "float16"},
    {"opset": 22, "layout": "nchw", "output": "classmap", "size": SIZE},
    {"input": "float", "output": "probabilities", "precision": "float16"},
]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.write(planted.small_graph(), tmp_path_factory.mktemp("small") / "small.onnx")


def test_from_an_artefact_nothing_needs_pytorch(artefact: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import streetseg; "
        "streetseg.export(sys.argv[1], out=sys.argv[2], output='classmap', opset=13)"
    )
    subprocess.run([sys.executable, "-c", code, artefact, tmp_path / "map.onnx"], check=True)
    assert read_card(tmp_path / "map.onnx").form.output == "classmap"


@pytest.fixture(scope="module")
def ours(artefact: Path) -> Segmenter:
    return Segmenter.open(artefact, engine="onnxruntime", threads=1)


def run(engine: str, path: Path, given: NDArray[Any]) -> NDArray[Any]:
    """Run a file in an engine by its own library alone."""
    if engine == "onnxruntime":
        session = onnxruntime.InferenceSession(path.read_bytes())
        assert [one.name for one in session.get_inputs()] == ["frame"]
        result: NDArray[Any] = session.run(None, {"frame": given})[0]
        return result
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.array(openvino.compile_model(openvino.Core().read_model(path), "CPU", settings)([given])[0])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: ",".join(f"{key}={value}" for key, value in form.items()))
def test_every_form_is_the_same_function_in_both_engines(
    form: dict[str, Any], artefact: Path, ours: Segmenter, tmp_path: Path
) -> None:
    out = tmp_path / "form.onnx"
    exported = export(artefact, to="onnx", out=out, **form)
    assert exported.card == read_card(out)
    given: NDArray[Any] = FRAME[None].astype(np.float32 if form.get("input") == "float" else np.uint8)
    if form.get("layout") == "nchw":
        given = given.transpose(0, 3, 1, 2)
    output = form.get("output", "logits")
    half = form.get("precision") == "float16"
    limits = LIMITS["float16" if half else "float32"]
    for engine in ("onnxruntime", "openvino"):
        values = run(engine, out, np.ascontiguousarray(given))
        if output == "classmap":
            assert (str(values.dtype), values.shape) == ("uint8", (1, *SIZE))
            answer = Answer(output, classes=values[0])
        else:
            if form.get("layout") == "nchw":
                values = values.transpose(0, 2, 3, 1)
            assert str(values.dtype) == "float32"
            assert values.shape == (1, SIZE[0] // 4, SIZE[1] // 4, planted.CLASSES)
            answer = Answer(output, np.ascontiguousarray(values[0]))
        found = difference(ours.logits(FRAME), answer, Sizes(SIZE, SIZE), promise=output)
        assert not found.values or found.mean <= limits.mean * found.deviation
        assert found.beyond_ties <= (0.02 * found.pixels if half else 0)
        # As users open it: the same class map, ties and half precision apart.
        segmenter = Segmenter.open(out, engine=engine, precision="float32", threads=1)
        differing = (segmenter(FRAME).classmap != ours(FRAME).classmap).mean()
        assert differing <= (0.02 if half else 1e-3)
    if "opset" in form:
        (opset,) = onnx.load(out).opset_import
        assert opset.version == form["opset"]
    assert streetseg.verify(out, against=artefact, frames=FRAME).passed or half


def test_a_fixed_size_takes_frames_of_any_size(artefact: Path, ours: Segmenter, tmp_path: Path) -> None:
    """They are reduced until there is room for them, and padded."""
    out = export(artefact, out=tmp_path / "fixed.onnx", size=SIZE).path
    model = onnx.load(out)
    assert not [node for node in model.graph.node if node.op_type == "Shape"]
    segmenter = Segmenter.open(out, threads=1, precision="float32")
    for size in ((48, 96), (64, 80), (128, 192), (200, 90)):
        frame = render(1, size).frame
        assert segmenter(frame).classmap.shape == size
        prepared = segmenter.prepare(frame)
        assert prepared.padded_size == SIZE
        logits = segmenter.logits(frame)
        np.testing.assert_allclose(logits, ours.engine(prepared.input), atol=1e-4 * logits.std())


def test_a_class_map_of_corners(artefact: Path, tmp_path: Path) -> None:
    """A network with align_corners is upsampled by its convention."""
    card = replace(planted.CARD, align_corners=True)
    path = planted.write(onnx.load(artefact), tmp_path / "corners.onnx", card)
    out = export(path, out=tmp_path / "map.onnx", output="classmap").path
    logits = Segmenter.open(path, threads=1, precision="float32").logits(FRAME)
    expected = class_map(logits, SIZE, content_size=SIZE, padded_size=SIZE, align_corners=True)
    assert (run("onnxruntime", out, FRAME[None])[0] == expected).mean() > 0.999
    assert upsample(logits, SIZE, "half_pixel").argmax(2).tolist() != expected.tolist()


def test_mistakes(artefact: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.onnx"
    with pytest.raises(UsageError, match=r"cannot take frames of 100 x 90: it takes multiples of 8; .* 96 x 88"):
        export(artefact, out=out, size=(100, 90))
    with pytest.raises(UsageError, match="opset 12 is not possible; give 13 to "):
        export(artefact, out=out, opset=12)
    with pytest.raises(UsageError, match="target onnx has no precision int8; choose one of float32, float16"):
        export(artefact, out=out, precision="int8")
    form = export(artefact, out=tmp_path / "form.onnx", layout="nchw").path
    with pytest.raises(ArtefactError, match=r"form\.onnx was exported in another form; give the artefact"):
        export(form, out=out, layout="nhwc", opset=13)
    model = onnx.load(artefact)
    planted.put_after(model, "Mish")
    odd = planted.write(model, tmp_path / "odd.onnx")
    with pytest.raises(UsageError, match="operator Mish forbids opset 17: its form here is of opset 18"):
        export(odd, out=out, opset=17)
    with pytest.raises(UsageError, match="is int8 and stays so"):
        export(ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx", out=out, precision="float32")
    assert not out.exists()


@pytest.mark.slow
def test_shipped_artefacts_take_every_option(tmp_path: Path) -> None:
    """Real networks have operators that the small one lacks."""
    names = ["ddrnet_23_slim_camvid_int8", "bisenetv2_camvid", "stdc1_camvid", "fassd_net_l2_camvid"]
    for path in [DEFAULT_WEIGHTS, *(ROOT / "weights" / f"{name}.onnx" for name in names)]:
        out = tmp_path / path.name
        export(path, out=out, opset=13, size=(64, 128), output="classmap", layout="nchw", input="float")
        assert json.loads(read_card(out).to_json())["interface"]["size"] == [64, 128]
