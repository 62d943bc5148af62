"""The protocol of speed: what is counted, and what is said about it. Nothing here asserts a time."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from streetseg.bench.frames import Entry, bench, cold_start, reached_shares
from streetseg.bench.machine import Ceilings, Work
from streetseg.bench.speed import FrameSpeed
from streetseg.bench.timing import street_frame
from streetseg.cli import main
from streetseg.errors import EngineError, UsageError
from streetseg.export.graph import with_card
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

ONNXRUNTIME = EngineOptions(engine="onnxruntime", threads=1)
SIZE = (64, 90)  # no multiple of the network's 8


def test_every_entry_is_measured_whole(speed: FrameSpeed) -> None:
    assert [(row.engine, row.threads) for row in speed.rows] == [("openvino", 1), ("onnxruntime", 1)]
    for row in speed.rows:
        assert row.content_hash == Segmenter.open(engine="onnxruntime").card.content_hash
        for latency in row.latency_ms.values():
            assert latency.p90 is not None
            assert 0 < latency.median <= latency.p90
            assert latency.p99 is None  # ten samples know no 99th percentile
        assert row.frames_per_second > 0
        assert row.cold_start_s > 0
        assert row.peak_memory_mb is not None
        assert row.peak_memory_mb > DEFAULT_WEIGHTS.stat().st_size / 1e6
    assert set(speed.rows[0].ratio.values()) == {1.0}


def test_shares_are_of_the_ceilings(speed: FrameSpeed) -> None:
    for row in speed.rows:
        ceiling = speed.ceilings.convolution_gmacs_per_second[row.precision]
        assert row.gmacs is not None
        reached = row.gmacs / row.latency_ms["network"].median * 1e3
        assert ceiling > 0
        assert row.share_of_convolution == pytest.approx(reached / ceiling, rel=1e-2, abs=1e-4)


@pytest.mark.parametrize(("precision", "bytes_each"), [("float32", 4), ("bfloat16", 2)])
def test_the_share_of_the_bandwidth_counts_bytes(precision: str, bytes_each: int) -> None:
    ceilings = Ceilings(20.0, {precision: 60.0})
    assert reached_shares(Work(3.0, 0.5), precision, 100.0, ceilings) == (0.5, bytes_each * 0.25)
    assert reached_shares(None, precision, 100.0, ceilings) == (None, None)


def test_int8_has_no_shares(speed: FrameSpeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = tmp_path / "int8.onnx"
    model = onnx.load(DEFAULT_WEIGHTS)
    artefact.write_bytes(with_card(model, read_card(DEFAULT_WEIGHTS), "int8")[0])
    entry = Entry.open(artefact, SIZE, ONNXRUNTIME)
    assert entry.precision == "int8"
    assert reached_shares(Work(3.0, 0.5), "int8", 100.0, Ceilings(20.0, {"float32": 60.0})) == (None, None)
    unknown: dict[str, Any] = {"share_of_convolution": None, "share_of_copy_bandwidth": None}
    row = dataclasses.replace(speed.rows[0], artefact=artefact.name, precision="int8", **unknown)
    assert row.label == "int8, openvino int8"
    monkeypatch.setenv("COLUMNS", "200")
    table = dataclasses.replace(speed, rows=(row,)).resource_table()
    assert any(re.search(r" - +-$", line) for line in table.splitlines())


@pytest.mark.slow
def test_artefacts_of_one_name_have_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "best.onnx" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(DEFAULT_WEIGHTS, path)
    options = [EngineOptions(engine="openvino", threads=1), ONNXRUNTIME]
    measured = bench(paths, size=(32, 48), rounds=1, options=options)
    assert [row.artefact for row in measured.rows] == ["a/best.onnx"] * 2 + ["b/best.onnx"] * 2
    assert "a/best, openvino " in measured.table()


def test_a_process_that_fails_is_one_line(tmp_path: Path) -> None:
    entry = Entry.open(DEFAULT_WEIGHTS, SIZE, ONNXRUNTIME)
    gone = dataclasses.replace(entry, artefact=tmp_path / "gone.onnx")
    image = ROOT / "docs" / "images" / "example.jpg"
    with pytest.raises(EngineError, match=r"^.*gone\.onnx cannot be run in a process of its own: .*does not exist"):
        cold_start(gone, image)


def test_entries_are_opened_one_frame_at_a_time() -> None:
    entry = Entry.open(DEFAULT_WEIGHTS, (32, 48), dataclasses.replace(ONNXRUNTIME, streams=2))
    assert entry.segmenter.streams == entry.options.streams == 1
    assert entry.segmenter.prepare(street_frame((32, 48))).padded_size == (48, 72)  # unreduced, at the card's scale


def test_bench_writes_json_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "frames", "--engine", "onnxruntime", "--size", "32x48", "--rounds", "1", "--threads", "1"]
    assert main([*command, "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "speed.json").read_text())
    assert (printed["frame"]["height"], printed["frame"]["width"]) == (32, 48)
    figures = {f"{name}.{form}" for name in ("speed", "accuracy") for form in ("svg", "png")}
    assert {path.name for path in tmp_path.iterdir()} == {"speed.json", *figures}
    assert "ddrnet_23_slim_camvid, onnxruntime float32" in (tmp_path / "speed.svg").read_text()


def test_rounds_are_one_or_more() -> None:
    with pytest.raises(UsageError, match="--rounds must be at least 1, got 0"):
        bench(rounds=0)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--size", "64"], "'64' is not a size; give height and width, for example 1024x2048"),
        (["--size", "0x128"], "'0x128' is not a size"),
        (["--size", "8x64"], "size 8 x 64 is too small for a scene"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--engine", "tensorflow"], "unknown engine 'tensorflow'"),
        (["missing.onnx"], "missing.onnx does not exist"),
    ],
)
def test_bench_refuses(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "frames", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert complaint in output.err
