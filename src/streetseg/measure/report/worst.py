"""Keep the pictures of the frames with the lowest mIoU."""

from __future__ import annotations

import heapq
import math
from itertools import count

from streetseg.measure.evaluation import WorstFrame
from streetseg.measure.frames import EvaluatedFrame
from streetseg.measure.report.pictures import tiles
from streetseg.runtime.overlay import Colour


class WorstFrames:
    """The pictures of the `number` worst frames, out of all frames that it is called with."""

    def __init__(self, number: int, colours: tuple[Colour, ...]) -> None:
        self.number, self.colours = number, colours
        self.kept: list[tuple[float, int, WorstFrame]] = []  # a heap: the best of the kept frames comes first
        self.order = count()  # breaks ties, because pictures cannot be compared

    def __call__(self, frame: EvaluatedFrame) -> None:
        miou = frame.scores.miou
        full = len(self.kept) == self.number
        if math.isnan(miou) or not self.number or (full and -miou <= self.kept[0][0]):
            return
        pictures = tiles(frame.frame, frame.label, frame.prediction, self.colours)
        heapq.heappush(self.kept, (-miou, next(self.order), WorstFrame(frame.name, miou, pictures)))
        if len(self.kept) > self.number:
            heapq.heappop(self.kept)

    def frames(self) -> tuple[WorstFrame, ...]:
        """Return the kept frames, worst first."""
        return tuple(frame for *_, frame in sorted(self.kept, reverse=True))
