"""The files for a test server: one a frame, in the server's values, of a split that has no labels."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streetseg
from streetseg.data import cityscapes_classes
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from streetseg.measure.frames import evaluate_frames
from streetseg.measure.submission import write_server_files
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.datasets import write_cityscapes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cityscapes")
    write_cityscapes(root, {"val": 1, "test": 3}, size=(32, 64))
    return root


def test_cityscapes_label_ids(streets: Path, tmp_path: Path) -> None:
    """What is right on val comes out as the very labelIds that the dataset publishes there."""
    dataset = open_dataset(streets)
    names = dataset.labels.names[::-1]
    (pair,) = dataset.pairs("val")
    label = dataset.read_label(pair)
    prediction = np.where(label == 255, 0, len(names) - 1 - label).astype(np.uint8)
    assert write_server_files(lambda frame: prediction, names, dataset, "val", tmp_path) == 1
    (written,) = tmp_path.iterdir()
    with Image.open(written) as image:
        assert (image.mode, image.size) == ("L", (64, 32))
        ids = np.asarray(image)
    assert pair.label is not None
    published = np.asarray(Image.open(pair.label))
    np.testing.assert_array_equal(ids[label != 255], published[label != 255])
    assert set(np.unique(ids)) <= {value for value, _, _ in cityscapes_classes.CLASSES}


def test_the_test_split_needs_no_labels(streets: Path, tmp_path: Path) -> None:
    dataset = open_dataset(streets)
    names = dataset.labels.names
    written = write_server_files(lambda frame: frame[..., 0] // 16, names, dataset, "test", tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert written == len(files) == 3
    assert all(re.fullmatch(r"[a-z]+_\d{6}_\d{6}\.png", name) for name in files)  # CITY_SEQUENCE_FRAME
    with pytest.raises(DatasetError, match="has no label"):
        evaluate_frames(lambda frame: frame[..., 0], names, dataset, "test")


def test_what_no_server_takes(streets: Path, camvid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = open_dataset(camvid)
    with pytest.raises(DatasetError, match=r"\(camvid\) has no test server; for class maps: streetseg predict"):
        write_server_files(lambda frame: frame[..., 0], dataset.labels.names, dataset, "val", out)
    with pytest.raises(DatasetError, match="test server of cityscapes does not know tree, sign"):
        write_server_files(lambda frame: frame[..., 0], ("road", "tree", "sign"), open_dataset(streets), "val", out)
    write_cityscapes(tmp_path / "test", {"test": 1}, size=(32, 64))
    with pytest.raises(DatasetError, match="has no frames in split 'trainval'"):
        write_server_files(lambda frame: frame[..., 0], ("road",), open_dataset(tmp_path / "test"), "trainval", out)
    assert not out.exists()


def test_an_artefact_writes_its_submission_in_one_call(streets: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="test server of cityscapes does not know tree"):
        streetseg.write_submission(data=streets, out=tmp_path / "out")
    shipped = Segmenter.open(engine="onnxruntime")
    names = open_dataset(streets).labels.names[: len(shipped.card.classes)]
    segmenter = Segmenter(dataclasses.replace(shipped.card, classes=names), shipped.engine)
    submission = streetseg.write_submission(segmenter, data=streets, split="test", out=tmp_path / "out")
    assert submission.table() == f"3 files for the test server: {tmp_path / 'out'}"
    assert submission.facts() == {"folder": str(tmp_path / "out"), "files": len(list((tmp_path / "out").iterdir()))}
