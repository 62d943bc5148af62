"""A server of two tiny models that the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import ONNXRUNTIME
from tests.support.server import RunningServer, running
from tests.support.tiny import write_tiny


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact of one convolution."""
    return write_tiny(tmp_path_factory.mktemp("artefact") / "tiny.onnx")


@pytest.fixture(scope="session")
def server(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of "tiny" and of "grey", in a process of its own."""
    grey = write_tiny(tmp_path_factory.mktemp("artefact") / "grey.onnx", classes=("a", "b", "c"), operating_scale=1.0)
    with running(artefact, grey, *ONNXRUNTIME) as server:
        yield server
