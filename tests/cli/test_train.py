"""streetseg train: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Refused, files_below, without


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "--recipe", "none", "--data", "{empty}", "--out", "{out}"], "none"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)


def test_without_pytorch(camvid: Path, tmp_path: Path) -> None:
    message = without(
        "torch", "train", "--recipe", "ddrnet_23_slim_camvid", "--data", camvid, "--out", tmp_path / "run"
    )
    assert "streetseg train needs PyTorch, which is not installed" in message
    assert "pip install 'streetseg[train]'" in message
    assert files_below(tmp_path) == set()
