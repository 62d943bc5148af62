"""What only the real CamVid can show: its files are read, and the weights that ship reach what their card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg import Segmenter, read_card
from streetseg.data.table import open_dataset
from streetseg.measure.evaluate import evaluate
from streetseg.runtime.shelf import CHECKOUT, find_weights, known_weights


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


FOLDS = CHECKOUT / "folds"  # trained without a drive, to be judged on it


@pytest.mark.parametrize("name", known_weights())
def test_weights_reach_what_their_card_says(real_camvid: Path, name: str) -> None:
    """bfloat16 may differ from the float32 figure by a little, and int8 from one machine to the other."""
    shipped = find_weights(name)
    judged = {read_card(path).content_hash: path for path in (shipped, *FOLDS.glob("*.onnx"))}
    said, dataset = read_card(shipped).accuracy, open_dataset(real_camvid)
    assert said
    for one in said:
        segmenter = Segmenter.open(judged[one.weights])
        card = segmenter.card
        assert one.measured_on.endswith(f"trained on {card.training_data}")
        split = one.measured_on.split(", ")[1].removeprefix("split ")
        scores = evaluate(lambda frame, s=segmenter: s(frame).classmap, card.classes, dataset, split).scores
        exact = segmenter.engine.precision == "float32" and card.precision != "int8"
        assert scores.miou == pytest.approx(one.miou, abs=1e-4 if exact else 5e-3)
