"""Divide frames into train, val and test by share, so that no neighbours in a drive lie in two splits.

Neighbouring frames of a drive are almost the same picture: a network that is evaluated on a neighbour of what it was
trained on looks better than it is. So whole drives go to one split where their sizes allow it. Otherwise each split
gets a block of consecutive frames of every drive, and one frame between two blocks is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from streetseg.data.pairs import Pair
from streetseg.errors import UsageError
from streetseg.runtime.inputs import natural_key

SHARE_OFF = 0.5  # a split of whole drives may miss its share by this part of it
LEAST_BLOCKS = 10  # frames of a drive from which one is left out between blocks


@dataclass(frozen=True)
class Division:
    """Frames divided into splits.

    Attributes:
        splits: Split -> its pairs, in the order of their names.
        left_out: Pairs between two blocks of a drive, in no split.
        note: How the frames were divided.
    """

    splits: dict[str, tuple[Pair, ...]]
    left_out: tuple[Pair, ...]
    note: str


def divide(pairs: Iterable[Pair], shares: Mapping[str, float]) -> Division:
    """Divide frames by drive.

    Args:
        pairs: The frames; the same ones are always divided in the same way.
        shares: Split -> its share, 0 to 1, without "train", which gets the rest.

    Raises:
        UsageError: The shares leave nothing for train, or there are too few frames.
    """
    # By name without the split that it begins with: an earlier split may have torn a drive apart.
    ordered = sorted(pairs, key=lambda pair: natural_key(Path(pair.name.partition("/")[2] or pair.name)))
    given = ", ".join(f"{split} {share:g}" for split, share in shares.items())
    if any(not 0 < share < 1 for share in shares.values()) or sum(shares.values()) >= 1:
        raise UsageError(f"shares {given} leave no share for each split; give each a number above 0, below 1 together")
    if len(ordered) <= len(shares):
        raise UsageError(f"{len(ordered)} frames are too few for the splits train, {given}; label more frames")
    drives = drives_of(ordered)
    whole = whole_drives(drives, shares)
    if whole is not None:
        held = ", ".join(f"{split}: {named(names)}" for split, names in whole.items())
        return Division(splits_of(drives, whole), (), f"whole drives are divided ({held})")
    return blocks(drives, shares)


def drives_of(ordered: list[Pair]) -> dict[str, list[Pair]]:
    """Return the frames of each drive; all are one drive if names tell less than two frames of a drive on average."""
    drives: dict[str, list[Pair]] = {}
    for pair in ordered:
        drives.setdefault(pair.sequence, []).append(pair)
    return drives if 2 * len(drives) <= len(ordered) else {"frames": ordered}


def named(names: Iterable[str]) -> str:
    """Return a few names as text."""
    names = list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def whole_drives(drives: dict[str, list[Pair]], shares: Mapping[str, float]) -> dict[str, list[str]] | None:
    """Return split -> drives whose sizes come closest to its share; None if one misses it by more than SHARE_OFF."""
    total, left = sum(map(len, drives.values())), dict(drives)
    chosen: dict[str, list[str]] = {}
    for split, share in shares.items():
        names = closest({name: len(members) for name, members in left.items()}, share * total)
        size = sum(len(left[name]) for name in names)
        if not abs(size - share * total) <= SHARE_OFF * share * total:
            return None
        chosen[split] = names
        left = {name: members for name, members in left.items() if name not in names}
    return {"train": list(left), **chosen} if left else None


def closest(sizes: dict[str, int], wanted: float) -> list[str]:
    """Return the drives whose sizes add up to the number closest to `wanted`; the first such ones by name."""
    reached: dict[int, tuple[str, ...]] = {0: ()}
    for name in sorted(sizes):
        for size, names in list(reached.items()):
            if size + sizes[name] <= 2 * wanted:
                reached.setdefault(size + sizes[name], (*names, name))
    return list(reached[min(reached, key=lambda size: (abs(size - wanted), size))])


def splits_of(drives: dict[str, list[Pair]], chosen: dict[str, list[str]]) -> dict[str, tuple[Pair, ...]]:
    """Return split -> the frames of its drives."""
    return {split: tuple(pair for name in names for pair in drives[name]) for split, names in chosen.items()}


def blocks(drives: dict[str, list[Pair]], shares: Mapping[str, float]) -> Division:
    """Give each split a block of consecutive frames of every drive, train the first one."""
    splits: dict[str, list[Pair]] = {split: [] for split in ("train", *shares)}
    left_out: list[Pair] = []
    for members in drives.values():
        gap = 1 if len(members) >= LEAST_BLOCKS else 0
        end = len(members)
        for split, share in reversed([*shares.items()]):  # from the end of the drive to its beginning
            count = max(round(share * len(members)), 1 if len(drives) == 1 else 0)
            if not count or end - count - gap < 1:
                continue
            splits[split] += members[end - count : end]
            left_out += members[end - count - gap : end - count]
            end -= count + gap
        splits["train"] += members[:end]
    what = "the drive is" if len(drives) == 1 else f"each of {len(drives)} drives is"
    note = f"{what} divided into blocks of consecutive frames"
    if left_out:
        note += f", and {len(left_out)} frame{'s' * (len(left_out) > 1)} between blocks left out"
    return Division({split: tuple(pairs) for split, pairs in splits.items()}, tuple(left_out), note)
