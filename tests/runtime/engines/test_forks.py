"""Segmenters in forked and spawned processes, in threads and in asyncio: they work, or say at once that they cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import streetseg
frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)

def classes(segmenter):
    return segmenter(frame).classmap.tobytes()

def in_child(work, leave=sys.exit):
    child = os.fork()
    if not child:
        code = 1
        try:
            code = work()
        except streetseg.StreetsegError as error:
            print(error, flush=True)
            code = 5
        sys.stdout.flush()
        leave(code)
    for _ in range(600):
        time.sleep(0.1)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("streams", [1, 2])
def test_openvino_says_at_once_that_it_cannot_be_forked(streams: int) -> None:
    printed = run(f"""
segmenter = streetseg.Segmenter.open(streams={streams})
expected = classes(segmenter)
print(in_child(lambda: int(classes(segmenter) != expected)), flush=True)
print(in_child(lambda: int(classes(streetseg.Segmenter.open()) != expected)), flush=True)
print(classes(segmenter) == expected)
""")
    assert printed.count("its threads stayed behind; open the Segmenter only after the fork") == 2
    assert printed.split("\n")[-2] == "True"
    assert "hangs" not in printed
    assert printed.count("\n5\n") == 2


@pytest.mark.slow
def test_onnx_runtime_opens_itself_again_in_a_forked_process() -> None:
    """The child leaves by os._exit, as multiprocessing's do: ONNX Runtime itself cannot end a forked process."""
    printed = run("""
segmenter = streetseg.Segmenter.open(engine="onnxruntime", streams=2)
expected = classes(segmenter)
print(in_child(lambda: int(classes(segmenter) != expected), os._exit), flush=True)
others = lambda: int(any(each.classmap.tobytes() != expected for each in segmenter.stream([frame] * 4)))
print(in_child(others, os._exit), flush=True)
print(classes(segmenter) == expected)
""")
    assert printed.split() == ["0", "0", "True"]


@pytest.mark.slow
def test_a_segmenter_opened_only_after_the_fork() -> None:
    assert run("print(in_child(lambda: 0 * len(classes(streetseg.Segmenter.open()))))").split() == ["0"]


SPAWNED = """
import multiprocessing
import numpy as np
import streetseg

def work(seed):
    frame = np.random.default_rng(seed).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    return streetseg.Segmenter.open(threads=1)(frame).classmap.tobytes()

if __name__ == "__main__":
    expected = [work(0), work(1)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(work, [0, 1]) == expected)
"""


@pytest.mark.slow
def test_spawned_processes(tmp_path: Path) -> None:
    path = tmp_path / "pool.py"
    path.write_text(SPAWNED)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.slow
def test_threads_and_asyncio() -> None:
    printed = run("""
segmenter = streetseg.Segmenter.open(streams=2)
expected = classes(segmenter)
with ThreadPoolExecutor(8) as pool:
    print(set(pool.map(lambda _: classes(segmenter) == expected, range(32))))

async def several():
    loop = asyncio.get_running_loop()
    return set(await asyncio.gather(*(loop.run_in_executor(None, classes, segmenter) for _ in range(16))))

print(asyncio.run(several()) == {expected})
""")
    assert printed.split() == ["{True}", "True"]
