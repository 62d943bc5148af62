"""What the writer of an export target returns."""

from __future__ import annotations

from dataclasses import dataclass

from streetseg.runtime.card import ModelCard


@dataclass(frozen=True)
class Written:
    """An export that is written, and compared with what it was made from where it can be run.

    Attributes:
        card: Its card as written.
        difference: The largest difference of a logit, in standard deviations of the logits; None if it was not run.
        notes: What the user must know, one sentence each: that it cannot be run here, for instance.
    """

    card: ModelCard
    difference: float | None
    notes: tuple[str, ...] = ()
