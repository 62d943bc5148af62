"""The protocol of speed: whose turn it is, what is counted, and what is said about it. Nothing here asserts a time."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from streetseg.bench import frames, machine
from streetseg.bench.frames import Entry, highest, measure, shares, speed_table, street_frame, summary, take_turns
from streetseg.cli import main
from streetseg.errors import EngineError
from streetseg.export.graph import with_card
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter

SIZE = (64, 90)  # no multiple of the network's 8


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    """What takes time for the sake of good figures only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "STREAM_SECONDS", 0.1)
        patch.setattr(frames, "COLD_STARTS", 1)
        patch.setattr(machine, "SIDE", 16)
        patch.setattr(machine, "COPIED", 2**20)
        yield


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """The shipped artefact on two engines."""
    kinds = [EngineOptions(engine, threads=1) for engine in ("openvino", "onnxruntime")]
    entries = [Entry.open(DEFAULT_WEIGHTS, SIZE, options) for options in kinds]
    return measure(entries, SIZE, 10)


def test_every_entry_is_measured_whole(facts: dict[str, Any]) -> None:
    assert [(row["engine"], row["threads"]) for row in facts["rows"]] == [("openvino", 1), ("onnxruntime", 1)]
    for row in facts["rows"]:
        assert row["content_hash"] == Segmenter.open(engine="onnxruntime").card.content_hash
        for took in row["latency_ms"].values():
            assert 0 < took["median"] <= took["p90"]
            assert took["p99"] is None  # ten samples know no 99th percentile
        assert row["throughput"]["frames_per_second"] > 0
        assert row["cold_start_s"] > 0
        assert row["peak_memory_mb"] > DEFAULT_WEIGHTS.stat().st_size / 1e6
    assert set(facts["rows"][0]["ratio"].values()) == {1.0}


def test_shares_are_of_the_ceilings(facts: dict[str, Any]) -> None:
    for row in facts["rows"]:
        ceiling = facts["ceilings"]["convolution_gmacs_per_second"][row["precision"]]
        reached = row["gmacs"] / row["latency_ms"]["network"]["median"] * 1e3
        assert ceiling > 0
        assert row["share_of_convolution"] == pytest.approx(reached / ceiling, rel=1e-2, abs=1e-4)


def test_work_is_counted_by_hand(tmp_path: Path) -> None:
    """A 3 x 3 convolution to 4 channels at stride 2."""
    weights = onnx.numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "weights")
    nodes = [
        onnx.helper.make_node("Transpose", ["frame"], ["x"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Conv", ["x", "weights"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    frame, y = (
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, None, None, c])
        for n, c in (("frame", 3), ("y", None))
    )
    graph = onnx.helper.make_graph(nodes, "one", [frame], [y], [weights])
    path = tmp_path / "one.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    outputs = 4 * 16 * 20
    assert machine.work(path, (32, 40)) == pytest.approx((outputs * 27 / 1e9, (3 * 32 * 40 + 4 * 27 + outputs) / 1e9))


