"""streetseg compare: one clear line for every mistake."""

from __future__ import annotations

import pytest

from tests.support.command_line import Refused


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["compare", "{empty}/a.json", "{weights}"], "a.json cannot be read: No such file or directory"),
        (["compare", "/dev/zero", "{weights}"], "/dev/zero cannot be read: it is a device, a pipe or a socket"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)
