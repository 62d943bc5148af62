"""The choice of frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streetseg.bulk.prelabel.choice import Wish, choose_random, choose_uncertain
from streetseg.errors import UsageError


def test_the_most_uncertain_come_first_and_are_no_neighbours() -> None:
    scores = [0.1] * 40
    scores[10:14] = [0.8, 0.9, 0.85, 0.7]  # one moment
    scores[30] = 0.5
    assert choose_uncertain(scores, ["a"] * 40, 2) == [11, 30]


@pytest.mark.parametrize("count", [1, 3, 10, 12])
def test_there_are_always_as_many_as_asked_for_with_their_distance(count: int) -> None:
    scores = np.random.default_rng(count).random(50).tolist()
    chosen = choose_uncertain(scores, ["a"] * 25 + ["b"] * 25, count)
    assert len(chosen) == count
    gap = max(2, 50 // (2 * count))
    pairs = itertools.pairwise(chosen)
    assert all(after - before >= gap for before, after in pairs if (before < 25) == (after < 25))


def test_frames_of_two_drives_are_no_neighbours() -> None:
    assert choose_uncertain([0.1, 0.1, 0.9, 0.8, 0.1, 0.1], ["a"] * 3 + ["b"] * 3, 2) == [2, 3]


def test_neighbours_fill_up() -> None:
    assert choose_uncertain([0.1, 0.9, 0.8, 0.2], ["a"] * 4, 3) == [1, 2, 3]
    assert choose_uncertain([0.1, 0.9], ["a"] * 2, 5) == [0, 1]
    assert choose_uncertain([], [], 5) == []


def test_chance_is_repeatable() -> None:
    assert choose_random(100, 5, 1) == choose_random(100, 5, 1) != choose_random(100, 5, 2)
    assert choose_random(3, 5, 0) == [0, 1, 2]


@pytest.mark.parametrize("text", ["uncertain", "uncertain:0", "uncertain:-1", "best:3", "", "random:x"])
def test_a_wrong_wish_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="uncertain:N or random:N"):
        Wish.parse(text)
