"""Masks in text and numbers. The samples were written by Label Studio's and Supervisely's own packages."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from streetseg.data.encoded_masks import brush_mask, png_mask

# label_studio_sdk 2.1, converter.brush.mask2rle of `block` and of five rows of noise.
BLOCK_BY_LABEL_STUDIO = [
    0, 0, 15, 0, 57, 27, 255, 3, 211, 0, 204, 127, 248, 236, 3, 49, 255, 227, 176, 12, 199, 255, 142, 192, 51, 31, 254,
    59, 0, 199, 127, 241, 128, 98, 63, 252, 118, 1, 152, 255, 241, 216, 6, 99, 255, 199, 96, 25, 143, 255, 29, 128, 102,
    63, 252, 118, 1, 152, 255, 241, 216, 6, 99, 255, 199, 96, 25, 143, 255, 129, 243, 128, 0,
]  # fmt: skip
NOISE_BY_LABEL_STUDIO = [
    0, 0, 0, 140, 57, 27, 252, 255, 243, 128, 95, 255, 140, 2, 127, 248, 192, 35, 255, 182, 1, 31, 252, 224, 19, 255,
    198, 1, 63, 252, 224, 17, 255, 198, 1, 31, 252, 96, 19, 255, 206, 1, 31, 248,
]  # fmt: skip
NOISE = np.array(["1100111", "1011010", "0010011", "0110010", "1011001"])
# supervisely 6.73, Bitmap(block).to_json(): the mask inside its box.
BLOCK_BY_SUPERVISELY = (
    "eJzrDPBz5+WS4mJgYOD19HAJAtKSQMzDyAwk19q0cAAptgCfEFcg/f///6U3598FshhLgvyCGRye3UgDcmQ9XRxDKuYk/zl/4MKJIwcOHGjw+ZOe"
    "kJCU4CJ6WIWhgYVpRvHsDVuBChk8Xf1c1jklNAEABB8kyw=="
)


def block() -> np.ndarray:
    mask = np.zeros((24, 40), bool)
    mask[6:18, 5:30] = True
    mask[10, 20] = False
    return mask


def in_base64(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_brush_strokes_are_read_as_label_studio_writes_them() -> None:
    np.testing.assert_array_equal(brush_mask(BLOCK_BY_LABEL_STUDIO, (24, 40)), block())
    np.testing.assert_array_equal(
        brush_mask(NOISE_BY_LABEL_STUDIO, (5, 7)), np.array([[c == "1" for c in row] for row in NOISE])
    )


def test_words_one_by_one_are_read() -> None:
    """Label Studio's own encoder in Python writes them one at a time; the one in the browser writes runs of them."""
    alpha = [0, 200, 0, 255]
    bits = f"{16:032b}{7:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16))
    bits += "0" + "01" + f"{15:04b}" + "".join(f"{word:08b}" for value in alpha for word in (9, 0, 9, value))
    bits += "0" * (-len(bits) % 8)
    numbers = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    np.testing.assert_array_equal(brush_mask(numbers, (2, 2)), [[False, True], [False, True]])


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ([1, 2, 3], "not a list of bytes"),
        ([1, 2, 300, 4, 5, 6, 7, 8], "not a list of bytes"),
        (["a"] * 9, "not a list of numbers"),
        (BLOCK_BY_LABEL_STUDIO[:40], "ends too early"),
        (NOISE_BY_LABEL_STUDIO, "has 140 values, its frame of 40 x 24 has 3840"),
    ],
)
def test_damaged_strokes_are_told(numbers: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        brush_mask(numbers, (24, 40))


def test_bitmaps_are_read_as_supervisely_writes_them() -> None:
    np.testing.assert_array_equal(png_mask(BLOCK_BY_SUPERVISELY), block()[6:18, 5:30])


def test_pngs_of_every_kind_are_masks() -> None:
    mask = block()
    grey = (mask * 255).astype(np.uint8)
    alpha = np.dstack([np.full_like(grey, 255)] * 3 + [grey])
    colour = np.dstack([grey, grey * 0, grey * 0])
    for text in (in_base64(mask), in_base64(grey), in_base64(alpha), in_base64(colour)):
        np.testing.assert_array_equal(png_mask(text), mask)
        np.testing.assert_array_equal(png_mask(f"data:image/png;base64,{text}"), mask)
        packed = base64.b64encode(zlib.compress(base64.b64decode(text))).decode()
        np.testing.assert_array_equal(png_mask(packed), mask)


@pytest.mark.parametrize("text", [None, 5, "", "not base64!", "AAAA", base64.b64encode(b"\x89PNG broken").decode()])
def test_what_is_no_png_is_told(text: object) -> None:
    with pytest.raises(ValueError, match="a mask is no"):
        png_mask(text)


def test_a_packed_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streetseg.data.encoded_masks.MAX_BYTES", 1000)
    noise = np.random.default_rng(0).integers(0, 2, (200, 200), np.uint8) * 255
    packed = base64.b64encode(zlib.compress(base64.b64decode(in_base64(noise)))).decode()
    with pytest.raises(ValueError, match="a mask is no PNG"):
        png_mask(packed)
