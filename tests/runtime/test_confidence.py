"""Confidence against the plain way: upsample the largest softmax values with the definition of the class map."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import UsageError
from streetseg.runtime.classmap import class_map
from streetseg.runtime.confidence import FrameScores, grey, largest_softmax
from streetseg.runtime.result import Result
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.windows import segment_in_windows
from streetseg.streets.scene import render

FORMS = [
    # logits, frame, content, padded
    ((6, 8), (48, 64), (48, 64), (48, 64)),
    ((6, 8), (45, 61), (45, 61), (48, 64)),
    ((6, 8), (90, 121), (45, 61), (48, 64)),
]


def scores_of(form: tuple[tuple[int, int], ...], align_corners: bool, temperature: float = 1.0) -> FrameScores:
    logits, frame, content, padded = form
    values = np.random.default_rng(0).normal(0, 3, (*logits, 5)).astype(np.float32)
    return FrameScores(values, frame, content, padded, align_corners, temperature)


def interpolated(low: NDArray[np.float32], scores: FrameScores) -> NDArray[np.float64]:
    """The map at each pixel, by docs/card.md, in float64."""
    places = []
    for axis in (0, 1):
        frame, content = scores.frame_size[axis], scores.content_size[axis]
        padded, count = scores.padded_size[axis], low.shape[axis]
        p = (np.arange(frame) + 0.5) * content / frame - 0.5
        at = p * (count - 1) / (padded - 1) if scores.align_corners else (p + 0.5) * count / padded - 0.5
        places.append(np.clip(at, 0, count - 1))
    (y, x), last = places, np.array(low.shape) - 1
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    below, right = np.minimum(top + 1, last[0]), np.minimum(left + 1, last[1])
    v, u = (y - top)[:, None], (x - left)[None]
    upper = low[top][:, left] * (1 - u) + low[top][:, right] * u
    lower = low[below][:, left] * (1 - u) + low[below][:, right] * u
    result: NDArray[np.float64] = upper * (1 - v) + lower * v
    return result


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("align_corners", [False, True])
def test_it_is_the_largest_softmax_upsampled_as_the_class_map(
    form: tuple[tuple[int, int], ...], align_corners: bool
) -> None:
    scores = scores_of(form, align_corners)
    powers = np.exp(scores.logits.astype(np.float64))
    low = (powers / powers.sum(2, keepdims=True)).max(2).astype(np.float32)
    np.testing.assert_allclose(scores.confidence(), interpolated(low, scores), atol=2e-6)


def test_a_temperature_flattens_it() -> None:
    sharp, flat = (scores_of(FORMS[0], False, temperature).confidence() for temperature in (1.0, 4.0))
    assert (flat < sharp).mean() > 0.99
    low = largest_softmax(np.array([[[3.0, 1.0]]], np.float32), 2.0)
    assert low[0, 0] == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_logits_that_are_not_finite_give_no_confidence() -> None:
    values = np.array([[[np.nan, 1], [np.inf, 1], [0, 0]]], np.float32)
    np.testing.assert_array_equal(largest_softmax(values), [[0, 0, 0.5]])


def test_every_result_of_a_segmenter_has_one() -> None:
    frame = render(0, (70, 90)).frame
    segmenter = Segmenter.open(engine="onnxruntime", threads=1)
    result = segmenter(frame, logits=True)
    confidence = result.confidence()
    assert confidence.shape == (70, 90)
    assert confidence.dtype == np.float32
    assert 1 / len(result.names) <= confidence.min() <= confidence.max() <= 1 + 1e-6
    assert result.logits is not None
    # The argmax at the logits' places has the confidence of its softmax there.
    assert confidence.mean() == pytest.approx(largest_softmax(result.logits)[:9, :12].mean(), abs=0.1)
    with pytest.raises(UsageError, match="no scores"):
        Result(result.classmap, result.names, result.colours, frame, {}).confidence()


def test_windows_have_the_confidence_of_each_window() -> None:
    frame = render(0, (128, 200)).frame
    segmenter = Segmenter.open(engine="onnxruntime", threads=1)
    whole = segment_in_windows(segmenter, frame, 128).confidence()
    alone = segmenter.with_short_side(128)(np.ascontiguousarray(frame[:, :128])).confidence()
    assert whole.shape == (128, 200)
    np.testing.assert_array_equal(whole[:, :100], alone[:, :100])


def test_it_is_low_where_classes_meet() -> None:
    """Two classes side by side: sure in the middle of each, not at their border."""
    logits = np.zeros((4, 8, 2), np.float32)
    logits[:, :4, 0] = logits[:, 4:, 1] = np.linspace(6, 0.5, 4)[None]
    logits[:, 4:, 1] = np.linspace(0.5, 6, 4)[None]
    sizes = ((32, 64), (32, 64), (32, 64))
    confidence = FrameScores(logits, *sizes, align_corners=False).confidence()
    classes = class_map(logits, sizes[0], content_size=sizes[1], padded_size=sizes[2], align_corners=False)
    border = int(np.argmax(classes[0] == 1))
    assert confidence[16, border] < 0.7 < 0.99 < confidence[16, 2]


def test_grey_values() -> None:
    np.testing.assert_array_equal(grey(np.array([[0, 0.5, 1, 1.01]], np.float32)), [[0, 128, 255, 255]])
    assert Image.fromarray(grey(np.zeros((2, 2), np.float32))).mode == "L"
