"""Time functions that take turns, on rendered streets.

- A frame is a rendered street, not noise: the time of a class map depends on the borders between the classes.
- Subjects take turns, round by round, so that a slow moment of the machine slows all of them. Ratios are medians over
  the rounds. A turn begins with a run that is not timed, because the subject before it left its data in the caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from streetseg.progress import Progress, silent
from streetseg.runtime.frames import resize
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render

SCENE = 10  # all of CamVid's classes, and as many borders as in its real frames
SCENE_SIDE = 360  # short side of the rendered scene; larger frames are enlarged from it
STREAM_SECONDS, STREAM_WAVES = 1.0, 2


def street_frame(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a rendered street, H x W x 3 uint8; UsageError for a size below the renderer's smallest."""
    ratio = min(1.0, SCENE_SIDE / min(size))
    return resize(render(SCENE, (round(size[0] * ratio), round(size[1] * ratio))).frame, size)


def take_turns(
    runs: Sequence[Sequence[Callable[[], object]]], rounds: int, progress: Progress = silent
) -> NDArray[np.float64]:
    """Return the milliseconds of each subject's runs, subjects x rounds x runs, after a round that is not timed."""
    times = np.empty((len(runs), rounds, len(runs[0])))
    for subject_runs in runs:
        for run in subject_runs:
            run()
    for number in progress(range(rounds), "round"):
        for index, subject_runs in enumerate(runs):
            subject_runs[0]()
            # Each run comes first as often as the others, so that data left in the caches favours no run.
            for place in np.roll(range(len(subject_runs)), number):
                times[index, number, place] = milliseconds(subject_runs[place])
    return times


def milliseconds(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the milliseconds of a run by a clock of seconds."""
    start = clock()
    run()
    return (clock() - start) * 1e3


def stream_rate(segmenter: Segmenter, frame: NDArray[np.uint8]) -> float:
    """Return the frames a second of a segmenter that gets a frame as soon as it can take one.

    Whole waves are timed, a frame a stream, because streams idle while the first frames enter and the last ones leave.
    """
    with closing(segmenter.stream(repeat(frame))) as results:

        def wave() -> None:
            for _ in range(segmenter.streams):
                next(results)

        wave()
        start, waves = time.perf_counter(), 0
        while waves < STREAM_WAVES or time.perf_counter() - start < STREAM_SECONDS:
            wave()
            waves += 1
        return waves * segmenter.streams / (time.perf_counter() - start)
