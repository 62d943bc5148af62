"""tools/soak.py: it runs, and its watch sees a leak of memory, a descriptor or a thread."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tools.soak import ALLOWED, FIRST, LAST, LeakError, Watch

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")


def test_the_watch_is_as_strict_as_the_docs_say() -> None:
    assert Watch() == Watch(FIRST, LAST)
    assert (FIRST, LAST, ALLOWED) == (1_000, 10_000, 1 << 20)


def leak_a_frame(kept: list[object]) -> None:
    # Memory of its own: the heap may still hold enough that earlier tests gave back.
    memory = mmap.mmap(-1, 48 * 64 * 3)
    memory.write(bytes(48 * 64 * 3))
    kept.append(memory)


def leak_a_descriptor(kept: list[object]) -> None:
    if not kept:
        kept.append(os.dup(0))


def leak_a_thread(kept: list[object]) -> None:
    if not kept:
        thread = threading.Thread(target=threading.Event().wait, args=(20,), daemon=True)
        thread.start()
        kept.append(thread)


@pytest.mark.parametrize("leak", [leak_a_frame, leak_a_descriptor, leak_a_thread])
def test_a_planted_leak_is_caught(leak: Callable[[list[object]], None]) -> None:
    kept: list[object] = []

    def work(index: int) -> None:
        if index > FIRST:
            leak(kept)

    with pytest.raises(LeakError):
        Watch().pass_all(map(work, range(LAST + 1)))


def test_without_a_leak_all_items_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Watch(1, 3)("abc", "letter", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().out.endswith("threads +0 from item 1 to 3\n")
    with pytest.raises(ValueError, match="got 2 items, fewer than 3"):
        Watch(1, 3).pass_all("ab")


@pytest.mark.slow
def test_the_command_runs() -> None:
    """So few frames tell nothing of leaks, so either answer is right; an error is not."""
    command = [sys.executable, "tools/soak.py", "video", "onnxruntime-2", "--first", "5", "--frames", "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    video, stream = done.stdout.splitlines()
    assert video.startswith("video: ")
    assert stream.startswith("onnxruntime-2: ")
    assert all(line.endswith("from item 5 to 20") for line in (video, stream))
