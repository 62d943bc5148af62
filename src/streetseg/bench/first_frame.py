"""Run a fresh process up to its first class map; `frames.cold_start` starts it.

It prints a line after the first class map. After a few more frames it prints its peak memory in bytes, 0 where the
system does not tell it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import Segmenter

MORE_FRAMES = 5


def main(image: str, artefact: str, options: str) -> None:
    """Segment an image; options: the keywords of `Segmenter.open`, as JSON."""
    frame = read_frame(image)
    segmenter = Segmenter.open(artefact, **json.loads(options))
    segmenter(frame)
    print("first", flush=True)
    for _ in range(MORE_FRAMES):
        segmenter(frame)
    print(peak_memory())


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    # getrusage is wrong here: its peak starts at the parent process's.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
