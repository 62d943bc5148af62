"""A folder that is no known dataset is described in one line, with what its user probably wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.data.test_yolo import write
from tests.support.own_data import photo, save


def message(root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(root)
    text = str(caught.value)
    assert "\n" not in text
    assert "docs/data.md" in text
    return text


def test_what_a_folder_holds_is_told(tmp_path: Path) -> None:
    save(photo(0), tmp_path / "pictures" / "a.jpg")
    save(photo(1), tmp_path / "pictures" / "b.jpg")
    (tmp_path / "notes.docx").write_bytes(b"")
    assert "is not a known dataset: it holds pictures/ (2 .jpg), 1 .docx; " in message(tmp_path)


def test_a_dataset_among_the_folders_is_named(tmp_path: Path) -> None:
    write(tmp_path / "town")
    (tmp_path / "other").mkdir()
    assert f"its folder town looks like yolo: give {tmp_path / 'town'}" in message(tmp_path)
    write(tmp_path / "village")
    assert "its folders town, village are datasets: give one of them" in message(tmp_path)


def test_the_folder_above_images_is_named(tmp_path: Path) -> None:
    write(tmp_path / "town")
    assert f"the folder above it looks like yolo: give {tmp_path / 'town'}" in message(tmp_path / "town" / "images")


def test_archives_boxes_and_pictures_alone_get_their_own_advice(tmp_path: Path) -> None:
    (tmp_path / "town.zip").write_bytes(b"")
    assert "unpack town.zip first" in message(tmp_path)
    save(photo(0), tmp_path / "pictures" / "a.jpg")
    assert "labels are missing" in message(tmp_path)
    (tmp_path / "town.zip").unlink()
    assert "masks need a folder called masks/ beside images/" in message(tmp_path)
    (tmp_path / "a.xml").write_text("<annotation/>")
    assert ".xml files are boxes (Pascal VOC) or CVAT's own" in message(tmp_path)
    (tmp_path / "a.xml").rename(tmp_path / "a.csv")
    assert "its images have labels in no known format" in message(tmp_path)
