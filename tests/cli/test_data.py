"""streetseg data: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Refused, Run
from tests.support.own_data import own_data, street


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data", "render", "{out}", "--size", "100000x100000"], "more pixels than a frame may have"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)


def test_convert_prints_what_was_written(tmp_path: Path, run: Run) -> None:
    root = own_data(tmp_path / "data", street(), frames=10)
    out = tmp_path / "out"
    code, lines, errors = run("data", "convert", root, "--out", out, "--val", "0.2", "--map", "car=Auto,sky=")
    assert (code, errors) == (0, [])
    assert lines[-2] == "classes: car -> Auto, sky -> void"
    assert lines[-1] == f"{out}: 9 frames (7 in train, 2 in val), 2 classes"
    for option, says in (
        (["--to", "voc"], "unknown layout 'voc'; choose one of folder, cityscapes, coco"),
        (["--map", "car"], "--map 'car' is not NAME=NEW"),
        (["--val", "1.5"], "leave no share"),
    ):
        code, lines, errors = run("data", "convert", root, "--out", tmp_path / "no", *option)
        assert (code, lines, len(errors)) == (2, [], 1)
        assert says in errors[0]
