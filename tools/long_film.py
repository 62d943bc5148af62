"""Segment a long film, made by repeating a short one, and watch memory, frames and times.

    streetseg data render drives --sequence 250 --size 720x1280 --film
    python tools/long_film.py drives/drive_0000.mp4 --minutes 20

Prints memory after every 500 frames, then the frames, the times and the slope of the memory. Exit code 1 if a frame
or a second is missing, or memory grows by over 100 bytes a frame. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from streetseg import Segmenter
from streetseg.runtime.video.segment import segment_video

Item = TypeVar("Item")

EVERY, ALLOWED = 500, 100  # frames, bytes a frame


class Memory:
    """Resident memory after every so many frames; serves as a Progress."""

    def __init__(self, every: int = EVERY) -> None:
        self.every, self.start = every, time.monotonic()
        self.states: list[tuple[int, int]] = []

    def __call__(self, items: Iterable[Item], *_: object, **__: object) -> Iterator[Item]:
        """Yield the frames; note and print the memory now and then."""
        for number, item in enumerate(items, 1):
            yield item
            if number % self.every == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                self.states.append((number, pages * os.sysconf("SC_PAGE_SIZE")))
                seconds = time.monotonic() - self.start
                print(f"{number} frames, {seconds:.0f} s, {self.states[-1][1] / 2**20:.1f} MiB", flush=True)

    @property
    def slope(self) -> float:
        """Bytes a frame, by a straight line through all states but the first, in which caches fill."""
        frames, memory = np.array(self.states[1:], float).reshape(-1, 2).T
        return float(np.polyfit(frames, memory, 1)[0]) if len(frames) > 1 else 0.0


def repeated(short: Path, long: Path, frames: int) -> None:
    """Write a film that repeats a short one, without decoding it, until it has so many frames."""
    written = 0
    with av.open(str(long), "w") as target:
        while written < frames:
            with av.open(str(short)) as source:
                stream = source.streams.video[0]
                if not written:
                    copy = target.add_stream_from_template(stream)
                    rate, base = stream.average_rate or Fraction(25), stream.time_base or Fraction(1, 25)
                    step = round(1 / (rate * base))
                shift = written * step
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None or written == frames:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = copy
                    target.mux(packet)
                    written += 1


def length(film: Path) -> tuple[int, float]:
    """Return the number of frames of a film, and its seconds from the first frame to the end of the last one."""
    with av.open(str(film)) as source:
        stream = source.streams.video[0]
        times = [float(packet.pts * packet.time_base) for packet in source.demux(stream) if packet.pts is not None]
        return len(times), max(times) - min(times) + float(1 / (stream.average_rate or Fraction(25)))


def main(arguments: list[str] | None = None) -> int:
    """Segment the long film; return the exit code."""
    parser = argparse.ArgumentParser(description="Segment a long film and watch memory, frames and times.")
    parser.add_argument("film", type=Path, help="a short film, without frames that depend on later ones")
    parser.add_argument("--minutes", type=float, default=20.0, metavar="N", help="length (default: 20)")
    parser.add_argument("--weights", metavar="NAME", help="default: the package's weights")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="short side for the network (default: the card's)")
    options = parser.parse_args(arguments)
    with av.open(str(options.film)) as source:
        rate = float(source.streams.video[0].average_rate or 25)
    frames, memory = round(options.minutes * 60 * rate), Memory()
    with tempfile.TemporaryDirectory() as folder:
        long, overlay = Path(folder, "long.mp4"), Path(folder, "overlay.mkv")
        repeated(options.film, long, frames)
        segmenter = Segmenter.open(options.weights, size=options.size)
        report = segment_video(segmenter, str(long), overlay, None, progress=memory)
        there, seconds = length(overlay)
    right = report.frames == there == frames and abs(seconds - frames / rate) < 1 / rate
    print(
        f"{report.width} x {report.height}: {there} of {frames} frames, {seconds:.2f} of {frames / rate:.2f} s in the "
        f"overlay, {report.frames / report.seconds:.1f} frames a second; memory grows by {memory.slope:.1f} bytes a "
        f"frame (after {EVERY} frames: {memory.states[0][1] / 2**20 if memory.states else 0:.0f} MiB)"
    )
    return int(not right or memory.slope > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
