"""streetseg.verify_all: a row for each form that runs, a reason for each that does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import pytest

from streetseg.export.targets import TARGETS, Export, Target
from streetseg.export.verify_all import CASES, NETWORKS, verify_all
from streetseg.runtime.shelf.shelf import known_weights
from tests.support import planted


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.write(planted.small_graph(), tmp_path_factory.mktemp("small") / "small.onnx")


def test_the_networks_are_on_the_shelf() -> None:
    assert set(NETWORKS) <= set(known_weights())


def test_every_form_has_a_verdict(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "none", Target("no_such_module", ".none", "nothing", extra="none"))
    found = verify_all(weights=[str(artefact)], targets=["onnx", "openvino", "none"])
    verdicts = {(case.target, case.engine.split(",")[0]): case.verdict for case in found.cases}
    assert verdicts[("onnx", "openvino")] == verdicts[("onnx", "onnxruntime")] == "same"
    assert verdicts[("openvino", "openvino")] == verdicts[("onnx classmap", "onnxruntime")] == "same"
    assert verdicts[("none", "")] == "not run"
    assert found.passed
    last = found.table().splitlines()[-1]
    assert last.startswith("not run: none")
    assert "pip install 'streetseg[none]'" in last
    assert json.loads(found.to_json())["cases"][-1]["verdict"] == "not run"


def test_another_function_fails(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_normalisation(source: str, *, to: str, out: Path, **_: object) -> Export:
        model = onnx.load(source)
        planted.without_normalisation(model)
        out.parent.mkdir()
        return Export(planted.write(model, out), planted.CARD, 0.0)

    monkeypatch.setattr(sys.modules[verify_all.__module__], "export", without_normalisation)
    monkeypatch.setitem(CASES, "onnx", CASES["onnx"][1:2])
    found = verify_all(weights=[str(artefact)], targets=["onnx"])
    assert [(case.verdict, case.reason) for case in found.cases] == [("NOT THE SAME", "missing normalisation")]
    assert not found.passed
    assert "missing normalisation" in found.table()
