"""Fixtures that the tests of speed share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streetseg.bench import frames, machine, timing
from streetseg.bench.frames import bench
from streetseg.bench.speed import FrameSpeed
from streetseg.runtime.engines.options import EngineOptions

SIZE = (64, 90)  # no multiple of the network's 8


@pytest.fixture(scope="package", autouse=True)
def brief() -> Iterator[None]:
    """What takes time for the sake of good figures only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "STREAM_SECONDS", 0.1)
        patch.setattr(frames, "COLD_STARTS", 1)
        patch.setattr(machine, "SIDE", 16)
        patch.setattr(machine, "COPIED", 2**20)
        yield


@pytest.fixture(scope="package")
def speed() -> FrameSpeed:
    """The shipped artefact on two engines."""
    return bench(
        size=SIZE,
        rounds=10,
        options=[EngineOptions(engine="openvino", threads=1), EngineOptions(engine="onnxruntime", threads=1)],
    )
