"""The example without streetseg gives the same class maps as Segmenter."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render
from tests.support.paths import ROOT

EXAMPLE = ROOT / "examples" / "python" / "onnxruntime_only.py"


def differing(artefact: Path, frames: list[NDArray[np.uint8]]) -> list[int]:
    """Return the number of pixels of each frame whose class differs."""
    segment = runpy.run_path(str(EXAMPLE))["segment"]
    session = ort.InferenceSession(artefact)
    card = json.loads(session.get_modelmeta().custom_metadata_map["streetseg.card"])
    segmenter = Segmenter.open(artefact, engine="onnxruntime")
    maps = [(segment(session, card, frame), segmenter(frame).classmap) for frame in frames]
    assert all(theirs.dtype == np.uint8 and theirs.shape == ours.shape for theirs, ours in maps)
    return [int((theirs != ours).sum()) for theirs, ours in maps]


def test_the_same_class_maps(artefacts: list[Path], frames: list[NDArray[np.uint8]]) -> None:
    for artefact in artefacts:
        assert differing(artefact, frames) == [0] * len(frames)


@pytest.mark.slow
def test_the_same_class_map_of_a_street() -> None:
    assert differing(DEFAULT_WEIGHTS, [render(1, (120, 161)).frame]) == [0]


def test_it_runs_without_streetseg(
    artefacts: list[Path],
    frames: list[NDArray[np.uint8]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.fromarray(frames[0]).save(tmp_path / "frame.png")
    words = [str(EXAMPLE), str(artefacts[0]), str(tmp_path / "frame.png"), str(tmp_path / "classes.png")]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setitem(sys.modules, "streetseg", None)  # importing it would fail
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    classmap = np.asarray(Image.open(tmp_path / "classes.png"))
    assert classmap.shape == frames[0].shape[:2]
    assert "Gebüsch: " in capsys.readouterr().out
