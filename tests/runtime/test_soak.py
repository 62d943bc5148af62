"""Memory, descriptors and threads over 10,000 frames; on request: STREETSEG_SOAK=1 pytest tests/runtime/test_soak.py

That the watch sees a leak is always tested.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path
from typing import TypeVar

import pytest

from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video.files import VideoWriter
from streetseg.runtime.video.segment import segment_video
from streetseg.streets.scene import render

T = TypeVar("T")

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
on_request = pytest.mark.skipif("STREETSEG_SOAK" not in os.environ, reason="takes minutes; set STREETSEG_SOAK=1")

FIRST, LAST, ALLOWED = 1_000, 10_000, 1 << 20  # frames, frames, bytes


def state() -> tuple[int, int, int]:
    """Resident bytes, open descriptors, threads of this process, those of libraries too."""
    time.sleep(0.3)  # what is under way ends: a class map has threads of its own while it is made
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208


def watched(results: Iterable[T]) -> Iterator[T]:
    """The results, of which the 10,000th must need no more than the 1,000th did."""
    for index, result in enumerate(results, 1):
        yield result
        if index == FIRST:
            memory, descriptors, threads = state()
        if index == LAST:
            later = state()
            print(f"grew by {(later[0] - memory) / 1024:.0f} KiB")
            assert later[0] - memory < ALLOWED
            assert later[1] <= descriptors
            assert later[2] <= threads  # fewer where one that decodes has ended by then


def assert_flat(results: Iterable[object]) -> None:
    assert sum(1 for _ in watched(islice(results, LAST))) == LAST


@on_request
def test_a_video_needs_no_more_as_it_goes_on(tmp_path: Path) -> None:
    frame = render(0, (48, 64)).frame
    with VideoWriter(tmp_path / "long.mkv", frame, Fraction(25), Fraction(1, 25)) as writer:
        for pts in range(LAST + 100):  # its decoder's threads must not end before the last look
            writer.add(frame, pts)
    segmenter = Segmenter.open(engine="onnxruntime", streams=2)
    # Not into MP4, whose index of all frames is in memory until it is written at the end.
    report = segment_video(
        segmenter,
        str(tmp_path / "long.mkv"),
        tmp_path / "overlay.mkv",
        tmp_path / "classes.mkv",
        progress=lambda frames, total: watched(frames),
    )
    assert report.frames == LAST + 100


@on_request
@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_stream_needs_no_more_as_time_goes_on(engine: str, streams: int) -> None:
    segmenter = Segmenter.open(engine=engine, streams=streams)
    frame = render(0, (48, 64)).frame
    assert_flat(result.overlay() for result in segmenter.stream(repeat(frame)))


def leak_a_frame(kept: list[mmap.mmap]) -> None:
    # Memory of its own: the heap may still hold enough that earlier tests gave back.
    kept.append(mmap.mmap(-1, 48 * 64 * 3))
    kept[-1].write(bytes(48 * 64 * 3))


def leak_a_descriptor(kept: list[int]) -> None:
    if not kept:
        kept.append(os.dup(0))


def leak_a_thread(kept: list[threading.Thread]) -> None:
    if not kept:
        kept.append(threading.Thread(target=threading.Event().wait, args=(20,), daemon=True))
        kept[0].start()


@pytest.mark.parametrize("leak", [leak_a_frame, leak_a_descriptor, leak_a_thread])
def test_a_planted_leak_is_caught(leak: Callable[[list[object]], None]) -> None:
    kept: list[object] = []
    with pytest.raises(AssertionError):
        assert_flat(leak(kept) if index > FIRST else None for index in range(LAST + 1))
