"""The rate of bulk runs."""

from __future__ import annotations

import json

import pytest

from streetseg.bench.bulk import BulkSpeed, bench_bulk
from streetseg.errors import UsageError
from streetseg.runtime.engines.options import EngineOptions


def test_rates_stand_beside_the_first() -> None:
    speed = BulkSpeed((48, 64), 20, {1: 10.0, 2: 19.0})
    assert speed.table().splitlines()[-1].split() == ["2", "19.0", "1.90"]
    assert json.loads(speed.to_json())["workers"]["2"] == {"frames_per_second": 19.0, "times": 1.9}
    with pytest.raises(UsageError, match="must be at least 1, got 0 and 200"):
        bench_bulk([0])


@pytest.mark.slow
def test_a_run_is_timed() -> None:
    speed = bench_bulk([1], images=10, size=(48, 64), options=EngineOptions("onnxruntime"))
    assert speed.images == 10
    assert speed.rates[1] > 0
