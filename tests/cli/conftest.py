"""Fixtures that the tests of several verbs share."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from streetseg.streets.scene import render
from tests.support.command_line import Refused, Run, files_below, refusal


@pytest.fixture
def refused(drive: Path, tmp_path: Path, run: Run) -> Refused:
    """Run a command that must fail and write nothing; return its complaint.

    {drive}, {out}, {empty} and {weights} in its arguments stand for places.
    """
    places = {"drive": drive, "out": tmp_path / "out", "empty": tmp_path / "empty", "weights": DEFAULT_WEIGHTS}
    places["empty"].mkdir()

    def refused(*arguments: str) -> str:
        complaint = refusal(run(*(argument.format(**places) for argument in arguments)))
        assert files_below(tmp_path) == set()
        return complaint

    return refused


@pytest.fixture(scope="session")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four photos: 1.png, a/1.png, a/2.jpg and b/1.png."""
    root = tmp_path_factory.mktemp("drive")
    for seed, name in enumerate(["1.png", "a/1.png", "a/2.jpg", "b/1.png"]):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(render(seed, (48, 64)).frame).save(path)
    return root
