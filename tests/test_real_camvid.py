"""What only the real CamVid can show: its files are read, and the weights that ship reach what their card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg import Segmenter
from streetseg.data.table import open_dataset
from streetseg.measure.evaluate import evaluate


def test_the_real_files_are_read(real_camvid: Path) -> None:
    dataset = open_dataset(real_camvid)
    assert (len(dataset.pairs("train")), len(dataset.pairs("val"))) == (367, 101)
    left_out, others = dataset.pairs("only:0006R0"), dataset.pairs("without:0006R0")
    assert (len(left_out), len(others)) == (101, 367)
    assert not {pair.name for pair in left_out} & {pair.name for pair in others}
    seen = set()
    for pair in dataset.pairs("train")[::20]:
        seen |= set(np.unique(dataset.read_label(pair)).tolist())
    assert seen == {*range(11), 255}


def test_the_shipped_weights_reach_what_their_card_says(real_camvid: Path) -> None:
    """On the val split; bfloat16 machines may differ from the float32 figure by a little."""
    segmenter = Segmenter.open()
    (stated,) = [entry for entry in segmenter.card.accuracy if entry.measured_on.startswith("camvid, split val")]
    result = evaluate(lambda frame: segmenter(frame).classmap, segmenter.card.classes, open_dataset(real_camvid), "val")
    assert stated.weights == segmenter.card.content_hash
    assert result.scores.miou == pytest.approx(
        stated.miou, abs=1e-4 if "float32" in segmenter.engine.precision else 5e-3
    )
