"""Cityscapes: labelIds and labelTrainIds become its 19 classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data import cityscapes_classes
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from streetseg.streets.datasets import (
    write_cityscapes,
)
from streetseg.streets.scene import render_surfaces
from streetseg.streets.world import SURFACES

pytestmark = pytest.mark.slow

SMALL = (90, 120)


def test_cityscapes_ids_become_the_19_classes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1, "test": 1}, size=SMALL)
    dataset = open_dataset(tmp_path)
    (pair,) = dataset.pairs("train")
    label, (_, surfaces) = dataset.read_label(pair), render_surfaces(0, SMALL)
    for surface, name in (("Car", "car"), ("TrafficLight", "traffic light"), ("Sky", "sky"), ("Sidewalk", "sidewalk")):
        index = cityscapes_classes.LABELS.names.index(name)
        assert (label[surfaces == SURFACES.index(surface)] == index).all()
    assert pair.sequence == "aachen"
    with pytest.raises(DatasetError, match="has no label, as in published test splits; choose another"):
        dataset.read_label(dataset.pairs("test")[0])


def test_cityscapes_train_ids_are_read_where_there_are_no_label_ids(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1}, size=SMALL)
    expected = open_dataset(tmp_path).read_label(open_dataset(tmp_path).pairs("train")[0])
    (path,) = tmp_path.glob("gtFine/*/*/*_labelIds.png")
    Image.fromarray(expected).save(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    path.unlink()
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.read_label(dataset.pairs("train")[0]), expected)
