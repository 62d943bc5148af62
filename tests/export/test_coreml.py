"""Core ML's form: converted and read back. Running it needs macOS; what needs no library is always tested."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import streetseg
from streetseg.errors import EngineError, MissingExtraError, UsageError
from streetseg.export import coreml
from streetseg.export.targets import export
from tests.support.tiny import write_tiny

WHY = "coremltools is of use for Core ML alone, and brings 60 MB"


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({}, ("logits", "float16", (1, 3, 16, 24))),
        ({"precision": "float32"}, ("logits", "float32", (1, 3, 16, 24))),
        ({"output": "classmap"}, ("classmap", "int32", (1, 64, 96))),
    ],
    ids=str,
)
def test_it_says_what_it_takes_and_gives(
    options: dict[str, str], output: tuple[str, str, tuple[int, ...]], artefact: Path, tmp_path: Path
) -> None:
    ct = pytest.importorskip("coremltools", reason=WHY)
    result = export(artefact, to="coreml", out=tmp_path / "a.mlpackage", size=(64, 96), **options)  # type: ignore[arg-type]
    assert result.difference is None
    assert result.notes == (coreml.NOT_RUN,)
    found = coreml.inspect(result.path)
    assert (found.card, found.image, found.output) == (result.card, (64, 96, "RGB"), output)
    metadata = ct.utils.load_spec(str(result.path)).description.metadata.userDefined
    assert metadata["classes"] == ",".join(result.card.classes)
    preview = json.loads(metadata.get("com.apple.coreml.model.preview.parameters", "{}"))
    assert preview.get("labels") == (list(result.card.classes) if options.get("output") else None)
    with pytest.raises(EngineError, match=r"runs on macOS only, .*it takes an image of 64 x 96, RGB, and gives"):
        streetseg.verify(result.path, against=artefact)
    assert export(artefact, to="coreml", out=result.path, size=(32, 96)).card.form.size == (32, 96)  # replaces its own


def test_what_it_does_not_do_is_one_line(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="target coreml has no precision int8; choose one of float16, float32"):
        export(artefact, to="coreml", precision="int8")
    with pytest.raises(UsageError, match="target coreml has no option --layout"):
        export(artefact, to="coreml", layout="nhwc")


def test_the_extra_is_named(artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(MissingExtraError, match=r"needs coremltools, .*pip install 'streetseg\[coreml\]'"):
        export(artefact, to="coreml", out=tmp_path / "a.mlpackage", size=(64, 96))
    assert not list(tmp_path.iterdir())
