"""LiteRT's form: the artefact's function in its interpreter; what needs no library is always tested."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import streetseg
from streetseg.errors import ArtefactError, MissingExtraError, UsageError
from streetseg.export.targets import export
from streetseg.runtime.artefact import read_card
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render
from tests.support.tiny import write_tiny

FRAME = render(3, (64, 96)).frame
WHY = "litert-torch brings JAX and a compiler, over a GB"


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture(scope="module")
def exported(artefact: Path) -> Path:
    pytest.importorskip("litert_torch", reason=WHY)
    result = export(artefact, to="litert", size=(64, 96))
    assert result.difference is not None
    assert result.difference < 1e-3
    assert result.card == read_card(result.path)
    assert result.card.form.size == (64, 96)
    return result.path


def test_it_is_the_same_function_in_segmenter_and_in_verify(artefact: Path, exported: Path) -> None:
    ours, theirs = (Segmenter.open(path, threads=1, precision="float32") for path in (artefact, exported))
    expected = ours.engine(FRAME)
    np.testing.assert_allclose(theirs.engine(FRAME), expected, atol=1e-4 * expected.std())
    assert theirs(render(1, (50, 70)).frame).classmap.shape == (50, 70)
    assert streetseg.verify(exported, against=artefact, frames=FRAME).passed


def test_the_interpreter_takes_a_frame_as_it_is(exported: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exported))  # the archive at the end does not disturb it
    (given,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (tuple(given["shape"]), given["dtype"]) == ((1, 64, 96, 3), np.uint8)
    assert tuple(output["shape"]) == (1, 16, 24, 3)
    with zipfile.ZipFile(exported) as archive:
        assert archive.namelist() == ["card.json", "labels.txt"]


@pytest.mark.parametrize("options", [{"output": "classmap"}, {"input": "float"}], ids=str)
def test_other_forms(options: dict[str, str], artefact: Path, exported: Path, tmp_path: Path) -> None:
    out = export(artefact, to="litert", out=tmp_path / "a.tflite", size=(64, 96), **options).path  # type: ignore[arg-type]
    assert streetseg.verify(out, against=artefact, frames=FRAME).passed


def test_a_file_of_damage_is_one_line(exported: Path, tmp_path: Path) -> None:
    damaged = bytearray(exported.read_bytes())
    damaged[50] ^= 255
    (tmp_path / "a.tflite").write_bytes(damaged)
    with pytest.raises(ArtefactError, match="is damaged"):
        Segmenter.open(tmp_path / "a.tflite")


def test_what_it_does_not_do_is_one_line(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="target litert has no option --precision"):
        export(artefact, to="litert", precision="int8")
    with pytest.raises(UsageError, match="target litert has no output probabilities; choose one of logits, classmap"):
        export(artefact, to="litert", output="probabilities")
    int8 = write_tiny(tmp_path / "int8.onnx", precision="int8")
    with pytest.raises(UsageError, match="is int8, and target litert writes float32; give the float artefact"):
        export(int8, to="litert")
    with pytest.raises(UsageError, match="target litert has no option --opset"):
        export(artefact, to="litert", opset=17)
    assert not list(tmp_path.glob("*.tflite"))


def test_the_extra_is_named(artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingExtraError, match=r"needs litert_torch, .*pip install 'streetseg\[litert\]'"):
        export(artefact, to="litert", out=tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())
