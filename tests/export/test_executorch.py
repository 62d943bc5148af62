"""ExecuTorch's form: the artefact's function in its own runtime; what needs no library is always tested."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import streetseg
from streetseg.errors import MissingExtraError, UsageError
from streetseg.export.targets import export
from streetseg.runtime.artefact import read_card
from streetseg.streets.scene import render
from tests.support.tiny import write_tiny

FRAME = render(3, (64, 96)).frame
WHY = "executorch brings 130 MB and many libraries"


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.mark.parametrize("options", [{}, {"output": "classmap"}, {"input": "float", "layout": "nchw"}], ids=str)
def test_it_is_the_same_function(options: dict[str, str], artefact: Path, tmp_path: Path) -> None:
    pytest.importorskip("executorch", reason=WHY)
    result = export(artefact, to="executorch", out=tmp_path / "a.pte", size=(64, 96), **options)  # type: ignore[arg-type]
    assert result.difference is not None
    assert result.difference < 1e-3
    assert result.card == read_card(result.path)
    assert streetseg.verify(result.path, against=artefact, frames=FRAME).passed


def test_what_it_does_not_do_is_one_line(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="target executorch has no option --precision"):
        export(artefact, to="executorch", precision="int8")
    with pytest.raises(UsageError, match="takes multiples of 8; the nearest are 64 x 96"):
        export(artefact, to="executorch", size=(63, 97))


def test_the_extra_is_named(artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "executorch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "executorch", None)
    with pytest.raises(MissingExtraError, match=r"needs executorch.*, .*pip install 'streetseg\[executorch\]'"):
        export(artefact, to="executorch", out=tmp_path / "a.pte")
    assert not list(tmp_path.iterdir())
