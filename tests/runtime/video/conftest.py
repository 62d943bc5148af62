"""What the tests of videos share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streetseg.runtime.segmenter import Segmenter
from tests.support.videos import write_ride


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.open(engine="onnxruntime", streams=2)


@pytest.fixture(scope="module")
def ride(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ride."""
    return write_ride(tmp_path_factory.mktemp("ride"))


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before
