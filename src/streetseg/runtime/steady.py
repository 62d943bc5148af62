"""Class maps that hold still: each frame's logits are averaged with those before it, moved along with the picture.

    smoothed = KEPT * moved(smoothed before) + (1 - KEPT) * logits

at the network's output stride, where the motion is known; elsewhere the frame's own logits stand.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from numpy.typing import NDArray

from streetseg.runtime.motion import Motion, MotionFinder, moved
from streetseg.runtime.result import Result
from streetseg.runtime.segmenter import Segmenter

KEPT = 0.6  # share of the frames before. docs/video.md has the measurement; from 0.5 to 0.7 mIoU hardly differs


class Steady:
    """Smooths the results of one film's frames, given in order."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.find = MotionFinder()
        self.motion: Motion | None = None  # of the last frame
        self.smoothed: NDArray[np.float32] | None = None

    def __call__(self, result: Result) -> Result:
        """Return a frame's result with a smoothed class map.

        Args:
            result: The frame's result, with its logits; the next one of the film each time.

        Returns:
            The result without logits; "steady" stands among its milliseconds.
        """
        start = time.perf_counter()
        logits = result.logits
        assert logits is not None, "a result that is to be smoothed needs its logits"
        height, width = result.classmap.shape
        self.motion = motion = self.find(result.frame)
        if motion is not None and self.smoothed is not None and self.smoothed.shape == logits.shape:
            # The logits' grid covers the padded frame; what lies beyond the frame has no motion.
            content = self.segmenter.content_size_of((height, width))
            padded = self.segmenter.padded_size_of(content)
            rows, columns = (-(-logits.shape[axis] * content[axis] // padded[axis]) for axis in (0, 1))
            places, known = motion.at(rows, columns)
            part = logits[:rows, :columns]
            mixed = KEPT * moved(self.smoothed[:rows, :columns], places) + np.float32(1 - KEPT) * part
            logits = logits.copy()
            logits[:rows, :columns] = np.where(known[..., None], mixed, part)
        self.smoothed = logits
        classes = self.segmenter.class_map(logits, (height, width))
        scores = self.segmenter.scores(logits, (height, width))
        times = result.milliseconds | {"steady": (time.perf_counter() - start) * 1e3}
        return dataclasses.replace(result, classmap=classes, logits=None, milliseconds=times, scores=scores)
