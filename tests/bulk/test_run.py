"""Whole runs: what is written, what is refused, and that a run goes on where it ended."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from streetseg.bulk import frame_table, options, run
from streetseg.bulk.options import BulkOptions
from streetseg.bulk.run import bulk
from streetseg.bulk.shards import PackedClassmap, read_classmaps
from streetseg.errors import MissingExtraError, OutputError, UsageError
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render
from tests.support.videos import write_film

ENGINE = EngineOptions("onnxruntime", threads=1)
OUT = "memory://results"  # such a run has its worker in this process


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in memory, emptied in the end."""
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images, one of them bad, and a film of 12 frames."""
    root = tmp_path_factory.mktemp("drive")
    for seed, name in enumerate(["1.png", "a/1.png", "a/1.jpg", "b/2.png"]):
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray(render(seed, (48, 64)).frame).save(root / name)
    (root / "b" / "bad.png").write_bytes(b"no image")
    write_film(root / "ride.mp4", range(12), options={"g": "4"})
    return root


def files_in(store: Any) -> dict[str, bytes]:
    """The files of the results, but for the ledger and the timings."""
    names = [name.removeprefix("/results/") for name in store.find("/results")]
    kept = [name for name in names if not name.startswith(".") and not name.startswith("timings")]
    return {name: store.cat_file(f"/results/{name}") for name in kept}


def table_of(store: Any, name: str = "frames.parquet") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(fsspec.open(f"memory://results/{name}").open()).to_pylist()
    return rows


def test_a_run_mirrors_paths_and_writes_a_table(drive: Path, memory: Any) -> None:
    told: list[str] = []
    done = bulk(drive, OUT, options=ENGINE, bulk=BulkOptions(overlays=2, segment_seconds=0.1), tell=told.append)
    assert (done.frames, done.errors, done.segmented) == (16, 1, 16)
    assert told == [f"{drive}/b/bad.png is not an image, or its header is damaged; allowed are JPEG, PNG, BMP, GIF, "
                    "PPM, WEBP, TIFF, AVIF"]  # fmt: skip
    rows, written = table_of(memory), files_in(memory)
    assert [Path(row["source"]).relative_to(drive).as_posix() for row in rows] == [
        "1.png", *["ride.mp4"] * 12, "a/1.jpg", "a/1.png", "b/2.png", "b/bad.png",
    ]  # fmt: skip
    assert [row["seconds"] for row in rows[1:13]] == [round(0.04 * index, 6) for index in range(12)]
    assert rows[-1]["error"] == told[0]
    assert rows[-1]["result"] is rows[-1]["confidence"] is rows[-1]["share_road"] is None
    segmenter = Segmenter.open(options=ENGINE)
    for row in (rows[0], rows[15]):
        result = segmenter(row["source"])
        classmap = np.asarray(Image.open(fsspec.open(f"memory://results/{row['result']}").open()))
        np.testing.assert_array_equal(classmap, result.classmap)
        assert (row["width"], row["height"]) == (64, 48)
        assert row["share_road"] == pytest.approx(result.share().get("road", 0), abs=1e-6)
        assert row["confidence"] == pytest.approx(result.confidence().mean(), abs=1e-6)
        assert row["unsure"] == pytest.approx((result.confidence() < 0.5).mean(), abs=1e-6)
    assert rows[1]["result"] == "ride/000000.000000_classes.png"
    assert {row["result"] for row in rows[13:16]} == {"a/1.jpg_classes.png", "a/1.png_classes.png", "b/2_classes.png"}
    overlays = {name for name in written if name.endswith("_overlay.jpg")}
    assert overlays == {row["overlay"] for row in rows} - {None}
    assert sum(name.startswith("ride/") for name in overlays) == 6
    assert set(written) == overlays | {row["result"] for row in rows} - {None} | {"frames.parquet"}
    timings = table_of(memory, "timings.parquet")
    assert [row["source"] for row in timings] == [row["source"] for row in rows]
    assert timings[0]["milliseconds"] >= timings[0]["network_ms"] > 0


def test_the_same_call_does_nothing_twice(drive: Path, memory: Any) -> None:
    bulk(drive, OUT, options=ENGINE)
    before = files_in(memory)
    memory.pipe_file("/results/1_classes.png", b"untouched")
    again = bulk(drive, OUT, options=ENGINE)
    assert (again.frames, again.errors, again.segmented) == (16, 1, 0)
    assert memory.cat_file("/results/1_classes.png") == b"untouched"
    assert {**files_in(memory), "1_classes.png": before["1_classes.png"]} == before
    # Half of the ledger is lost: that half is done again, and all is as it was.
    for name in memory.ls("/results/.streetseg-bulk/units", detail=False)[::2]:
        memory.rm(name)
    assert bulk(drive, OUT, options=ENGINE).segmented > 0
    assert files_in(memory) == before


def test_errors_are_tried_again_on_request(drive: Path, memory: Any, tmp_path: Path) -> None:
    for path in ("1.png", "2.png"):
        (tmp_path / path).write_bytes((drive / "1.png").read_bytes())
    (tmp_path / "2.png").write_bytes(b"")
    assert bulk(tmp_path, OUT, options=ENGINE).errors == 1
    (tmp_path / "2.png").write_bytes((drive / "1.png").read_bytes())
    assert bulk(tmp_path, OUT, options=ENGINE).errors == 1
    done = bulk(tmp_path, OUT, options=ENGINE, bulk=BulkOptions(retry_errors=True))
    assert (done.errors, done.frames) == (0, 2)


def test_results_of_another_run_are_not_mixed(drive: Path, memory: Any) -> None:
    bulk(drive / "a", OUT, options=ENGINE)
    before = files_in(memory)
    for changes, words in (
        ({"size": 32}, "size .* there, 32 here"),
        ({"bulk": BulkOptions(threshold=0.6)}, "threshold 0.5 there, 0.6 here"),
    ):
        with pytest.raises(UsageError, match=f"holds results of another run: {words}; choose another --out"):
            bulk(drive / "a", OUT, options=ENGINE, **changes)
    with pytest.raises(UsageError, match="holds results of another run: sources"):
        bulk(drive / "b", OUT, options=ENGINE)
    assert files_in(memory) == before


def test_two_runs_do_not_share_an_output(drive: Path, tmp_path: Path) -> None:
    with run.in_use(str(tmp_path)), pytest.raises(OutputError, match=f"another run is writing to {tmp_path}; wait"):
        bulk(drive, tmp_path, options=ENGINE)
    assert [path.name for path in tmp_path.iterdir()] == [".streetseg-bulk"]


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_packed_results(kind: str, drive: Path, memory: Any, tmp_path: Path) -> None:
    bulk(drive, OUT, options=ENGINE, bulk=BulkOptions(results=kind, shard_frames=4))
    rows = [row for row in table_of(memory) if row["error"] is None]
    shards = {row["result"] for row in rows}
    assert len(shards) > 1
    assert set(files_in(memory)) == shards | {"frames.parquet"}
    packed: dict[str, PackedClassmap] = {}
    for shard in shards:
        memory.get_file(f"/results/{shard}", str(tmp_path / Path(shard).name))
        packed |= {one.key: one for one in read_classmaps(tmp_path / Path(shard).name)}
    assert set(packed) == {row["key"] for row in rows}
    segmenter = Segmenter.open(options=ENGINE)
    for row in rows:
        if row["seconds"] is None:
            np.testing.assert_array_equal(packed[row["key"]].classmap, segmenter(row["source"]).classmap)


def test_an_object_store_gives_and_takes(drive: Path, memory: Any) -> None:
    bulk(drive, OUT, options=ENGINE)
    local = files_in(memory)
    memory.rm("/results", recursive=True)
    for path in drive.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/drive/{path.relative_to(drive).as_posix()}", path.read_bytes())
    done = bulk("memory://drive", OUT, options=ENGINE)
    assert (done.frames, done.errors) == (16, 1)
    remote = files_in(memory)
    assert {name for name in remote if name.endswith(".png")} == {name for name in local if name.endswith(".png")}
    assert all(remote[name] == local[name] for name in local if name.endswith(".png"))


def test_without_pyarrow_the_table_is_csv(drive: Path, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (frame_table, options, run):
        monkeypatch.setattr(module, "has_pyarrow", lambda: False)
    told: list[str] = []
    done = bulk(drive / "b", OUT, options=ENGINE, tell=told.append)
    assert told[0] == "note: the table is frames.csv; for frames.parquet: pip install 'streetseg[bulk]'"
    assert done.frames_table == "frames.csv"
    rows = list(csv.DictReader(memory.cat_file("/results/frames.csv").decode().splitlines()))
    assert [Path(row["source"]).name for row in rows] == ["2.png", "bad.png"]
    assert float(rows[0]["confidence"]) > 0
    with pytest.raises(MissingExtraError, match=r"streetseg\[bulk\]"):
        BulkOptions(results="parquet")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"results": "jpg"}, "results must be one of png, parquet, webdataset, none"),
        ({"overlays": 0}, "overlays must be at least 1"),
        ({"threshold": 1.5}, "threshold must be from 0 to 1"),
        ({"timeout": 0.0}, "must be above 0"),
    ],
)
def test_wrong_options(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        BulkOptions(**wrong)


def test_the_report_is_json(drive: Path, memory: Any) -> None:
    done = bulk(drive / "a", OUT, options=ENGINE)
    assert json.loads(done.to_json())["frames"] == 2
    assert done.table().endswith("; 0 errors; memory://results/frames.parquet")
