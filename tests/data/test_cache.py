"""The cache: what a split decodes to, made once, whatever is killed, changed or damaged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data.cache import open_cache
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.errors import DatasetError, OutputError
from streetseg.streets.datasets import write_folder


@pytest.fixture
def dataset(camvid: Path, tmp_path: Path) -> Dataset:
    """A CamVid of its own for each test, with one frame of another size."""
    root = tmp_path / "camvid"
    shutil.copytree(camvid, root)
    for folder in ("val", "valannot"):
        path = root / folder / "0016E5_07959.png"
        with Image.open(path) as image:
            image.crop((0, 0, 100, 80)).save(path)
    return open_dataset(root)


def matches(dataset: Dataset, split: str, short_side: int) -> bool:
    cache = open_cache(dataset, split, short_side)
    pairs = dataset.pairs(split)
    assert cache.names == tuple(pair.name for pair in pairs)
    assert len(cache) == len(pairs)
    return all(
        np.array_equal(ours, theirs)
        for i, pair in enumerate(pairs)
        for ours, theirs in zip(cache.read(i), dataset.read(pair, short_side), strict=True)
    )


def only_file(dataset: Dataset) -> Path:
    (path,) = (dataset.root / ".cache").glob("*.cache")
    return path


def test_it_holds_what_the_files_decode_to_and_cannot_be_written(dataset: Dataset) -> None:
    assert matches(dataset, "val", 90)
    assert {label.shape for label in (open_cache(dataset, "val", 90).read(i)[1] for i in range(4))} == {
        (80, 100),
        (90, 120),
    }
    frame, label = open_cache(dataset, "val", 90).read(0)
    assert frame.dtype == label.dtype == np.uint8
    for view in (frame, label):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 0


def test_the_second_time_nothing_is_decoded(dataset: Dataset) -> None:
    """Every picture is overwritten by rubbish of the same size and time, and the cache still serves."""
    before = [open_cache(dataset, "val", 90).read(i)[0].copy() for i in range(4)]
    for path in dataset.root.glob("val*/*.png"):
        stat = path.stat()
        path.write_bytes(b"x" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    cache = open_cache(dataset, "val", 90)
    assert all(np.array_equal(cache.read(i)[0], frame) for i, frame in enumerate(before))


def test_a_changed_file_makes_it_anew(dataset: Dataset) -> None:
    open_cache(dataset, "val", 90)
    pair = dataset.pairs("val")[1]
    assert pair.label is not None
    Image.fromarray(np.full((96, 128), 3, np.uint8)).save(pair.label)
    assert (open_cache(dataset, "val", 90).read(1)[1] == 3).all()
    only_file(dataset)


def test_changed_classes_make_it_anew(tmp_path: Path) -> None:
    write_folder(tmp_path, {"": 1}, size=(48, 64))
    before = open_cache(open_dataset(tmp_path), "train", 48).read(0)[1].copy()
    classes = tmp_path / "classes.yaml"
    classes.write_text(classes.read_text().replace("index: 0,", "index: 99,").replace("index: 3,", "index: 0,"))
    classes.write_text(classes.read_text().replace("index: 99,", "index: 3,"))
    after = open_cache(open_dataset(tmp_path), "train", 48).read(0)[1]
    np.testing.assert_array_equal(after == 0, before == 3)


def test_splits_sizes_and_roots_share_a_folder(dataset: Dataset, camvid: Path, tmp_path: Path) -> None:
    for root, split, size in ((dataset, "val", 90), (dataset, "only:0016E5", 90), (dataset, "val", 45)):
        open_cache(root, split, size, tmp_path / "caches")
    open_cache(open_dataset(camvid), "val", 90, tmp_path / "caches")
    assert len(list((tmp_path / "caches").glob("*.cache"))) == 4


@pytest.mark.parametrize("left", [0, 10, 0.5, 0.999])
def test_a_file_cut_short_is_made_anew(dataset: Dataset, left: float) -> None:
    open_cache(dataset, "val", 90)
    path = only_file(dataset)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left if left > 1 else left * len(whole))])
    assert matches(dataset, "val", 90)


def test_a_damaged_index_is_made_anew(dataset: Dataset) -> None:
    open_cache(dataset, "val", 90)
    path = only_file(dataset)
    whole = path.read_bytes()
    for place in range(len(whole) - 60, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert matches(dataset, "val", 90)


def test_a_lock_that_cannot_be_taken_is_told(dataset: Dataset) -> None:
    open_cache(dataset, "val", 90)
    lock = only_file(dataset).with_suffix(".lock")
    only_file(dataset).unlink()
    lock.unlink(missing_ok=True)
    lock.mkdir()  # another user's may not be opened either
    with pytest.raises(OutputError, match=r"\.cache cannot be locked: .*; choose another folder \(--cache\)"):
        open_cache(dataset, "val", 90)


def test_a_damaged_sample_is_told(dataset: Dataset) -> None:
    open_cache(dataset, "val", 90)
    path = only_file(dataset)
    content = bytearray(path.read_bytes())
    content[4 * 80 * 100 + 7] ^= 1
    path.write_bytes(content)
    cache = open_cache(dataset, "val", 90)
    cache.read(0)
    with pytest.raises(
        DatasetError, match=r"\.cache is damaged at val/0016E5_07961; delete it to have it written again"
    ):
        cache.read(1)


OPEN = (
    "import sys; from streetseg.data import cache; from streetseg.data.datasets import open_dataset;"
    "opened = cache.open_cache(open_dataset(sys.argv[1]), 'train', int(sys.argv[2]), None, {});"
    "print(sum(int(opened.read(i)[0].sum()) for i in range(len(opened))))"
)
SLOWLY = (
    "lambda items, unit: ((__import__('time').sleep(0.1), print('decoding', flush=True), item)[2] for item in items)"
)


def start(root: Path, short_side: int = 90) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPEN.format(SLOWLY), str(root), str(short_side)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_of_two_processes_one_decodes(dataset: Dataset) -> None:
    both = [start(dataset.root) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].split() for process in both]
    assert sorted(output.count("decoding") for output in outputs) == [0, 12]
    assert outputs[0][-1] == outputs[1][-1]
    assert matches(dataset, "train", 90)


@pytest.mark.slow
@pytest.mark.parametrize("short_side", [90, sys.maxsize])  # a short name and one that its temporary file's cuts
def test_a_kill_leaves_nothing_that_reads_wrong(dataset: Dataset, short_side: int) -> None:
    process = start(dataset.root, short_side)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not list((dataset.root / ".cache").glob("camvid*.cache"))
    assert list((dataset.root / ".cache").glob(".*.part.cache"))
    assert matches(dataset, "train", short_side)
    assert not list((dataset.root / ".cache").glob(".*.part.cache"))


def test_what_cannot_be_cached_is_one_line(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another"):
        open_cache(dataset, "val", 90, tmp_path / "file")
    pair = dataset.pairs("val")[2]
    pair.image.write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"0016E5_07963.png is not an image"):
        open_cache(dataset, "val", 90)
    assert not list((dataset.root / ".cache").glob("*.cache"))
    pair.image.unlink()
    with pytest.raises(DatasetError, match=r"0016E5_07963.png cannot be read: No such file"):
        open_cache(dataset, "val", 90)
