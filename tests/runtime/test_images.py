"""The options of images, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.errors import UsageError
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.predict import predict
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.open(engine="onnxruntime")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two grey frames of a 12-bit camera, one in a subfolder, and a picture with a transparent corner."""
    place = tmp_path / "in"
    (place / "more").mkdir(parents=True)
    street = render(1, (64, 96)).frame
    grey = street[..., 1].astype(np.uint16) * np.uint16(16)
    Image.fromarray(grey).save(place / "a.png")
    Image.fromarray(grey[::-1].copy()).save(place / "b.png")
    Image.fromarray(grey).save(place / "more" / "c.png")
    alpha = np.full(street.shape[:2], 255, np.uint8)
    alpha[:20, :30] = 0
    Image.fromarray(np.dstack([street, alpha])).save(place / "corner.png")
    return place


def test_what_is_assumed_is_said_once_a_folder(folder: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    told: list[str] = []
    done = predict(folder, tmp_path / "out", weights=segmenter, tell=told.append)
    assert len(done.images) == 4
    assert len(told) == 2
    assert told[0].startswith(f"note: {folder / 'a.png'}: values up to ")
    assert told[0].endswith("read as 12 bits; images like it in its folder are read alike")
    assert told[1].startswith(f"note: {folder / 'more' / 'c.png'}: ")
    by_name = {image.image.name: image for image in done.images}
    assert len(by_name["b.png"].assumed) == 1
    assert by_name["corner.png"].assumed == ()


def test_levels_and_folders_without_subfolders(folder: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    told: list[str] = []
    options = ImageOptions(levels="16", recursive=False)
    done = predict(folder, tmp_path / "out", weights=segmenter, images=options, tell=told.append)
    assert told == []
    assert [image.image.name for image in done.images] == ["a.png", "b.png", "corner.png"]


def test_transparent_pixels_without_a_class(folder: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    for options in (ImageOptions(), ImageOptions(void_transparent=True)):
        (done,) = predict(folder / "corner.png", tmp_path / "out", weights=segmenter, images=options).images
        classmap = np.asarray(Image.open(done.classes))
        corner = np.zeros(classmap.shape, bool)
        corner[:20, :30] = True
        np.testing.assert_array_equal(classmap == 255, corner & options.void_transparent)
        assert sum(done.share.values()) == pytest.approx(1 - options.void_transparent * 600 / 6144)


def test_options_of_images_without_an_image(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    with pytest.raises(UsageError, match="--no-recursive is for images, but only videos are given"):
        predict(film, tmp_path / "out", images=ImageOptions(recursive=False))


def test_the_summary_leaves_compilation_out(folder: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    (folder / "broken.png").write_text("no picture")
    done = predict(folder, tmp_path / "out", weights=segmenter.with_short_side(64))
    assert done.summary().startswith("4 images in ")
    assert done.summary().endswith("1 error")
    assert predict(folder / "broken.png", tmp_path / "out", weights=segmenter).summary().startswith("0 images in ")
