"""Measure the speed of artefacts.

- Three ways are timed as a whole, one frame at a time: "network" (uint8 input to logits, as papers time it), "frame"
  (frame to class map at the frame's size) and "file" (JPEG file to PNG file).
- Artefacts and engines take turns on a rendered street (timing.py).
- Nothing is left out of a graph: batch norms are folded into the convolutions, not deleted.
- The result also has the machine's ceilings (machine.py), and the share of them that each network reaches.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.bench.machine import (
    Ceilings,
    Work,
    count_work,
    describe_machine,
    highest_ceilings,
    measure_ceilings,
)
from streetseg.bench.speed import WAYS, FrameSpeed, Latency, SpeedRow
from streetseg.bench.timing import SCENE, stream_rate, street_frame, take_turns
from streetseg.errors import EngineError, UsageError
from streetseg.measure.pool import distinct_names
from streetseg.progress import Progress, silent
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import read_frame, write_classmap, write_image
from streetseg.runtime.inputs import as_sequence
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.runtime.shelf.shelf import find_weights

ROUNDS = 100
COLD_STARTS = 3
STREAM_ROUNDS = 3
BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Entry:
    """An artefact on an engine, to be timed in turn with others. size: height and width of the frames."""

    artefact: Path
    segmenter: Segmenter
    size: tuple[int, int]
    options: EngineOptions

    @classmethod
    def open(cls, artefact: Path, size: tuple[int, int], options: EngineOptions) -> Entry:
        """Open the artefact for frames of that size, one at a time; the network sees them at full size."""
        options = replace(options, streams=1)
        return cls(artefact, Segmenter.open(artefact, size=min(size), options=options), size, options)

    @property
    def precision(self) -> str:
        """The precision of the network's arithmetic; int8 for an int8 artefact on any engine."""
        return "int8" if self.segmenter.card.precision == "int8" else self.segmenter.engine.precision

    @property
    def on_cpu(self) -> bool:
        """True if the CPU runs an ONNX graph: only then are its work and its ceilings known."""
        return self.artefact.suffix == ".onnx" and self.options.device_kind in (None, "cpu")


@dataclass(frozen=True)
class ColdStart:
    """A fresh process: seconds to its first class map, and its peak memory in bytes (0: unknown)."""

    seconds: float
    peak_memory: int


def bench(
    artefacts: str | Path | Sequence[str | Path] = (),
    *,
    size: tuple[int, int] | None = None,
    rounds: int = ROUNDS,
    options: EngineOptions | Sequence[EngineOptions] | None = None,
    progress: Progress = silent,
) -> FrameSpeed:
    """Measure the speed of artefacts on this machine, taking turns.

    Args:
        artefacts: A file (NAME.onnx, NAME.xml, NAME.pt2) or a name of the shelf, or several; without one, the
            the weights that come with the
            package.
        size: Height and width of the frames in pixels; networks see them at full size. None: 4:3 at the first
            artefact's native short side.
        rounds: Number of times that each is timed, 1 or more.
        options: The engine, or several: each artefact runs on each. `streams` has no effect: one frame at a time and a
            frame a thread are both measured.
        progress: Shows the rounds.

    Returns:
        The figures of each artefact on each engine, in that order, with the machine and its ceilings.

    Raises:
        UsageError: `rounds` is below 1, the frames are too small, or a name is not known.
        ArtefactError: An artefact is damaged, missing, or cannot be fetched.
        EngineError: An engine is missing, or cannot run an artefact.
    """
    check_rounds(rounds)
    chosen = [options] if isinstance(options, EngineOptions) else list(options or [EngineOptions()])
    files = [find_weights(artefact) for artefact in as_sequence(artefacts)] or [DEFAULT_WEIGHTS]
    if size is None:
        short_side = read_card(files[0]).native_short_side
        size = (short_side, round(short_side * 4 / 3))
    return measure_entries([Entry.open(file, size, one) for file in files for one in chosen], size, rounds, progress)


def check_rounds(rounds: int) -> None:
    """Raise UsageError if there is not a single round."""
    if rounds < 1:
        raise UsageError(f"--rounds must be at least 1, got {rounds}")


def measure_entries(
    entries: Sequence[Entry], size: tuple[int, int], rounds: int, progress: Progress = silent
) -> FrameSpeed:
    """Measure all entries at frames of height and width `size`."""
    frame = street_frame(size)
    machine = describe_machine()  # before we load it ourselves
    threads = entries[0].options.cpu_threads
    precisions = sorted({entry.segmenter.engine.precision for entry in entries if entry.on_cpu})
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "frame.jpg"
        write_image(image, frame)
        starts = [[cold_start(entry, image) for entry in entries] for _ in range(COLD_STARTS)]
        before = measure_ceilings(precisions, threads)
        times = measure_latencies(entries, frame, image, rounds, progress)
        between = measure_ceilings(precisions, threads)
    rates = stream_rates(entries, frame)
    ceilings = highest_ceilings([before, between, measure_ceilings(precisions, threads)])
    names = distinct_names([entry.artefact for entry in entries])
    rows = tuple(
        speed_row(entry, name, frame, times[index], times[0], [start[index] for start in starts], rate, ceilings)
        for index, (entry, name, rate) in enumerate(zip(entries, names, rates, strict=True))
    )
    return FrameSpeed(machine, size, f"rendered street {SCENE}, enlarged where needed", rounds, ceilings, rows)


