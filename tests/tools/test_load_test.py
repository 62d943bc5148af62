"""The load test runs, and a bound that does not hold is a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import load_test

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")


def test_the_bounds_are_those_of_the_docs() -> None:
    assert (load_test.HOSTILE, load_test.HOSTILE_GROWTH, load_test.KILLED) == (200, 1 << 20, 100)
    assert (load_test.LONG.overload, load_test.LONG.soak, load_test.SLOPE) == (60, 20_000, 10)


def test_hostile_requests_are_many_kinds() -> None:
    kinds = {name for name, _ in load_test.hostile_requests(load_test.HOSTILE)}
    assert {"bomb", "truncated multipart", "wrong lengths", "1 GB announced", "garbage tensor"} <= kinds


@pytest.mark.slow
def test_a_measurement_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_test.main(["killed", "--short"]) == 0
    assert "places left" in capsys.readouterr().out
