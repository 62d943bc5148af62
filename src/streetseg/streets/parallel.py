"""Render many streets, in one process or several."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypedDict, TypeVar

from streetseg.errors import OutputError
from streetseg.progress import Progress, silent
from streetseg.streets.scene import render_surfaces
from streetseg.streets.sequence import Moment
from streetseg.streets.world import Bytes

Target = TypeVar("Target")
Size = tuple[int, int]
Shot = tuple[int, Moment | None]  # a street's seed, and the frame if it is one of a drive


class RenderOptions(TypedDict, total=False):
    """The keyword arguments of `rendered`."""

    size: Size
    seed: int
    processes: int
    progress: Progress
    sequence: int | None


def rendered(
    targets: Sequence[Target],
    *,
    size: Size = (360, 480),
    seed: int = 0,
    processes: int = 1,
    progress: Progress = silent,
    sequence: int | None = None,
) -> Iterator[tuple[Target, Bytes, Bytes]]:
    """Yield each target with the frame and the surfaces of a street.

    Args:
        targets: What the caller needs to write each street, such as its split and name.
        size: Height and width of the frames in pixels.
        seed: The first street's seed; the next ones count up.
        processes: Number of processes that render.
        progress: Shows how many streets, or frames of drives, have been written.
        sequence: Frames of each drive, of which each has a seed; None: each target is a street of its own.
    """
    if sequence is None:
        shots: list[Shot] = [(seed + index, None) for index in range(len(targets))]
    else:
        shots = [(seed + i // sequence, Moment(i % sequence, sequence)) for i in range(len(targets))]
    streets = render_many(shots, size, processes)
    for target, (frame, surfaces) in zip(progress(targets, "frame" if sequence else "street"), streets, strict=True):
        yield target, frame, surfaces


def render_many(shots: Sequence[Shot], size: Size, processes: int) -> Iterator[tuple[Bytes, Bytes]]:
    """Yield frame and surfaces of each shot in order. OutputError if a process that renders is killed."""
    if processes == 1 or len(shots) < 2:
        yield from (render_surfaces(seed, size, moment) for seed, moment in shots)
        return
    # Spawned, because a fork copies locks but not the threads that hold them. The workers ignore Ctrl-C: it ends this
    # process, which ends them.
    with ProcessPoolExecutor(
        min(processes, len(shots)), multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        try:
            yield from pool.map(partial(render_shot, size=size), shots)
        except BrokenProcessPool:
            raise OutputError(
                f"one of {min(processes, len(shots))} rendering processes was killed, perhaps because memory ran out; "
                "free some memory and render again, into a new folder"
            ) from None


def render_shot(shot: Shot, size: Size) -> tuple[Bytes, Bytes]:
    """Return frame and surfaces of a shot."""
    seed, moment = shot
    return render_surfaces(seed, size, moment)
