"""Networks timed without training."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.bench.machine import count_work
from streetseg.bench.subject import Subject
from streetseg.bench.untrained import network_times, write_untrained
from streetseg.models.counting import network_cost
from streetseg.runtime.engines.options import EngineOptions


@pytest.mark.slow
def test_an_untrained_artefact_has_the_work_of_its_network(tmp_path: Path) -> None:
    subject = Subject("bisenetv2", (("branches", "semantic"),), 5, (64, 96))  # with grouped convolutions
    write_untrained(subject, tmp_path / "a.onnx")
    assert count_work(tmp_path / "a.onnx", subject.size).gmacs == pytest.approx(network_cost(*subject).gmacs, rel=1e-3)


@pytest.mark.slow
def test_networks_are_timed_in_rounds() -> None:
    subjects = [Subject("bisenetv2", (("branches", "semantic"),), 3, size) for size in ((32, 32),)]
    times = network_times(subjects, 4, EngineOptions(engine="onnxruntime", threads=1))
    assert list(times) == subjects
    assert all(rounds.shape == (4,) and rounds.min() > 0 for rounds in times.values())
