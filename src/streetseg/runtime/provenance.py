"""The origin of weights: when and by what they were written, and what the weights before them were trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# A card's own statement, then, after these words, those of the weights that the training started from.
STARTED_FROM = "; started from weights trained on "
TERMS_BEFORE = "The weights that it started from were trained on "
LIMIT_BEFORE = "Of the weights that it started from: "
UNKNOWN_TERMS = "Unknown: those of the data that they were trained on hold."


@dataclass(frozen=True)
class Ancestor:
    """Weights that a training started from, directly or through others.

    Attributes:
        network: Their network's name.
        training_data: What they were trained on themselves.
        terms: The terms of use of that data.
        limits: What they cannot do, one sentence each.
        recipe: Their recipe's fields by name; empty if unknown.
        content_hash: SHA-256 over their graph and weights; "" if unknown.
    """

    network: str
    training_data: str
    terms: str
    limits: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    content_hash: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Ancestor:
        """Return an ancestor from JSON's types; TypeError if fields are missing or unknown."""
        return cls(**{**facts, "limits": tuple(facts.get("limits", ())), "recipe": dict(facts.get("recipe", {}))})


def data_of_all(own: str, ancestors: Iterable[Ancestor]) -> str:
    """Return the training data of weights and of their ancestors, in words; stages on the same data count once."""
    parts = [own]
    for one in ancestors:
        if one.training_data != parts[-1]:
            parts.append(one.training_data)
    return STARTED_FROM.join(parts)


def terms_of_all(own: str, ancestors: Iterable[Ancestor]) -> str:
    """Return the terms of all data that weights and their ancestors saw; the same terms are stated once."""
    stated = {own}
    text = own
    for one in ancestors:
        if one.terms not in stated:
            stated.add(one.terms)
            text += f" {TERMS_BEFORE}{one.training_data}: {one.terms}"
    return text.lstrip()


def limits_of_all(own: Iterable[str], ancestors: Iterable[Ancestor]) -> tuple[str, ...]:
    """Return the limits of weights, then those of their ancestors under `LIMIT_BEFORE`, each once."""
    own = tuple(own)
    before = [limit for one in ancestors for limit in one.limits if limit not in own]
    return (*own, *dict.fromkeys(f"{LIMIT_BEFORE}{limit}" for limit in before))


def own_data(training_data: str) -> str:
    """Return what `data_of_all` was given as the weights' own."""
    return training_data.partition(STARTED_FROM)[0]


def own_terms(terms: str) -> str:
    """Return what `terms_of_all` was given as the weights' own."""
    return terms.partition(TERMS_BEFORE)[0].rstrip()


def own_limits(limits: Iterable[str]) -> tuple[str, ...]:
    """Return what `limits_of_all` was given as the weights' own."""
    return tuple(limit for limit in limits if not limit.startswith(LIMIT_BEFORE))


def today() -> str:
    """Return the date in UTC, YYYY-MM-DD; that of SOURCE_DATE_EPOCH if it is set, for files that are to be the same."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(given), UTC) if given.isdecimal() else datetime.now(UTC)
    return moment.date().isoformat()


def package_version() -> str:
    """Return this package's version."""
    from importlib.metadata import version  # here, for it would slow every command

    return version("streetseg")
