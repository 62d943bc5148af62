"""The figures of `streetseg bench frames`: as JSON, as tables, as files."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from streetseg.bench import frames
from streetseg.bench.speed import FrameSpeed, Latency
from streetseg.cli import main
from streetseg.errors import MissingExtraError


def test_the_json_has_the_keys_of_the_docs(speed: FrameSpeed) -> None:
    facts = json.loads(speed.to_json())
    assert list(facts) == ["machine", "frame", "rounds", "ceilings", "rows"]
    assert list(facts["machine"]) == ["cpu", "cores", "flags", "load", "system", "class_map", "versions"]
    assert facts["frame"] == {"height": 64, "width": 90, "what": "rendered street 10, enlarged where needed"}
    assert list(facts["ceilings"]) == ["copy_gb_per_second", "convolution_gmacs_per_second"]
    for row, measured in zip(facts["rows"], speed.rows, strict=True):
        assert list(row) == [
            "artefact", "network", "content_hash", "engine", "precision", "threads", "accuracy", "network_input",
            "latency_ms", "ratio", "throughput", "cold_start_s", "peak_memory_mb", "gmacs", "share_of_convolution",
            "share_of_copy_bandwidth",
        ]  # fmt: skip
        assert row["latency_ms"]["file"]["median"] == round(measured.latency_ms["file"].median, 3)
        assert row["throughput"] == {"streams": 1, "frames_per_second": round(measured.frames_per_second, 3)}
        assert row["accuracy"] == [{"measured_on": one.measured_on, "miou": one.miou} for one in measured.accuracy]


def test_the_table_says_what_was_measured(speed: FrameSpeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = speed.table()
    assert speed.machine.versions["openvino"] in text
    assert "64 x 90, rendered street" in text
    assert len(re.findall(r" 96 x 136 +1 ", text)) == 2  # 1.5 times as large, to the next multiple of 8
    for row in speed.rows:
        assert row.accuracy[0].measured_on in text
        cells = [line for line in text.splitlines() if line.startswith(row.label)]
        assert len(cells) == 4
        for line, way in zip(cells, ("network", "frame", "file"), strict=False):
            assert f" {row.latency_ms[way].median:.1f} " in line


def test_the_table_folds_at_80_columns(speed: FrameSpeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tables = (speed.latency_table(), speed.resource_table(), speed.accuracy_table())
    assert max(len(line) for table in tables for line in table.splitlines()) <= 80


def test_artefacts_of_one_name_keep_their_accuracies(speed: FrameSpeed) -> None:
    one, other = (dataclasses.replace(row, content_hash=str(n)) for n, row in enumerate(speed.rows))
    elsewhere = dataclasses.replace(one.accuracy[0], measured_on="another street", miou=0.1234)
    other = dataclasses.replace(other, accuracy=(elsewhere,))
    lines = dataclasses.replace(speed, rows=(one, other)).accuracy_table().splitlines()
    assert any(one.accuracy[0].measured_on.split()[0] in line for line in lines)
    assert any("another street" in line and line.endswith(" 12.34") for line in lines)


def test_percentiles_need_samples() -> None:
    times = np.arange(100.0)
    assert Latency.of(times).facts() == {"median": 49.5, "p90": 89.1, "p99": 98.01}
    assert Latency.of(times[:99]).p99 is None
    assert Latency.of(times[:9]) == Latency(median=4.0, p90=None, p99=None)


def test_without_matplotlib_the_figures_are_left_out(
    speed: FrameSpeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"drawing a figure needs matplotlib.*streetseg\[plots\]"):
        speed.plot()
    monkeypatch.setattr(frames, "bench", lambda *_, **__: speed)
    assert main(["bench", "frames", "--out", str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert speed.rows[0].label in output.out
    assert "streetseg: note: no figures: drawing a figure needs matplotlib" in output.err
    assert len(output.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


def test_a_device_is_named_where_one_was_asked_for(speed: FrameSpeed) -> None:
    row = speed.rows[0]
    assert "device" not in row.facts()
    on_gpu = dataclasses.replace(row, device="gpu", precision="float16")
    assert on_gpu.label == "ddrnet_23_slim_camvid, openvino float16 on gpu"
    assert on_gpu.facts()["device"] == "gpu"
