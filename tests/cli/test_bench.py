"""streetseg bench: one clear line for every mistake."""

from __future__ import annotations

import pytest

from tests.support.command_line import Refused


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bench", "--size", "20000x20000"], "20000x20000 has more pixels than a frame may have; give at most 100,000"),
        (["bench", "net"], "'net' is neither a file nor a name of weights"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)
