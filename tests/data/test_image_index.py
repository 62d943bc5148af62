"""Images are found by what label files of other machines call them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from streetseg.data.image_index import ImageIndex
from streetseg.errors import DatasetError


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    names = [
        "a/0001.jpg",
        "b/0001.jpg",
        "b/c/0001.jpg",
        "images/Straße 7%.png",
        "only.JPEG",
        "masks/only.png",
        "12.png",
    ]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "12.png").write_bytes(b"")
    return ImageIndex(tmp_path)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("a/0001.jpg", "a/0001.jpg"),
        ("/mnt/x/b/0001.jpg", "b/0001.jpg"),
        (r"D:\drives\b\c\0001.jpg", "b/c/0001.jpg"),
        ("./b/../a/0001.JPG", "a/0001.jpg"),
        ("images/Stra%C3%9Fe%207%25.png", "images/Straße 7%.png"),
        ("Straße 7%.png", "images/Straße 7%.png"),
        ("STRASSE 7%.PNG", "images/Straße 7%.png"),
        (unicodedata.normalize("NFD", "elsewhere/Straße 7%.png"), "images/Straße 7%.png"),
        ("only.jpeg", "only.JPEG"),
        ("0a1b2c3d-only.JPEG", "only.JPEG"),
        ("12", "12.png"),
        ("12.jpg", None),
        ("", None),
        ("..", None),
        ("https://[bad", None),
    ],
)
def test_a_given_path_finds_its_image(index: ImageIndex, given: str, found: str | None) -> None:
    image = index.find(given)
    assert image == (None if found is None else index.root / found)


def test_a_name_of_several_images_needs_a_folder(index: ImageIndex) -> None:
    with pytest.raises(DatasetError, match=r"the image '0001\.jpg' could be .*0001\.jpg or .*0001\.jpg; take one away"):
        index.find("0001.jpg")
    assert index.find("0001.jpg", ["A"]) == index.root / "a" / "0001.jpg"


def test_a_mask_of_the_same_name_is_no_image(index: ImageIndex) -> None:
    assert index.find("only") == index.root / "only.JPEG"