@pytest.mark.parametrize(("precision", "bytes_each"), [("float32", 4), ("bfloat16", 2)])
def test_the_share_of_the_bandwidth_counts_bytes(
    facts: dict[str, Any], precision: str, bytes_each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry.open(DEFAULT_WEIGHTS, SIZE, EngineOptions("onnxruntime", threads=1))
    monkeypatch.setattr(Entry, "precision", precision)
    monkeypatch.setattr(frames, "work", lambda artefact, size: machine.Work(3.0, 0.5))
    row = {"network_input": [96, 136], "latency_ms": {"network": {"median": 100.0}}}
    ceilings = {"copy_gb_per_second": 20.0, "convolution_gmacs_per_second": {precision: 60.0}}
    assert shares(entry, row, ceilings) == {
        "gmacs": 3.0, "share_of_convolution": 0.5, "share_of_copy_bandwidth": bytes_each * 0.25,
    }  # fmt: skip


def test_ceilings_are_the_highest_that_were_seen() -> None:
    seen = [
        {"copy_gb_per_second": copy, "convolution_gmacs_per_second": {"bfloat16": fast, "float32": slow}}
        for copy, fast, slow in ((20.0, 180.0, 99.0), (25.0, 210.0, 90.0), (22.0, 200.0, 95.0))
    ]
    assert highest(seen) == {
        "copy_gb_per_second": 25.0,
        "convolution_gmacs_per_second": {"bfloat16": 210.0, "float32": 99.0},
    }


def test_int8_has_no_shares(facts: dict[str, Any], tmp_path: Path) -> None:
    artefact = tmp_path / "int8.onnx"
    model = onnx.load(DEFAULT_WEIGHTS)
    artefact.write_bytes(with_card(model, read_card(DEFAULT_WEIGHTS), "int8")[0])
    entry = Entry.open(artefact, SIZE, EngineOptions("openvino", threads=1))
    row = facts["rows"][0] | entry.describe() | {"artefact": artefact.name}
    assert row["precision"] == "int8"
    row |= shares(entry, row, facts["ceilings"])
    assert row["gmacs"] == facts["rows"][0]["gmacs"]
    assert row["share_of_convolution"] is row["share_of_copy_bandwidth"] is None
    table = speed_table(facts | {"rows": [row]})
    assert any(line.startswith("| int8, openvino int8 ") and line.endswith(" - |") for line in table.splitlines())


def test_the_table_says_what_was_found(facts: dict[str, Any]) -> None:
    text = speed_table(json.loads(json.dumps(facts)))
    assert facts["machine"]["versions"]["openvino"] in text
    assert "64 x 90, rendered street" in text
    assert len(re.findall(r"\| +96 x 136 \| +1 \|", text)) == 2  # 1.5 times as large, to the next multiple of 8
    for row in facts["rows"]:
        assert f"| {row['accuracy'][0]['measured_on']} | " in text
        cells = [line for line in text.splitlines() if f"{row['engine']} {row['precision']}" in line]
        assert len(cells) == 4
        for line, way in zip(cells, ("network", "frame", "file"), strict=False):
            assert f" {row['latency_ms'][way]['median']:.1f} " in line


def test_artefacts_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "best.onnx" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(DEFAULT_WEIGHTS, path)
    kinds = [EngineOptions(engine, threads=1) for engine in ("openvino", "onnxruntime")]
    entries = [Entry.open(path, (32, 48), options) for path in paths for options in kinds]
    found = measure(entries, (32, 48), 1)
    assert [row["artefact"] for row in found["rows"]] == ["a/best.onnx"] * 2 + ["b/best.onnx"] * 2
    assert "| a/best, openvino " in speed_table(found)


def test_streams_are_timed_while_all_of_them_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames come and go in waves of 1.1 s: the first one fills the streams, the last one empties them."""
    now = 0.0

    class Waves:
        streams = 16

        def stream(self, frames: Iterator[int]) -> Generator[int]:
            nonlocal now
            for number, frame in enumerate(frames):
                now += 1.1 if number % self.streams == 0 else 0
                yield frame

    monkeypatch.setattr(frames.time, "perf_counter", lambda: now)
    monkeypatch.setattr(frames, "STREAM_SECONDS", 1.0)
    assert frames.rate(Waves(), None) == pytest.approx(16 / 1.1)  # type: ignore[arg-type]
    assert now == pytest.approx(3.3)


def test_artefacts_of_one_name_keep_their_accuracies_apart(facts: dict[str, Any]) -> None:
    one, other = (row | {"content_hash": str(n)} for n, row in enumerate(facts["rows"]))
    other["accuracy"] = [{"measured_on": "another street", "miou": 0.1234}]
    text = speed_table(facts | {"rows": [one, other]})
    assert f"| {one['accuracy'][0]['measured_on']} |" in text
    assert "| another street" in text


def test_entries_take_turns() -> None:
    calls: list[str] = []
    runs = [[lambda name=name: calls.append(name) for name in ways] for ways in ("abc", "xyz")]  # type: ignore[misc]
    times = take_turns(runs, 3)
    assert times.shape == (2, 3, 3)
    assert "".join(calls[:6]) == "abcxyz"  # the round that does not count
    # Each turn starts with an uncounted run of its own first way; the counted ones rotate.
    assert "".join(calls[6:]) == "aabc" + "xxyz" + "acab" + "xzxy" + "abca" + "xyzx"


def test_percentiles_need_samples() -> None:
    times = np.arange(100.0)
    assert summary(times) == {"median": 49.5, "p90": 89.1, "p99": 98.01}
    assert summary(times[:99])["p99"] is None
    assert summary(times[:9]) == {"median": 4.0, "p90": None, "p99": None}


def test_a_frame_is_a_street_of_any_size() -> None:
    frame = street_frame((721, 963))
    assert frame.shape == (721, 963, 3)
    shares = Segmenter.open(engine="onnxruntime")(frame).share().values()
    assert len([part for part in shares if part > 0.01]) >= 6  # classes, and borders between them


def test_a_process_that_fails_is_one_line(tmp_path: Path) -> None:
    entry = Entry.open(DEFAULT_WEIGHTS, SIZE, EngineOptions("onnxruntime", threads=1))
    gone = Entry(tmp_path / "gone.onnx", entry.segmenter, entry.options)
    image = Path(__file__).parents[2] / "docs" / "images" / "example.jpg"
    with pytest.raises(EngineError, match=r"^.*gone\.onnx cannot be run in a process of its own: .*does not exist"):
        frames.cold_start(gone, image)


def test_bench_writes_json_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "--engine", "onnxruntime", "--size", "32x48", "--rounds", "1", "--threads", "1"]
    assert main([*command, "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "speed.json").read_text())
    assert (printed["frame"]["height"], printed["frame"]["width"]) == (32, 48)
    figures = {f"{name}.{form}" for name in ("speed", "accuracy") for form in ("svg", "png")}
    assert {path.name for path in tmp_path.iterdir()} == {"speed.json", *figures}
    assert "ddrnet_23_slim_camvid, onnxruntime float32" in (tmp_path / "speed.svg").read_text()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--size", "64"], "'64' is no size; give height and width, as 1024x2048"),
        (["--size", "0x128"], "'0x128' is no size"),
        (["--size", "8x64"], "size 8 x 64 is too small for a scene"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--engine", "tensorflow"], "no engine 'tensorflow'"),
        (["missing.onnx"], "missing.onnx does not exist"),
    ],
)
def test_bench_refuses(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert complaint in output.err
