"""Turns, streams and the frame. Nothing here asserts a time of this machine."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import pytest

from streetseg.bench import timing
from streetseg.bench.timing import milliseconds, stream_rate, street_frame, take_turns
from streetseg.runtime.segmenter import Segmenter


def test_subjects_take_turns() -> None:
    calls: list[str] = []
    runs = [[lambda name=name: calls.append(name) for name in ways] for ways in ("abc", "xyz")]
    times = take_turns(runs, 3)
    assert times.shape == (2, 3, 3)
    assert "".join(calls[:6]) == "abcxyz"  # the round that does not count
    # Each turn starts with an uncounted run of its own first way; the counted ones rotate.
    assert "".join(calls[6:]) == "aabc" + "xxyz" + "acab" + "xzxy" + "abca" + "xyzx"


def test_milliseconds_are_of_the_clock() -> None:
    clock = iter([1.0, 1.25])
    assert milliseconds(lambda: None, lambda: next(clock)) == pytest.approx(250)


def test_streams_are_timed_while_all_of_them_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames come and go in waves of 1.1 s: the first one fills the streams, the last one empties them."""
    now = 0.0

    class Waves:
        streams = 16

        def stream(self, frames: Iterator[int]) -> Generator[int]:
            nonlocal now
            for number, frame in enumerate(frames):
                now += 1.1 if number % self.streams == 0 else 0
                yield frame

    monkeypatch.setattr("time.perf_counter", lambda: now)
    monkeypatch.setattr(timing, "STREAM_SECONDS", 1.0)
    assert stream_rate(Waves(), np.zeros((1, 1, 3), np.uint8)) == pytest.approx(16 / 1.1)  # type: ignore[arg-type]
    assert now == pytest.approx(3.3)


def test_a_frame_is_a_street_of_any_size() -> None:
    frame = street_frame((721, 963))
    assert frame.shape == (721, 963, 3)
    shares = Segmenter.open(engine="onnxruntime")(frame).share().values()
    assert len([part for part in shares if part > 0.01]) >= 6  # classes, and borders between them
