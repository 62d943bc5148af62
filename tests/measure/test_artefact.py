"""streetseg.evaluate: an artefact judged in one call."""

from __future__ import annotations

from pathlib import Path

import streetseg
from streetseg.data.pairs import IGNORE
from streetseg.data.table import open_dataset


def test_every_labelled_pixel_of_the_split_is_judged(camvid: Path) -> None:
    result = streetseg.evaluate(data=camvid, split="val")
    dataset = open_dataset(camvid)
    labelled = sum(int((dataset.read_label(pair) != IGNORE).sum()) for pair in dataset.pairs("val"))
    assert result.frames == 4
    assert result.matrix.sum() == labelled
