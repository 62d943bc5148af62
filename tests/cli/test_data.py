"""streetseg data: one clear line for every mistake."""

from __future__ import annotations

import pytest

from tests.support.command_line import Refused


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data", "render", "{out}", "--size", "100000x100000"], "more pixels than a frame may have"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)
