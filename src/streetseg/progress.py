"""Progress: what a long loop reports to whoever started it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """A function that passes a loop's items on and shows how far the loop is."""

    def __call__(self, items: Iterable[Item], unit: str, total: int | None = None) -> Iterable[Item]:
        """Return the items.

        Args:
            items: What the loop goes over.
            unit: One item's name, "frame" for instance.
            total: Number of items, where `items` has no length and the number is known.

        Returns:
            The same items in the same order.
        """


def silent(items: Iterable[Item], unit: str, total: int | None = None) -> Iterable[Item]:
    """Return the items and show nothing: the default of every function that takes a Progress."""
    return items
