"""Choose the frames that are most worth labelling."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from streetseg.errors import UsageError

KINDS = ("uncertain", "random")


@dataclass(frozen=True)
class Wish:
    """What --select says: "uncertain:200".

    Attributes:
        kind: One of KINDS.
        count: Number of frames.
    """

    kind: str
    count: int

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Return the wish in a text; UsageError for another text."""
        kind, _, count = text.partition(":")
        if kind not in KINDS or not count.isdecimal() or not 0 < int(count) < 10**9:
            raise UsageError(f"--select {text!r} is unknown; give uncertain:N or random:N, for example uncertain:200")
        return cls(kind, int(count))


def choose_uncertain(scores: Sequence[float], drives: Sequence[str], count: int) -> list[int]:
    """Return the places of the frames that the model is least sure of, spread over time.

    The most uncertain frame comes first. A frame is passed over if it is nearer than `gap` places to a chosen frame of
    its drive. The gap is half of all frames divided by `count`, and 2 at least: that many frames are then always left.
    If count is more than about half of all frames, the best of the neighbours fill up.

    Args:
        scores: The uncertainty of each frame, higher is less sure; the frames of a drive in the order of time.
        drives: The drive of each frame.
        count: Number of frames to choose.

    Returns:
        The places, ascending; all if there are no more than `count`.
    """
    gap = max(2, len(scores) // (2 * count))
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    chosen: set[int] = set()
    blocked: set[int] = set()
    for place in order:
        if len(chosen) == count:
            break
        if place not in blocked:
            chosen.add(place)
            near = range(max(0, place - gap + 1), min(len(scores), place + gap))
            blocked.update(other for other in near if drives[other] == drives[place])
    for place in order:
        if len(chosen) >= min(count, len(scores)):
            break
        chosen.add(place)
    return sorted(chosen)


def choose_random(frames: int, count: int, seed: int) -> list[int]:
    """Return the places of `count` of the frames, ascending, by chance."""
    return sorted(random.Random(seed).sample(range(frames), min(count, frames)))
