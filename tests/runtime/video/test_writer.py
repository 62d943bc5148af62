"""Videos are written with the colours, rates and timestamps that players expect, or refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streetseg.errors import VideoError
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.writer import VideoWriter
from streetseg.streets.scene import render
from tests.support.videos import TICK, street


@pytest.mark.parametrize("height", [360, 720])
def test_colours_are_those_that_players_show(height: int, tmp_path: Path) -> None:
    colour = np.full((height, 64, 3), (30, 200, 40), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", colour, Fraction(25), TICK) as writer:
        writer.add(colour, 0)
    with av.open(tmp_path / "a.mp4") as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1 if height == 720 else 6, 1)
        luma = 0.2126 * 30 + 0.7152 * 200 + 0.0722 * 40 if height == 720 else 0.299 * 30 + 0.587 * 200 + 0.114 * 40
        assert frame.to_ndarray()[0, 0] == pytest.approx(16 + luma * 219 / 255, abs=1)
        tagged = upright_rgb(frame, colour.shape[:2])
        frame.colorspace = 2  # as of most cameras' files, which do not say
        for pixels in (tagged, upright_rgb(frame, colour.shape[:2])):
            assert np.abs(pixels.astype(int) - colour).max() <= 3


def test_timestamps_too_far_apart_for_a_container_are_told(tmp_path: Path) -> None:
    def write(frame: NDArray[np.uint8]) -> None:
        with VideoWriter(tmp_path / "o.mp4", frame, Fraction(25), Fraction(1, 90_000)) as writer:
            for hour in (0, 8, 16):
                writer.add(frame, hour * 3600 * 90_000)

    with pytest.raises(VideoError, match=r"no \.mp4 of this video can be written: .*, which NAME\.mkv can hold"):
        write(render(0, (48, 64)).frame)
    assert list(tmp_path.iterdir()) == []


def test_a_rate_of_large_numbers(tmp_path: Path) -> None:
    rate = Fraction(1_702_483_403, 56_759_743)  # of a phone's 13 minutes at about 30 a second
    for every in (1, 100, 10_000):
        with VideoWriter(tmp_path / "o.mp4", street()[:48, :64], rate / every, Fraction(1, 90_000)) as writer:
            writer.add(street()[:48, :64], 0)
        with av.open(tmp_path / "o.mp4") as container:
            assert container.streams.video[0].frames == 1


def test_a_picture_that_h264_cannot_take_is_told(tmp_path: Path) -> None:
    wide = np.zeros((40, 17_000, 3), np.uint8)
    with pytest.raises(VideoError, match=r"overlay of 17000 x 40 pixels cannot be written: h264 takes at most 16,384"):
        VideoWriter(tmp_path / "o.mp4", wide, Fraction(25), Fraction(1, 25))
    assert list(tmp_path.iterdir()) == []
