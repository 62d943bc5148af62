"""Connected regions of a class map as polygons, ordered so that painting them one after another gives the class map.

- Regions are 4-connected: two regions then never cross each other. One lies in a hole of the other, or they are apart.
- A region is its outer outline only. What lies in its holes is painted later, for it is smaller. Label tools whose
  polygons have no holes can show that.
- The outline runs a quarter of a pixel within the region. So every pixel is kept if tools fill by pixel centres, and
  also if they round corners down and fill the outline too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.data.pairs import IGNORE
from streetseg.data.polygons import Polygon, draw
from streetseg.runtime.motion import opencv

PURPOSE = "prelabel with polygons"
CORNERS = 3  # of a polygon, at least


@dataclass(frozen=True)
class Region:
    """A connected region.

    Attributes:
        index: Its class.
        outline: N x 2 float64, its corners as x and y in pixels; N is 3 or more.
    """

    index: int
    outline: NDArray[np.float64]


def regions(label: NDArray[np.uint8], tolerance: float = 0.0, smallest: int = 1) -> list[Region]:
    """Return the regions of all classes, in the order in which they are painted.

    Args:
        label: H x W uint8, class indices or 255.
        tolerance: Pixels by which a simplified outline may miss the true one; 0 keeps every corner.
        smallest: Regions of fewer pixels are left out; the region around them covers them.

    Returns:
        The regions, the largest first by what their outline encloses.
    """
    cv2 = opencv(PURPOSE)
    found: list[tuple[float, Region]] = []
    for index in np.unique(label).tolist():
        _, numbers, boxes, _ = cv2.connectedComponentsWithStats((label == index).view(np.uint8), connectivity=4)
        for number, (left, top, width, height, pixels) in enumerate(boxes.tolist()):
            # 255 is a region too where it lies in another one: it is painted over that one, but not written alone.
            if number == 0 or pixels < smallest:
                continue
            part = numbers[top : top + height, left : left + width] == number
            twice = part.view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
            borders, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            border = borders[0]
            area = float(cv2.contourArea(border))
            simple = cv2.approxPolyDP(border, 2 * tolerance, True) if tolerance else border
            corners = (border if len(simple) < CORNERS else simple)[:, 0]
            found.append((area, Region(index, (corners + 0.5) / 2 + (left, top))))
    return [region for _, region in sorted(found, key=lambda each: -each[0])]


def painted(size: tuple[int, int], shapes: list[Region]) -> NDArray[np.uint8]:
    """Return the class map that regions give, painted in their order, a pixel by its centre.

    Args:
        size: Height and width.
        shapes: The regions.

    Returns:
        H x W uint8; 255 where there is no region.
    """
    label: NDArray[np.uint8] = draw(size, ((each.index, Polygon((each.outline,))) for each in shapes), IGNORE)
    return label
