"""Segment a large frame at its own size, window by window.

Windows overlap, and of each only the middle counts: a network sees less around a pixel near a border.

     window          window
    ├──margin─┼── counts ──┼─margin──┤
                    ├──margin─┼── counts ──┼─margin──┤
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streetseg.runtime.confidence import Scores, WindowScores
from streetseg.runtime.frames import Picture
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.result import VOID, Result
from streetseg.runtime.segmenter import Segmenter

MARGIN = 6  # a window's margin is this part of its side


def segment_picture(segmenter: Segmenter, picture: Picture, options: ImageOptions) -> Result:
    """Segment a picture as the options of images say: in windows if it is large, with void where it is transparent."""
    frame = picture.frame
    if options.window is not None and max(frame.shape) > options.window:
        result = segment_in_windows(segmenter, frame, options.window)
    else:
        result = segmenter(frame)
    if options.void_transparent and picture.transparent is not None:
        result.classmap[picture.transparent] = VOID
    return result


def segment_in_windows(segmenter: Segmenter, frame: NDArray[np.uint8], side: int) -> Result:
    """Segment a frame in square windows.

    Args:
        segmenter: An open segmenter; its card's operating scale counts, its short side does not.
        frame: H x W x 3 uint8 RGB.
        side: Pixels of a window; a frame with a shorter side has windows of that.

    Returns:
        The result; its milliseconds are those of all windows together.

    Raises:
        UsageError: If `frame` is not such an array.
    """
    whole = segmenter.with_short_side(side)
    height, width = frame.shape[:2]
    classmap = np.empty((height, width), np.uint8)
    milliseconds: Counter[str] = Counter()
    parts: list[tuple[Scores, tuple[slice, slice], tuple[int, int]]] = []
    first = False
    for top, upper, lower in spans(height, side):
        for left, start, end in spans(width, side):
            result = whole(np.ascontiguousarray(frame[top : top + side, left : left + side]))
            classmap[upper:lower, start:end] = result.classmap[upper - top : lower - top, start - left : end - left]
            if result.scores is not None:
                parts.append((result.scores, (slice(upper, lower), slice(start, end)), (upper - top, start - left)))
            milliseconds.update(result.milliseconds)
            first |= result.first_of_size
    scores = WindowScores((height, width), tuple(parts))
    card = segmenter.card
    return Result(classmap, card.classes, card.colours, frame, dict(milliseconds), first, scores=scores)


def spans(length: int, side: int) -> Iterator[tuple[int, int, int]]:
    """Yield the windows along one axis: where each begins, and the first and the last pixel (exclusive) that count."""
    margin = side // MARGIN
    begin = done = 0
    while done < length:
        begin = max(0, min(begin, length - side))  # the last window moves back: all have one size
        end = length if begin + side >= length else begin + side - margin
        yield begin, done, end
        done = end
        begin = end - margin
