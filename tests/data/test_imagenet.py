"""Images sorted by class: their order, and what a user may have got wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.imagenet import open_imagenet, recognises
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_imagenet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_imagenet(tmp_path, {"train": 3, "val": 1}, classes=4, size=(24, 32))
    return tmp_path


def test_classes_count_in_the_order_of_their_names(root: Path) -> None:
    images = open_imagenet(root)
    assert recognises(root)
    assert images.names == tuple(sorted(folder.name for folder in (root / "train").iterdir()))
    assert [index for _, index in images.items("train")] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [images.names[index] for path, index in images.items("val")] == [
        path.parent.name for path, _ in images.items("val")
    ]


def test_mistakes_are_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'test'; there are train, val"):
        open_imagenet(root).items("test")
    (root / "val" / "n99999999").mkdir()
    with pytest.raises(DatasetError, match="n99999999 is a class that train lacks; take it out, or add it to train"):
        open_imagenet(root)
    (root / "train" / "n99999999").mkdir()
    with pytest.raises(DatasetError, match=r"train/n99999999 holds no image; looked for files ending in \.jpeg"):
        open_imagenet(root)
    with pytest.raises(DatasetError, match="holds no images sorted by class; looked for train/CLASS"):
        open_imagenet(root / "val")
    with pytest.raises(DatasetError, match="does not exist"):
        open_imagenet(root / "nowhere")