def speed_row(
    entry: Entry,
    name: str,
    frame: NDArray[np.uint8],
    times: NDArray[np.float64],
    first_times: NDArray[np.float64],
    starts: Sequence[ColdStart],
    frames_per_second: float,
    ceilings: Ceilings,
) -> SpeedRow:
    """Return an entry's row. times, first_times: milliseconds of it and of the first entry, rounds x WAYS."""
    card, engine = entry.segmenter.card, entry.segmenter.engine
    height, width = entry.segmenter.prepare(frame).input.shape[:2]
    network_input = (height, width)
    latency = {way: Latency.of(times[:, place]) for place, way in enumerate(WAYS)}
    work = count_work(entry.artefact, network_input) if entry.artefact.suffix == ".onnx" else None
    convolution, copying = reached_shares(
        work if entry.on_cpu else None, entry.precision, latency["network"].median, ceilings
    )
    return SpeedRow(
        artefact=name,
        network=card.network,
        content_hash=card.content_hash,
        engine=engine.name,
        precision=entry.precision,
        device=entry.options.device,
        threads=entry.options.cpu_threads,
        accuracy=card.accuracy,
        network_input=network_input,
        latency_ms=latency,
        ratio={way: float(np.median(times[:, place] / first_times[:, place])) for place, way in enumerate(WAYS)},
        frames_per_second=frames_per_second,
        cold_start_s=float(np.median([start.seconds for start in starts])),
        peak_memory_mb=max(start.peak_memory for start in starts) / 1e6 or None,
        gmacs=work.gmacs if work else None,
        share_of_convolution=convolution,
        share_of_copy_bandwidth=copying,
    )


def measure_latencies(
    entries: Sequence[Entry], frame: NDArray[np.uint8], image: Path, rounds: int, progress: Progress = silent
) -> NDArray[np.float64]:
    """Return milliseconds, entries x rounds x WAYS."""

    def ways(segmenter: Segmenter) -> list[Callable[[], object]]:
        given = segmenter.prepare(frame).input
        return [lambda: segmenter.engine(given), lambda: segmenter(frame), lambda: file_to_file(segmenter, image)]

    return take_turns([ways(entry.segmenter) for entry in entries], rounds, progress)


def file_to_file(segmenter: Segmenter, image: Path) -> None:
    """Decode an image, segment it, write its class map beside it."""
    write_classmap(image.with_suffix(".png"), segmenter(read_frame(image)).classmap, segmenter.card.colours)


def cold_start(entry: Entry, image: Path) -> ColdStart:
    """Run a fresh process to its first class map; EngineError where it fails."""
    options = json.dumps(asdict(entry.options) | {"size": min(entry.size)}, default=str)
    command = [sys.executable, "-m", "streetseg.bench.first_frame", str(image), str(entry.artefact), options]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        seconds = time.perf_counter() - start
        memory, errors = process.communicate()
    if not first or process.returncode:
        reason = (errors.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise EngineError(f"{entry.artefact} cannot be run in a process of its own: {reason}")
    return ColdStart(seconds, int(memory))


def stream_rates(entries: Sequence[Entry], frame: NDArray[np.uint8]) -> list[float]:
    """Return the frames a second of each entry with a frame a thread: the median of a few rounds."""
    segmenters = []
    for entry in entries:
        options = replace(entry.options, streams=entry.options.cpu_threads)
        segmenters.append(Segmenter.open(entry.artefact, size=min(entry.size), options=options))
        segmenters[-1](frame)
    rates = [[stream_rate(segmenter, frame) for segmenter in segmenters] for _ in range(STREAM_ROUNDS)]
    return [float(value) for value in np.median(rates, axis=0)]


def reached_shares(
    work: Work | None, precision: str, milliseconds: float, ceilings: Ceilings
) -> tuple[float | None, float | None]:
    """Return the shares of the convolution and the copy ceiling that a network reaches, 0 to 1; None if not known.

    The share of the bandwidth assumes that every convolution reads its input and weights and writes its output through
    memory: it is above 1 where caches save accesses. The ceilings of int8 are not measured.
    """
    if work is None or precision == "int8":
        return None, None
    seconds = milliseconds / 1e3
    convolution = work.gmacs / seconds / ceilings.convolution_gmacs_per_second[precision]
    return convolution, work.gvalues * BYTES[precision] / seconds / ceilings.copy_gb_per_second
