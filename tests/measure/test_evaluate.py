"""streetseg.evaluate: an artefact judged in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import streetseg
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE
from streetseg.measure.frames import evaluate_frames
from streetseg.runtime.segmenter import Segmenter


def test_every_labelled_pixel_of_the_split_is_judged(camvid: Path) -> None:
    result = streetseg.evaluate(data=camvid, split="val")
    dataset = open_dataset(camvid)
    labelled = sum(int((dataset.read_label(pair) != IGNORE).sum()) for pair in dataset.pairs("val"))
    assert result.frames == 4
    assert result.matrix.sum() == labelled
    segmenter = Segmenter.open()
    judged = evaluate_frames(lambda frame: segmenter(frame).classmap, segmenter.card.classes, dataset, "val")
    np.testing.assert_array_equal(result.matrix, judged.matrix)
    assert np.count_nonzero(result.matrix.sum(0)) > 3  # classes that were predicted
