"""Large frames in windows: nothing left out, and no seams."""

from __future__ import annotations

import numpy as np
import pytest

from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.windows import segment_in_windows, spans
from streetseg.streets.scene import render


@pytest.mark.parametrize("length", [1, 100, 128, 129, 170, 255, 256, 300, 1000])
def test_every_pixel_counts_once_and_in_a_whole_window(length: int) -> None:
    counted = np.zeros(length, int)
    for begin, first, last in spans(length, 128):
        assert 0 <= begin <= first < last <= length
        assert last - begin <= 128
        assert begin + 128 <= length or begin == 0
        assert first == 0 or first - begin >= 128 // 6
        assert last == length or begin + 128 - last >= 128 // 6
        counted[first:last] += 1
    assert (counted == 1).all()


@pytest.mark.slow
def test_windows_leave_no_seams() -> None:
    """As for the whole frame at its own size; along the seams hardly less than elsewhere."""
    segmenter = Segmenter.open()
    frame = render(3, (500, 640)).frame
    whole = segmenter.with_short_side(500)(frame).classmap
    result = segment_in_windows(segmenter, frame, 384)
    assert result.classmap.shape == (500, 640)
    assert set(result.milliseconds) == {"network", "class map"}
    agreed = result.classmap == whole
    assert agreed.mean() > 0.95
    seams = [end for _, _, end in spans(640, 384)][:-1]
    assert seams
    near = np.concatenate([agreed[:, seam - 4 : seam + 4] for seam in seams])
    assert near.mean() > agreed.mean() - 0.05


def test_a_frame_smaller_than_the_window_is_segmented_whole() -> None:
    segmenter = Segmenter.open()
    frame = render(3, (96, 128)).frame
    np.testing.assert_array_equal(segment_in_windows(segmenter, frame, 512).classmap, segmenter(frame).classmap)
