"""The figures of `streetseg bench train`: where they come from. Nothing here asserts a time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from streetseg.bench import training
from streetseg.bench.training import PlainRun, bench_training, camvid_recipe
from streetseg.cli import main
from streetseg.data.datasets import open_dataset


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that take a blink."""
    monkeypatch.setattr(training, "SIZE", (60, 60))
    monkeypatch.setattr(training, "BATCH", 2)


@pytest.mark.slow
def test_it_measures_what_it_says(camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "train", "--network", "ddrnet_23_slim", "--network", "stdc1", "--data", str(camvid)]
    assert main([*command, "--rounds", "1", "--threads", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [(row["network"], row["crop"]) for row in facts["rows"]] == [
        ("ddrnet_23_slim", [64, 64]),
        ("stdc1", [64, 64]),
    ]
    for row in facts["rows"]:
        assert 0 < row["input_share"] < 1
        rates = row["images_per_second"]
        assert row["ratio"] == pytest.approx(rates["ours"] / max(rates["nchw"], rates["channels_last"]), rel=1e-2)
    assert list(facts) == ["machine", "threads", "batch", "rounds", "rows"]


def test_the_ratio_is_to_the_better_layout_within_a_round(camvid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    milliseconds = np.array([[100.0, 200.0, 100.0], [900.0, 900.0, 900.0], [300.0, 400.0, 200.0]])[:, :, None]
    monkeypatch.setattr(training, "take_turns", lambda runs, *_: [run() for (run,) in runs] and milliseconds)
    speed = bench_training(["ddrnet_23_slim"], data=camvid, threads=1, rounds=3)
    (row,) = speed.rows
    assert row.images_per_second == {"ours": 20.0, "nchw": 2.222, "channels_last": 6.667}
    assert row.ratio == 2.0
    assert [len(line) <= 80 for line in speed.table().splitlines()[3:]].count(False) == 0
    assert " 6.67 " in speed.table()


@pytest.mark.parametrize("network", ["stdc1", "fassd_net_l2"])
def test_the_plain_way_trains_every_parameter(camvid: Path, network: str) -> None:
    with ThreadPoolExecutor(1) as workers:
        run = PlainRun(camvid_recipe(network), open_dataset(camvid), workers, torch.contiguous_format)
        run.train_step()
    gradients = [parameter.grad for parameter in run.network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_mistakes_are_one_line(camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "train", "--network", "ddrnet_39", "--data", str(camvid)]) == 2
    assert "no recipe to train 'ddrnet_39' on a CPU; there are recipes for " in capsys.readouterr().err
    for option in ("rounds", "threads"):
        assert main(["bench", "train", f"--{option}", "0"]) == 2
        assert f"--{option} must be at least 1, got 0" in capsys.readouterr().err
