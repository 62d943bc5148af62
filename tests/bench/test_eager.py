"""The figures of `streetseg bench eager`: where they come from. Nothing here asserts a time."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from streetseg.bench import eager, machine
from streetseg.bench.eager import Eager, EagerRow, bench_eager, open_at, with_verdicts
from streetseg.bench.timing import street_frame
from streetseg.cli import main
from streetseg.errors import UsageError
from streetseg.models.networks import build
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.classmap import class_map
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return dataclasses.replace(read_card(DEFAULT_WEIGHTS), operating_scale=1.0)


@pytest.mark.parametrize("network", ["ddrnet_23_slim", "stdc1"])  # of either convention of the upsampling
def test_the_plain_way_gives_what_the_lazy_way_gives(card: ModelCard, network: str) -> None:
    frame = street_frame((64, 128))
    nchw, channels_last = (
        Eager(dataclasses.replace(card, network=network), layout) for layout in eager.LAYOUTS.values()
    )
    classes = nchw(frame)
    assert (classes == channels_last(frame)).mean() > 0.999
    torch.manual_seed(0)
    plain = build(network, len(card.classes)).eval()
    pixels = torch.from_numpy((frame - np.array(card.mean, np.float32)) / np.array(card.std, np.float32)).permute(
        2, 0, 1
    )
    with torch.inference_mode():
        logits = plain(pixels[None]).logits[0].permute(1, 2, 0).contiguous().numpy()
    size = (64, 128)
    lazy = class_map(logits, size, content_size=size, padded_size=size, align_corners=plain.align_corners)
    assert (classes == lazy).mean() > 0.999


def test_half_size_networks_see_half_the_frame(card: ModelCard) -> None:
    seen = []
    plain = Eager(dataclasses.replace(card, operating_scale=0.5), torch.channels_last)
    plain.network.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    assert plain(street_frame((64, 128))).shape == (64, 128)
    assert seen == [(1, 3, 32, 64)]


def test_it_measures_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "eager", "--network", "ddrnet_23_slim", "--size", "64x128", "--rounds", "2"]
    assert main([*command, "--threads", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    (row,) = facts["rows"]
    assert (row["weights"], row["network_input"]) == ("ddrnet_23_slim-camvid", [64, 128])
    assert row["gmacs"] == pytest.approx(machine.count_work(DEFAULT_WEIGHTS, (64, 128)).gmacs, abs=1e-3)
    assert 0 < row["class_map_ms"] < row["ours_ms"]
    assert 0 < row["mixed_cells"] < 1
    assert row["frames_per_second"] > 0
    assert row["targets"].keys() == {"ratio", "frames_per_second", "ours_ms", "cpu_ratio"}
    assert list(row) == [
        "network", "weights", "network_input", "precision", "gmacs", "ours_ms", "class_map_ms", "mixed_cells",
        "eager_ms", "ratio", "frames_per_second", "cpu_ms", "cpu_ratio", "targets",
    ]  # fmt: skip


def measured(network: str, precision: str = "bfloat16") -> EagerRow:
    return EagerRow(
        network=network, weights="initial", network_input=(64, 128), precision=precision, gmacs=10.0, ours_ms=50.0,
        class_map_ms=5.0, mixed_cells=0.1, eager_ms={"nchw": 900.0, "channels_last": 800.0}, ratio=16.0,
        frames_per_second=30.0, cpu_ms=90.0,
    )  # fmt: skip


def test_targets_and_what_bounds_them() -> None:
    row = with_verdicts(measured("ddrnet_23_slim"), 100.0, threads=2)
    # 10 GMACs take 100 ms of one thread, 50 ms of two.
    assert row.cpu_ratio == 0.9
    assert row.facts()["targets"] == {
        "ratio": {"target": 20, "met": False, "at_ceiling": 16.0},
        "frames_per_second": {"target": 30, "met": True, "at_ceiling": 20.0},
        "ours_ms": {"target": 40, "met": False, "at_ceiling": 50.0},
        "cpu_ratio": {"target": 1.5, "met": True, "at_ceiling": 1.0},
    }
    cells = row.verdicts[2].cells()
    assert cells == ["latency, ms", "50.0", "at most 40", "missed by 10.0", "50.0: out of reach here"]
    other = with_verdicts(measured("stdc1"), 1.0, threads=2)
    assert {verdict.target.key for verdict in other.verdicts} == {"ratio", "frames_per_second"}


def test_of_int8_no_bound_is_known() -> None:
    row = with_verdicts(measured("ddrnet_23_slim", "int8"), 100.0, threads=2)
    assert row.cpu_ratio is None
    assert "cpu_ratio" not in row.facts()
    verdicts = {verdict.target.key: verdict for verdict in row.verdicts}
    assert verdicts.keys() == {"ratio", "frames_per_second", "ours_ms"}
    assert verdicts["ratio"].facts() == {"target": 20, "met": False, "at_ceiling": None}
    assert verdicts["ratio"].cells()[-2:] == ["missed by 4.0", "-"]


@pytest.mark.slow
def test_an_artefact_takes_the_place_of_the_shelfs(tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    shutil.copy(DEFAULT_WEIGHTS, mine)
    speed = bench_eager([mine], size=(64, 128), rounds=1, options=EngineOptions(threads=1))
    (row,) = speed.rows
    assert (row.network, row.network_input, row.weights) == ("ddrnet_23_slim", (64, 128), "mine.onnx")
    text = speed.table()
    assert re.search(r"^ddrnet_23_slim +64x128 +mine.onnx ", text, re.MULTILINE)
    assert f" {row.ours_ms:.1f} " in text
    assert max(map(len, text.partition("\n\n")[2].splitlines())) <= 80


def test_the_engine_is_not_chosen() -> None:
    with pytest.raises(UsageError, match="bench eager takes --threads and --precision only"):
        bench_eager(options=EngineOptions(engine="onnxruntime"))


def test_the_scale_is_the_papers_not_the_cards() -> None:
    frame = street_frame((64, 128))
    options = EngineOptions(threads=1, precision="float32")
    assert read_card(DEFAULT_WEIGHTS).operating_scale != 1
    assert open_at(DEFAULT_WEIGHTS, frame, options).prepare(frame).content_size == (64, 128)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["a.onnx"], "a.onnx does not exist"),
        (["README.md"], "bench eager takes NAME.onnx, not README.md"),
        (["--engine", "onnxruntime"], "unrecognized arguments: --engine"),
        (["--threads", "0"], "threads must be at least 1, got 0"),
        (["--network", "ddrnet_23_slim", "--size", "60x100"], "give a --size of multiples of 8"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
    ],
)
def test_mistakes_are_one_line(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "eager", *options]) == 2
    errors = capsys.readouterr().err
    assert complaint in errors
    assert len(errors.splitlines()) == 1
