"""Several views of a frame: what they average, against the plain way in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.measure.views import Views, ViewSegmenter, starts
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render

# Odd, so that there is padding; larger than the strips below, so that there are several.
SIZE = (61, 90)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    """The package's weights on frames as they are, not enlarged by the card's scale."""
    segmenter = Segmenter.open(engine="onnxruntime")
    return Segmenter(dataclasses.replace(segmenter.card, operating_scale=1.0), segmenter.engine)


@pytest.fixture(scope="module")
def frame() -> NDArray[np.uint8]:
    return render(3, SIZE).frame


def plain_probabilities(segmenter: Segmenter, frame: NDArray[np.uint8], scale: float) -> NDArray[np.float64]:
    """Softmax at full size of one view, pixel by pixel's place, in float64; for align_corners=False."""
    scaled = Segmenter(dataclasses.replace(segmenter.card, operating_scale=scale), segmenter.engine)
    logits = scaled.logits(frame).astype(np.float64)
    for axis in (0, 1):
        content, n = scaled.prepare(frame).content_size[axis], frame.shape[axis]
        at = (np.arange(n) + 0.5) * content / n / segmenter.card.output_stride - 0.5
        at = np.clip(at, 0, logits.shape[axis] - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, logits.shape[axis] - 1)
        weight = (at - low).reshape(-1, *[1] * (2 - axis))
        logits = logits.take(low, axis) * (1 - weight) + logits.take(high, axis) * weight
    exponentials = np.exp(logits - logits.max(2, keepdims=True))
    return exponentials / exponentials.sum(2, keepdims=True)


def assert_argmax(classes: NDArray[np.uint8], probabilities: NDArray[np.float64]) -> None:
    """Equal but where the two largest are closer than float32 can tell."""
    top = np.sort(probabilities, axis=2)
    clear = top[..., -1] - top[..., -2] > 1e-5
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(classes[clear], probabilities.argmax(2)[clear])


def test_scales_and_the_mirrored_frame_are_averaged(
    segmenter: Segmenter, frame: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streetseg.measure.views.STRIP_VALUES", 20 * SIZE[1] * len(segmenter.card.classes))
    scales = (0.5, 1.25)
    views = [
        plain_probabilities(segmenter, frame, scale)
        + plain_probabilities(segmenter, np.ascontiguousarray(frame[:, ::-1]), scale)[:, ::-1]
        for scale in scales
    ]
    found = ViewSegmenter(segmenter, Views(scales, flip=True))(frame)
    assert_argmax(found, np.sum(views, axis=0) / 4)
    assert (found != segmenter(frame).classmap).any()


def test_windows_are_averaged_where_they_overlap(segmenter: Segmenter, frame: NDArray[np.uint8]) -> None:
    total, seen = np.zeros((*SIZE, len(segmenter.card.classes))), np.zeros((*SIZE, 1))
    for top in (0, 19):  # windows of 42 begin at most 21 apart: two cover 61; of 48 at most 24: three cover 90
        for left in (0, 21, 42):
            part = np.s_[top : top + 42, left : left + 48]
            total[part] += plain_probabilities(segmenter, np.ascontiguousarray(frame[part]), 1)
            seen[part] += 1
    found = ViewSegmenter(segmenter, Views(window=(42, 48)))(frame)
    assert_argmax(found, total / seen)


def test_a_single_view_is_what_a_user_gets(segmenter: Segmenter, frame: NDArray[np.uint8]) -> None:
    plain = segmenter(frame).classmap
    np.testing.assert_array_equal(ViewSegmenter(segmenter, Views())(frame), plain)
    np.testing.assert_array_equal(ViewSegmenter(segmenter, Views((1.0,)))(frame), plain)
    whole = ViewSegmenter(segmenter, Views(window=(500, 500)))(frame)
    assert_argmax(whole, plain_probabilities(segmenter, frame, 1))
    half = Segmenter(dataclasses.replace(segmenter.card, operating_scale=0.5), segmenter.engine)
    np.testing.assert_array_equal(ViewSegmenter(segmenter, Views((0.5,)))(frame), half(frame).classmap)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 0.99))
def test_windows_cover_the_frame_and_overlap_enough(frame: int, window: int, overlap: float) -> None:
    found = starts(frame, window, overlap)
    assert found[0] == 0
    assert found[-1] == max(0, frame - window)
    steps = np.diff(found)
    assert (steps > 0).all()
    assert (steps <= max(1, window * (1 - overlap))).all()


@pytest.mark.parametrize(
    ("views", "complaint"),
    [
        ({"scales": (0.0, 1.0)}, "above 0 and at most 4, got 0.0, 1.0"),
        ({"scales": (float("nan"),)}, "above 0"),
        ({"window": (0, 8)}, "at least 1 pixel"),
        ({"overlap": 1.0}, "0 to below 1"),
    ],
)
def test_views_that_cannot_be(views: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Views(**views)  # type: ignore[arg-type]
