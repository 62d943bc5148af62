"""ncnn, with a network of one layer that this test writes. tests/export/test_ncnn.py runs real networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from streetseg.errors import ArtefactError, EngineError
from streetseg.runtime.artefact import ncnn_content_hash
from streetseg.runtime.card import ModelCard
from streetseg.runtime.segmenter import Segmenter
from tests.support.cards import CARD

pytest.importorskip("ncnn", reason="ncnn is not installed")


def one_layer(folder: Path, layers: str = "Scale s 1 1 in0 out0 0=3 1=1", *, card: ModelCard = CARD) -> Path:
    """Write a network that multiplies red, green and blue by 1, 10 and 100 and adds 0, 1 and 2."""
    path = folder / "net.param"
    path.write_text(f"7767517\n2 2\nInput in0 0 1 in0\n{layers}\n")
    path.with_suffix(".bin").write_bytes(np.array([1, 10, 100, 0, 1, 2], "<f4").tobytes())
    content_hash = ncnn_content_hash(path.read_bytes(), path)
    card = dataclasses.replace(card, output_stride=1, operating_scale=1.0, content_hash=content_hash)
    path.with_suffix(".card.json").write_text(card.to_json(), encoding="utf-8")
    return path


def test_channels_come_last_and_the_array_is_the_callers(tmp_path: Path) -> None:
    segmenter = Segmenter.open(one_layer(tmp_path), threads=1)
    assert (segmenter.engine.name, segmenter.engine.precision) == ("ncnn", "float32")
    frame = np.random.default_rng(0).integers(0, 256, (8, 24, 3), np.uint8)
    logits = segmenter.logits(frame)
    assert logits.flags.c_contiguous
    assert logits.flags.owndata
    np.testing.assert_array_equal(logits, frame * np.array([1, 10, 100], np.float32) + np.array([0, 1, 2], np.float32))
    assert segmenter(frame[:5, :7]).classmap.shape == (5, 7)


def test_what_ncnn_cannot_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"net\.param with net\.bin cannot be read by ncnn; export it again"):
        Segmenter.open(one_layer(tmp_path, "Nonsense s 1 1 in0 out0"))
    two = dataclasses.replace(CARD, classes=CARD.classes[:2], colours=CARD.colours[:2])
    segmenter = Segmenter.open(one_layer(tmp_path, card=two))
    with pytest.raises(ArtefactError, match="disagrees with its card: the graph puts out"):
        segmenter.logits(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(EngineError, match=r"ncnn runs NAME\.param, not .*\.onnx"):
        Segmenter.open(engine="ncnn")
    with pytest.raises(EngineError, match=r"no engine runs .* on cuda"):
        Segmenter.open(one_layer(tmp_path), device="cuda")
