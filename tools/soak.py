"""Watch memory, descriptors and threads over 10,000 frames of each engine, of streams and of a video.

    python tools/soak.py                    # all; takes minutes
    python tools/soak.py video openvino-2   # some of them
    python tools/soak.py --frames 2000      # shorter

From the 1,000th frame to the last, resident memory may grow by less than 1 MiB, descriptors and threads not at all.
Prints one line for each run. Exit code 1 if something grew. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import TypeVar

from streetseg import Segmenter
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video.writer import VideoWriter
from streetseg.streets.scene import render

Item = TypeVar("Item")

FIRST, LAST, ALLOWED = 1_000, 10_000, 1 << 20  # frames, frames, bytes


class LeakError(Exception):
    """Memory, descriptors or threads grew from one frame to a later one."""


@dataclass(frozen=True)
class State:
    """Resident bytes, open descriptors and threads of this process, libraries included."""

    memory: int
    descriptors: int
    threads: int


def state() -> State:
    """Return this process's state, after a pause in which current work ends."""
    time.sleep(0.3)  # a class map has threads of its own while it is made
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors, threads = (sum(1 for _ in Path("/proc/self", of).iterdir()) for of in ("fd", "task"))
    return State(pages * os.sysconf("SC_PAGE_SIZE"), descriptors, threads)


@dataclass(frozen=True)
class Watch:
    """A watch over a stream of items. first, last: the items, counted from 1, whose states are compared."""

    first: int = FIRST
    last: int = LAST

    def __call__(self, items: Iterable[Item], *_: object, **__: object) -> Iterator[Item]:
        """Yield the items; raise LeakError at the last if the state has grown since the first. Serves as a Progress."""
        for index, item in enumerate(items, 1):
            yield item
            if index == self.first:
                before = state()
            if index == self.last:
                after = state()
                grown = after.memory - before.memory
                change = (
                    f"memory {grown / 1024:+.0f} KiB, descriptors {after.descriptors - before.descriptors:+}, "
                    f"threads {after.threads - before.threads:+}"
                )
                # Fewer threads are no leak: a decoding thread may have ended.
                if grown >= ALLOWED or after.descriptors > before.descriptors or after.threads > before.threads:
                    raise LeakError(f"{change} from item {self.first} to {self.last}")
                print(f"{change} from item {self.first} to {self.last}")

    def pass_all(self, items: Iterable[object]) -> None:
        """Take the watched items; raise LeakError as above, ValueError if there are fewer."""
        taken = sum(1 for _ in self(islice(items, self.last)))
        if taken != self.last:
            raise ValueError(f"got {taken} items, fewer than {self.last}")


def soak_stream(watch: Watch, engine: str, streams: int) -> None:
    """Watch while frames are streamed and their overlays painted."""
    segmenter = Segmenter.open(engine=engine, streams=streams)
    frame = render(0, (48, 64)).frame
    watch.pass_all(result.overlay() for result in segmenter.stream(repeat(frame)))


def soak_video(watch: Watch) -> None:
    """Watch while a video file is segmented into an overlay and class maps."""
    frame = render(0, (48, 64)).frame
    frames = watch.last + 100  # the decoder's threads must not end before the last check
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "long.mkv")
        with VideoWriter(video, frame, Fraction(25), Fraction(1, 25)) as writer:
            for pts in range(frames):
                writer.add(frame, pts)
        segmenter = Segmenter.open(engine="onnxruntime", streams=2)
        # Not to MP4, which keeps its index of all frames in memory until the end.
        overlay, classmap = Path(folder, "overlay.mkv"), Path(folder, "classes.mkv")
        report = segment_video(segmenter, str(video), overlay, classmap, progress=watch)
    if report.frames != frames:
        raise ValueError(f"{report.frames} of {frames} frames were segmented")


SOAKS: dict[str, Callable[[Watch], None]] = {
    "video": soak_video,
    "openvino-1": partial(soak_stream, engine="openvino", streams=1),
    "openvino-2": partial(soak_stream, engine="openvino", streams=2),
    "onnxruntime-1": partial(soak_stream, engine="onnxruntime", streams=1),
    "onnxruntime-2": partial(soak_stream, engine="onnxruntime", streams=2),
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(description="Watch memory, descriptors and threads over many frames.")
    parser.add_argument("soaks", nargs="*", metavar="NAME", help=f"{', '.join(SOAKS)} (default: all)")
    parser.add_argument(
        "--frames", type=int, default=LAST, metavar="N", help=f"last frame to compare (default: {LAST})"
    )
    parser.add_argument(
        "--first", type=int, default=FIRST, metavar="N", help=f"first frame to compare (default: {FIRST})"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.soaks if name not in SOAKS]:
        parser.error(f"unknown soak {unknown[0]!r}; choose one of {', '.join(SOAKS)}")
    if not 0 < options.first < options.frames:
        parser.error(f"--first must be from 1 to below --frames, got {options.first} and {options.frames}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the soaks; return the exit code."""
    options = parse(arguments)
    leaked = False
    for name in options.soaks or SOAKS:
        print(f"{name}: ", end="", flush=True)
        try:
            SOAKS[name](Watch(options.first, options.frames))
        except LeakError as leak:
            leaked = True
            print(f"LEAK: {leak}")
    return int(leaked)


if __name__ == "__main__":
    sys.exit(main())
