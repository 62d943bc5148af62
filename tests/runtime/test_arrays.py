"""What Python programs hold as frames: arrays, files, PIL images and torch tensors; and what a result gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import UsageError
from streetseg.runtime.arrays import as_picture
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render


@pytest.fixture(scope="module")
def street() -> NDArray[np.uint8]:
    return render(7, (96, 128)).frame


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.open()


def test_every_form_of_a_frame_gives_the_same_class_map(
    street: NDArray[np.uint8], segmenter: Segmenter, tmp_path: Path
) -> None:
    path = tmp_path / "street.png"
    Image.fromarray(street).save(path)
    expected = segmenter(street)
    assert expected.remarks == ()
    tensor = torch.from_numpy(street.copy())
    forms = [str(path), path, Image.fromarray(street), tensor, tensor.permute(2, 0, 1)]
    results = [segmenter(form) for form in forms]
    for result in results:
        np.testing.assert_array_equal(result.classmap, expected.classmap)
        np.testing.assert_array_equal(result.frame, street)
    assert [result.remarks for result in results[3:]] == [("a tensor H x W x 3",), ("a tensor 3 x H x W",)]
    streamed = list(segmenter.stream([path, street]))
    np.testing.assert_array_equal(streamed[0].classmap, expected.classmap)


def test_bgr_turns_arrays_and_leaves_files(street: NDArray[np.uint8], segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "street.png"
    Image.fromarray(street).save(path)
    opencv = Segmenter(segmenter.card, segmenter.engine, bgr=True)
    expected = segmenter(street).classmap
    result = opencv(np.ascontiguousarray(street[..., ::-1]))
    np.testing.assert_array_equal(result.classmap, expected)
    np.testing.assert_array_equal(result.frame, street)
    np.testing.assert_array_equal(result.overlay(), segmenter(street).overlay())
    np.testing.assert_array_equal(opencv(path).classmap, expected)
    assert (segmenter(street[..., ::-1]).classmap != expected).any()


def test_a_pil_image_is_turned_upright(street: NDArray[np.uint8]) -> None:
    image = Image.fromarray(street).transpose(Image.Transpose.ROTATE_90)
    image.getexif()[0x0112] = 6
    np.testing.assert_array_equal(as_picture(image).frame, street)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.rand(3, 8, 8), "mul\\(255\\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "one frame after the other"),
        (torch.zeros(8, 8, dtype=torch.uint8), "H x W x 3 or 3 x H x W"),
        (np.zeros((3, 8, 8), np.uint8), "transpose\\(1, 2, 0\\)"),
        (np.zeros((8, 8), np.uint8), "H x W x 3"),
        (None, "got None"),
    ],
)
def test_what_is_no_frame_is_refused(given: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        as_picture(given)


def test_logits_on_request(street: NDArray[np.uint8], segmenter: Segmenter) -> None:
    assert segmenter(street).logits is None
    logits = segmenter(street, logits=True).logits
    assert logits is not None
    np.testing.assert_array_equal(logits, segmenter.logits(street))


def test_the_first_frame_of_a_size_is_marked(street: NDArray[np.uint8], segmenter: Segmenter) -> None:
    fresh = Segmenter(segmenter.card, segmenter.engine)
    small = np.ascontiguousarray(street[:64, :64])
    assert [fresh(frame).first_of_size for frame in (street, street, small, street)] == [True, False, True, False]
