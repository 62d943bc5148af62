"""Frames that overlap: in order, in bounded memory, and without a thread left behind however it ends."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from streetseg.errors import UsageError
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import in_order
from streetseg.streets.scene import render

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_the_order_is_that_of_the_items() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(20), "the second item was not worked on beside the first"
        elif item == 1:
            later.set()
        return item

    assert list(in_order(work, range(9), workers=2)) == list(range(9))


def test_little_is_read_ahead() -> None:
    read = itertools.count()
    ahead = []
    for done in in_order(lambda item: item, read, workers=2):
        time.sleep(0.005)  # a reader that runs away would have time to
        ahead.append(int(repr(read)[6:-1]) - 1 - done)
        if done == 20:
            break
    assert max(ahead) <= 2


@pytest.mark.parametrize("where", ["function", "items"])
def test_an_error_is_raised_in_its_place(where: str) -> None:
    def items() -> Iterator[int]:
        for item in range(10):
            if where == "items" and item == 5:
                raise KeyError(item)
            yield item

    def work(item: int) -> int:
        if item == 5:
            raise KeyError(item)
        return item

    done: list[int] = []
    with pytest.raises(KeyError):
        done.extend(in_order(work, items(), workers=3))
    assert done == [0, 1, 2, 3, 4]


def test_nothing_and_less_than_the_workers() -> None:
    assert list(in_order(str, [], workers=3)) == []
    assert list(in_order(str, [1], workers=3)) == ["1"]


@pytest.mark.parametrize(("engine", "streams"), [("openvino", 1), ("openvino", 2), ("onnxruntime", 2)])
def test_a_stream_gives_what_single_frames_give(engine: str, streams: int) -> None:
    street = render(0, (48, 96)).frame
    frames = [np.ascontiguousarray(street[:, k : k + (96 if k == 3 else 64)]) for k in range(6)]
    segmenter = Segmenter.open(engine=engine, precision="float32", streams=streams, threads=2)
    alone = [segmenter.logits(frame) for frame in frames]
    for _ in range(2):
        results = list(segmenter.stream(frame for frame in frames))
        assert [result.frame is frame for result, frame in zip(results, frames, strict=True)] == [True] * 6
        for result, frame in zip(results, frames, strict=True):
            np.testing.assert_array_equal(result.classmap, segmenter(frame).classmap)
    for frame, logits in zip(frames, alone, strict=True):
        np.testing.assert_array_equal(segmenter.logits(frame), logits)


def test_a_stream_left_open_does_not_keep_the_process() -> None:
    program = (
        "from streetseg.runtime.stream import in_order\n"
        "stream = in_order(str, range(99), workers=2)\n"
        "for done in stream:\n"
        "    break\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_stream_that_is_left_early_or_fails() -> None:
    segmenter = Segmenter.open(engine="onnxruntime")
    frames = [render(0, (48, 64)).frame] * 4
    stream = segmenter.stream(frames)
    next(stream)
    del stream
    with pytest.raises(UsageError, match="a frame is"):
        list(segmenter.stream([*frames, np.zeros((4, 4), np.uint8)]))
