"""Reading ahead: in order, and no further than is said."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count

from streetseg.data.pairs import read_ahead


def test_little_is_read_ahead_and_all_in_order() -> None:
    begun: list[int] = []

    def read(source: int) -> int:
        begun.append(source)
        return source

    taken = read_ahead(read, range(100))
    for at in range(50):
        assert next(taken) == at
        assert len(begun) <= at + 1 + 8  # a frame of Cityscapes takes 8 MB
    assert list(taken) == list(range(50, 100))
    assert sorted(begun) == list(range(100))


def test_who_stops_taking_stops_the_reading() -> None:
    begun: list[int] = []
    taken = read_ahead(begun.append, count(), threads=1, ahead=3)
    assert isinstance(taken, Generator)
    next(taken)
    taken.close()
    assert len(begun) <= 4
