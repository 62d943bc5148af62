"""What targets with polygons share: making outlines, and measuring what they lose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.bulk.prelabel.agreement import Agreement
from streetseg.bulk.prelabel.regions import Region, painted, regions
from streetseg.data.pairs import IGNORE, LabelSpace


@dataclass(frozen=True)
class Outlines:
    """How outlines are made.

    Attributes:
        tolerance: Pixels by which a simplified outline may miss the true one.
        smallest: Regions of fewer pixels are left out.
        brush: Masks in place of polygons, where the tool has both.
    """

    tolerance: float = 1.0
    smallest: int = 1
    brush: bool = False


class Outliner:
    """Makes the polygons of class maps, and measures what the way there and back loses."""

    def __init__(self, labels: LabelSpace, outlines: Outlines) -> None:
        self.outlines, self.agreement = outlines, Agreement(len(labels.names))

    def regions(self, label: NDArray[np.uint8]) -> list[Region]:
        """Return the regions of a class map in the order of painting, void too."""
        return regions(label, self.outlines.tolerance, self.outlines.smallest)

    def outline(self, label: NDArray[np.uint8]) -> list[Region]:
        """Return the regions that have a class, and count the frame as tools paint them."""
        shapes = [region for region in self.regions(label) if region.index != IGNORE]
        size = (label.shape[0], label.shape[1])
        self.agreement.add(label, painted(size, shapes))
        return shapes


def outliner_of(target: object) -> Outliner | None:
    """Return a target's outliner; None if its annotations are masks."""
    found = getattr(target, "outliner", None)
    return found if isinstance(found, Outliner) else None
