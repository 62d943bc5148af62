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
from streetseg.streets.world import Bytes

Target = TypeVar("Target")
Size = tuple[int, int]


class RenderOptions(TypedDict, total=False):
    """The keyword arguments of `rendered`."""

    size: Size
    seed: int
    processes: int
    progress: Progress


def rendered(
    targets: Sequence[Target],
    *,
    size: Size = (360, 480),
    seed: int = 0,
    processes: int = 1,
    progress: Progress = silent,
) -> Iterator[tuple[Target, Bytes, Bytes]]:
    """Yield each target with the frame and the surfaces of a street.

    Args:
        targets: What the caller needs to write each street, such as its split and name.
        size: Height and width of the frames in pixels.
        seed: The first street's seed; the next ones count up.
        processes: Number of processes that render.
        progress: Shows how many streets have been written.
    """
    streets = render_many(range(seed, seed + len(targets)), size, processes)
    for target, (frame, surfaces) in zip(progress(targets, "street"), streets, strict=True):
        yield target, frame, surfaces


def render_many(seeds: range, size: Size, processes: int) -> Iterator[tuple[Bytes, Bytes]]:
    """Yield frame and surfaces of each seed in order. OutputError if a process that renders is killed."""
    if processes == 1 or len(seeds) < 2:
        yield from (render_surfaces(seed, size) for seed in seeds)
        return
    # Spawned, because a fork copies locks but not the threads that hold them. The workers ignore Ctrl-C: it ends this
    # process, which ends them.
    with ProcessPoolExecutor(
        min(processes, len(seeds)), multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        try:
            yield from pool.map(partial(render_surfaces, size=size), seeds)
        except BrokenProcessPool:
            raise OutputError(
                f"one of {min(processes, len(seeds))} rendering processes was killed, perhaps because memory ran out; "
                "free some memory and render again, into a new folder"
            ) from None
