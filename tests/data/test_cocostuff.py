"""COCO-Stuff in both layouts, and what may be wrong with its labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from streetseg.data import cocostuff
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from streetseg.streets.datasets import (
    write_cocostuff,
)

SMALL = (90, 120)


def test_cocostuff_has_171_classes_and_says_what_is_wrong_with_a_mat(tmp_path: Path) -> None:
    write_cocostuff(tmp_path, {"train": 1, "val": 1}, size=SMALL)
    assert len(cocostuff.LABELS.names) == 171
    assert (cocostuff.NUMBERS[0], cocostuff.NUMBERS[-1]) == (1, 182)
    assert cocostuff.LABELS.names[cocostuff.BY_NUMBER[149]] == "road"
    dataset = open_dataset(tmp_path)
    (pair,) = dataset.pairs("train")
    assert pair.label is not None
    for content, message in (
        ({"T": np.zeros((2, 2))}, "holds no matrix S; take the annotations of COCO-Stuff 10k v1.1"),
        ({"S": np.full((2, 2), 300.0)}, "holds labels from 300.0 to 300.0; v1.1 has 0 to 182"),
        ({"S": np.full((2, 2), 12)}, "pixel value 12 is not a class index; allowed are 1 to 11, 13 to 25, 27 to 28"),
    ):
        savemat(pair.label, content)
        with pytest.raises(DatasetError, match=message):
            dataset.read_label(pair)
    pair.image.unlink()
    with pytest.raises(DatasetError, match=rf"train\.txt lists {pair.image.stem}, and images/.* is not there"):
        open_dataset(tmp_path)
    pair.label.write_bytes(b"no matrix")
    with pytest.raises(DatasetError, match="cannot be read as a label image"):
        dataset.read_label(pair)


def test_cocostuff_as_mmsegmentation_converts_it(tmp_path: Path) -> None:
    write_cocostuff(tmp_path / "published", {"train": 1, "val": 1}, size=SMALL)
    published, root = open_dataset(tmp_path / "published"), tmp_path / "converted"
    for split, folder in cocostuff.FOLDERS.items():
        (pair,) = published.pairs(split)
        for place in ("images", "annotations"):
            (root / place / folder).mkdir(parents=True)
        pair.image.rename(root / "images" / folder / pair.image.name)
        label = published.read_label(pair) + np.uint8(1)  # void wraps round to 0
        Image.fromarray(label).save(root / "annotations" / folder / f"{pair.image.stem}_labelTrainIds.png")
    converted = open_dataset(root)
    for split in cocostuff.FOLDERS:
        (theirs,), (ours,) = published.pairs(split), converted.pairs(split)
        np.testing.assert_array_equal(converted.read_label(ours), published.read_label(theirs))
