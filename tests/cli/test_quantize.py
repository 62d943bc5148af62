"""streetseg quantize: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.command_line import without


def test_without_nncf(camvid: Path, tmp_path: Path) -> None:
    message = without("nncf", "quantize", DEFAULT_WEIGHTS, "--data", camvid, "--out", tmp_path / "a.onnx")
    assert "streetseg quantize needs nncf, which is not installed" in message
    assert "pip install 'streetseg[quantize]'" in message
