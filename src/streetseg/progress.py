"""Progress: how a long loop reports to its caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """A function that passes a loop's items on and shows how far the loop is."""

    def __call__(self, items: Iterable[Item], unit: str, total: int | None = None) -> Iterable[Item]:
        """Return the items and show the progress.

        Args:
            items: The items of the loop.
            unit: One item's name, "frame" for instance.
            total: Number of items, if it is known but `items` has no length.

        Returns:
            The same items in the same order.
        """


def silent(items: Iterable[Item], unit: str, total: int | None = None) -> Iterable[Item]:
    """Return the items and show nothing: the default of every function that takes a Progress."""
    return items
