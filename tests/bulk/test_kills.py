"""Runs that are stopped by a kill of the driver or a worker, a poisonous file or a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from PIL import Image
from pyarrow import parquet

from streetseg.bulk.run import bulk
from streetseg.runtime.engines.options import EngineOptions
from streetseg.streets.scene import render
from tests.support.command_line import STREETSEG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes in /proc"),
]

IMAGES = 30
# A trap for each process of a run: it dies when it opens a file called poison, and meets a full disk once it has
# written some files.
TRAPS = """
import os, signal, sys

written = []


def watch(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    path = os.fsdecode(arguments[0])
    if os.path.basename(path) == "poison.png":
        os.kill(os.getpid(), signal.SIGSEGV)
    if "unfinished" in path and "w" in str(arguments[1]):
        written.append(path)
        if len(written) > int(os.environ.get("TEST_DISK", "1000000")):
            raise OSError(28, "No space left on device")


sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 48 x 64, and one that is none."""
    root = tmp_path_factory.mktemp("drive")
    frames = [Image.fromarray(render(seed, (48, 64)).frame) for seed in range(4)]
    for number in range(IMAGES):
        frames[number % 4].save(root / f"{number}.png")
    (root / "bad.png").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def undisturbed(drive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run with one worker that was never stopped."""
    bulk(drive, "memory://undisturbed", options=EngineOptions("onnxruntime", threads=1))
    memory, out = fsspec.filesystem("memory"), tmp_path_factory.mktemp("undisturbed")
    memory.get("/undisturbed", str(out), recursive=True)
    memory.rm("/undisturbed", recursive=True)
    return files_of(out / "undisturbed" if (out / "undisturbed").is_dir() else out)


def command(drive: Path, out: Path, *options: object) -> list[str]:
    engine = ["--engine", "onnxruntime", "--threads", "1", "--workers", "2"]
    return [str(word) for word in (*STREETSEG, "bulk", drive, "--out", out, *engine, *options)]


def run(drive: Path, out: Path, *options: object, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        command(drive, out, *options), env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stderr


def files_of(out: Path) -> dict[str, bytes]:
    """All files but the ledger and the timings; nothing is left unfinished."""
    assert not list(out.glob(".streetseg-bulk/unfinished/*"))
    paths = [path for path in out.rglob("*") if path.is_file() and ".streetseg-bulk" not in path.parts]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths if path.stem != "timings"}


@contextmanager
def begun(drive: Path, out: Path, results: int) -> Iterator[subprocess.Popen[str]]:
    """A run that has written some results, and goes on."""
    process = subprocess.Popen(command(drive, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while len(list(out.glob("*_classes.png"))) < results and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes of the workers: those of multiprocessing, but for its tracker of resources."""
    found = []
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        line = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in line:
            found.append(int(child))
    return found


@pytest.fixture
def traps(tmp_path: Path) -> str:
    """PYTHONPATH with the traps."""
    (tmp_path / "traps").mkdir()
    (tmp_path / "traps" / "sitecustomize.py").write_text(TRAPS)
    return os.pathsep.join(filter(None, [str(tmp_path / "traps"), os.environ.get("PYTHONPATH", "")]))


def test_a_poisonous_file_is_recorded(drive: Path, undisturbed: dict[str, bytes], traps: str, tmp_path: Path) -> None:
    poisoned = tmp_path / "drive"
    poisoned.mkdir()
    for path in drive.iterdir():
        (poisoned / path.name).symlink_to(path)
    (poisoned / "poison.png").write_bytes(b"")
    code, errors = run(poisoned, tmp_path / "out", PYTHONPATH=traps)
    assert code == 1
    assert f"{poisoned}/poison.png killed its worker 3 times: SIGSEGV" in errors
    rows = parquet.read_table(tmp_path / "out" / "frames.parquet").to_pylist()
    assert {Path(row["source"]).name for row in rows if row["error"]} == {"bad.png", "poison.png"}
    assert len(rows) == IMAGES + 2
    maps = {name: data for name, data in files_of(tmp_path / "out").items() if name.endswith(".png")}
    assert maps == {name: data for name, data in undisturbed.items() if name.endswith(".png")}


def test_a_run_that_is_stopped_in_every_way_ends_with_the_same_files(
    drive: Path, undisturbed: dict[str, bytes], traps: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, errors = run(drive, out, PYTHONPATH=traps, TEST_DISK="4")
    assert code == 2
    (line,) = [line for line in errors.splitlines() if "No space left" in line]
    assert line.endswith("mend that, then run the same command again: what is done is kept")
    assert "Traceback" not in errors
    there = len(list(out.glob("*_classes.png")))
    assert 0 < there < IMAGES
    with begun(drive, out, there + 6) as process:
        process.kill()
        process.wait()
    assert not (out / "frames.parquet").exists()
    for unit in list(out.glob(".streetseg-bulk/units/*"))[:1]:  # as if it had been killed before
        unit.unlink()
    with begun(drive, out, 1) as process:
        while not (workers := workers_of(process)) and process.poll() is None:
            time.sleep(0.01)
        os.kill(workers[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1, errors
    assert files_of(out) == undisturbed
