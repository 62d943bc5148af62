"""Shards: class maps come back, and the same frames give the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg.bulk.rows import Row, Runs, from_bytes, to_bytes
from streetseg.bulk.shards import SUFFIXES, read_classmaps, write_shard
from streetseg.errors import UsageError


def rows() -> list[Row]:
    random = np.random.default_rng(0)
    maps = [random.integers(0, 11, (20, 30)).astype(np.uint8), np.full((7, 5), 255, np.uint8)]
    return [
        Row("/a b.png", None, 30, 20, key="a b", shares=(0.5, 0.5), runs=Runs.of(maps[0])),
        Row("/bad.png", error="no image"),
        Row("/ride.mp4", 0.04, 5, 7, key="ride/000000.040000", runs=Runs.of(maps[1])),
    ]


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_class_maps_come_back(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"one{SUFFIXES[kind]}"
    write_shard(path, kind, rows())
    read = list(read_classmaps(path))
    expected = [row for row in rows() if row.runs is not None]
    assert [(one.key, one.source, one.seconds) for one in read] == [(r.key, r.source, r.seconds) for r in expected]
    for one, row in zip(read, expected, strict=True):
        assert row.runs is not None
        np.testing.assert_array_equal(one.classmap.ravel(), np.repeat(row.runs.values, row.runs.lengths))
        assert one.classmap.shape == (row.height, row.width)
        assert one.classmap.dtype == np.uint8
    again = tmp_path / f"two{SUFFIXES[kind]}"
    write_shard(again, kind, rows())
    assert again.read_bytes() == path.read_bytes()


def test_what_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"no tar")
    for name in ("bad.tar", "gone.tar", "gone.parquet"):
        with pytest.raises(UsageError, match="cannot be read as a shard"):
            list(read_classmaps(tmp_path / name))


def test_rows_come_back_without_their_runs() -> None:
    (first, bad, last) = from_bytes(to_bytes(rows()))
    assert (first.shares, bad.error, last.seconds, last.runs) == ((0.5, 0.5), "no image", 0.04, None)
