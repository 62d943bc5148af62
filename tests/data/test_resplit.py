"""Splits by share and drive: no neighbours in two splits, and the same frames always lie in the same split."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.pairs import Pair
from streetseg.data.resplit import Division, divide
from streetseg.errors import UsageError


def frames(**drives: int) -> list[Pair]:
    return [
        Pair(f"train/{drive}_{number:04d}", Path(f"{drive}_{number:04d}.png"), Path("m"), drive)
        for drive, count in drives.items()
        for number in range(count)
    ]


def sizes(division: Division) -> dict[str, int]:
    return {split: len(pairs) for split, pairs in division.splits.items()}


def drives_in(division: Division, split: str) -> set[str]:
    return {pair.sequence for pair in division.splits[split]}


def neighbours(division: Division) -> list[tuple[str, str]]:
    """Frames that follow each other in a drive and lie in two splits."""
    place = {pair.name: split for split, pairs in division.splits.items() for pair in pairs}
    found = []
    for name, split in place.items():
        drive, _, number = name.rpartition("_")
        after = f"{drive}_{int(number) + 1:04d}"
        if place.get(after, split) != split:
            found.append((name, after))
    return found


def test_whole_drives_are_divided_where_their_sizes_allow_it() -> None:
    division = divide(frames(a=40, b=30, c=20, d=10), {"val": 0.2})
    assert (sizes(division), drives_in(division, "val")) == ({"train": 80, "val": 20}, {"c"})
    assert division.left_out == ()
    assert neighbours(division) == []
    assert division.note == "whole drives are divided (train: a, b, d, val: c)"
    three = divide(frames(a=40, b=30, c=20, d=10), {"val": 0.2, "test": 0.1})
    assert sizes(three) == {"train": 70, "val": 20, "test": 10}


def test_one_drive_becomes_blocks_with_a_frame_between_them_left_out() -> None:
    division = divide(frames(a=50), {"val": 0.2, "test": 0.1})
    assert sizes(division) == {"train": 33, "val": 10, "test": 5}
    assert len(division.left_out) == 2
    assert neighbours(division) == []
    assert [pair.name for pair in division.splits["test"]] == [f"train/a_{n:04d}" for n in range(45, 50)]
    assert "2 frames between blocks left out" in division.note


def test_a_random_split_is_put_in_order_again() -> None:
    mixed = [
        Pair(f"{split}/a_{n:04d}", Path(f"images/{split}/a_{n:04d}.png"), Path("m"), "a")
        for n, split in enumerate(["train", "val", "train", "train"] * 5)
    ]
    division = divide(mixed, {"val": 0.2})
    assert [pair.name.rpartition("_")[2] for pair in division.splits["val"]] == ["0016", "0017", "0018", "0019"]
    assert [pair.name.rpartition("_")[2] for pair in division.splits["train"]] == [f"{n:04d}" for n in range(15)]


def test_drives_of_unfit_sizes_become_blocks() -> None:
    division = divide(frames(a=100, b=60), {"val": 0.1})
    assert sizes(division) == {"train": 142, "val": 16}
    assert drives_in(division, "val") == {"a", "b"}
    assert neighbours(division) == []


def test_names_that_tell_no_drives_are_one_drive() -> None:
    pairs = [Pair(f"train/{n}", Path(f"{n}.png"), Path("m"), f"own {n}") for n in range(20)]
    division = divide(pairs, {"val": 0.2})
    assert [pair.name for pair in division.splits["val"]] == [f"train/{n}" for n in range(16, 20)]


def test_the_order_of_the_frames_does_not_matter() -> None:
    pairs = frames(a=13, b=9, c=21)
    assert divide(pairs, {"val": 0.3}).splits == divide(pairs[::-1], {"val": 0.3}).splits


@pytest.mark.parametrize(
    ("count", "shares", "says"),
    [
        (20, {"val": 1.0}, "shares val 1 leave no share for each split"),
        (20, {"val": 0.6, "test": 0.4}, "below 1 together"),
        (2, {"val": 0.2, "test": 0.2}, "2 frames are too few for the splits train, val 0.2, test 0.2; label more"),
    ],
)
def test_shares_that_cannot_be(count: int, shares: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        divide(frames(a=count), shares)


def test_few_frames_fill_every_split() -> None:
    assert sizes(divide(frames(a=3), {"val": 0.1, "test": 0.1})) == {"train": 1, "val": 1, "test": 1}
