"""Speed by an honest protocol.

- A frame is a rendered street, not noise: what the class map costs depends on the borders between the classes.
- Three ways, each timed whole, one frame at a time: "network" (uint8 input to logits, as papers time), "frame" (frame
  to a class map of its own size, what a user gets), "file" (JPEG file to PNG file).
- Artefacts and engines take turns, round by round, so that what slows the machine slows all of them; ratios are medians
  over the rounds. A turn begins with a run that does not count: nobody pays for what another left in the caches.
- Nothing is left out of a graph: batch norms are folded into the convolutions, not deleted.
- Beside the times: what the machine could do at most (machine.py), and the share of it that was reached.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.bench.machine import copy_bandwidth, dense_convolution, describe_machine, work
from streetseg.errors import EngineError
from streetseg.measure.markdown import markdown_table
from streetseg.measure.plot import Drawing, Point, bars, scatter
from streetseg.measure.pool import distinct_names
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import read_frame, resize, write_classmap, write_image
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render

WAYS = {"network": "network only", "frame": "frame to class map", "file": "file to file"}

SCENE = 10  # all of CamVid's classes, and as many borders as in its real frames
SCENE_SIDE = 360  # short side at which the scene is rendered; larger frames are enlarged from it
COLD_STARTS = 3
STREAM_ROUNDS, STREAM_SECONDS, STREAM_WAVES = 3, 1.0, 2
# Fewer samples than these say nothing about so rare a time.
SAMPLES_OF_PERCENTILE = {90: 10, 99: 100}
BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class Entry:
    """An artefact on an engine: what is measured against others."""

    artefact: Path
    segmenter: Segmenter
    options: EngineOptions

    @classmethod
    def open(cls, artefact: Path, size: tuple[int, int], options: EngineOptions) -> Entry:
        """options: as for Segmenter.open, and what it raises. size: height and width of the frames, which the network
        sees unreduced."""
        return cls(artefact, Segmenter.open(artefact, size=min(size), options=options), options)

    @property
    def precision(self) -> str:
        """What the network computes in: an int8 artefact in its own, whatever its engine computes the rest in."""
        return "int8" if self.segmenter.card.precision == "int8" else self.segmenter.engine.precision

    def describe(self) -> dict[str, Any]:
        engine, card = self.segmenter.engine, self.segmenter.card
        return {
            "network": card.network,
            "content_hash": card.content_hash,
            "engine": engine.name,
            "precision": self.precision,
            "threads": self.options.cpu_threads,
            "accuracy": [{"measured_on": one.measured_on, "miou": one.miou} for one in card.accuracy],
        }


def street_frame(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A rendered street, H x W x 3 uint8; UsageError for a size below the renderer's smallest."""
    ratio = min(1.0, SCENE_SIDE / min(size))
    return resize(render(SCENE, (round(size[0] * ratio), round(size[1] * ratio))).frame, size)


def measure(
    entries: Sequence[Entry],
    size: tuple[int, int],
    rounds: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, Any]:
    """Everything about every entry at frames of height and width `size`: JSON-ready, see docs/speed.md."""
    frame = street_frame(size)
    machine = describe_machine()  # before we load it ourselves
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "frame.jpg"
        write_image(image, frame)
        starts = [[cold_start(entry, image) for entry in entries] for _ in range(COLD_STARTS)]
        before = measure_ceilings(entries)
        times = latencies(entries, frame, image, rounds, progress)
        between = measure_ceilings(entries)
    streams = throughput(entries, frame)
    ceilings = highest([before, between, measure_ceilings(entries)])
    rows = []
    names = distinct_names([entry.artefact for entry in entries])
    for index, entry in enumerate(entries):
        row = {"artefact": names[index]} | entry.describe()
        row["network_input"] = list(entry.segmenter.prepare(frame).padded_size)
        row["latency_ms"] = {way: summary(times[index, :, place]) for place, way in enumerate(WAYS)}
        row["ratio"] = {
            way: round(float(np.median(times[index, :, place] / times[0, :, place])), 4)
            for place, way in enumerate(WAYS)
        }
        row["throughput"] = {"streams": row["threads"], "frames_per_second": round(streams[index], 3)}
        row["cold_start_s"] = round(float(np.median([start[index][0] for start in starts])), 3)
        row["peak_memory_mb"] = round(max(start[index][1] for start in starts) / 1e6, 1) or None
        rows.append(row | shares(entry, row, ceilings))
    return {
        "machine": machine,
        "frame": {"height": size[0], "width": size[1], "what": f"rendered street {SCENE}, enlarged where needed"},
        "rounds": rounds,
        "ceilings": ceilings,
        "rows": rows,
    }


def latencies(
    entries: Sequence[Entry],
    frame: NDArray[np.uint8],
    image: Path,
    rounds: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> NDArray[np.float64]:
    """Milliseconds, entries x rounds x WAYS."""

    def ways(segmenter: Segmenter) -> list[Callable[[], object]]:
        given = segmenter.prepare(frame).input
        return [lambda: segmenter.engine(given), lambda: segmenter(frame), lambda: file_to_file(segmenter, image)]

    return take_turns([ways(entry.segmenter) for entry in entries], rounds, progress)


def take_turns(
    runs: Sequence[Sequence[Callable[[], object]]],
    rounds: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> NDArray[np.float64]:
    """Milliseconds of each entry's runs, entries x rounds x runs, after a round that does not count."""
    times = np.empty((len(runs), rounds, len(runs[0])))
    for mine in runs:
        for run in mine:
            run()
    for number in progress(range(rounds)):
        for index, mine in enumerate(runs):
            mine[0]()
            # Each run comes first as often as the others: what still lingers of a neighbour's turn favours none.
            for place in np.roll(range(len(mine)), number):
                times[index, number, place] = milliseconds(mine[place])
    return times


def file_to_file(segmenter: Segmenter, image: Path) -> None:
    """Decode an image, segment it, write its class map beside it."""
    write_classmap(image.with_suffix(".png"), segmenter(read_frame(image)).classmap, segmenter.card.colours)


def milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def summary(times: NDArray[np.float64]) -> dict[str, float | None]:
    """Median and high percentiles; None where there are too few samples for one."""
    found: dict[str, float | None] = {"median": round(float(np.median(times)), 3)}
    for percent, samples in SAMPLES_OF_PERCENTILE.items():
        found[f"p{percent}"] = round(float(np.percentile(times, percent)), 3) if len(times) >= samples else None
    return found


def cold_start(entry: Entry, image: Path) -> tuple[float, int]:
    """A fresh process: seconds to its first class map, and the most bytes it held (0: not known here)."""
    options = json.dumps({"size": entry.segmenter.short_side} | dataclasses.asdict(entry.options))
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
    return seconds, int(memory)


def throughput(entries: Sequence[Entry], frame: NDArray[np.uint8]) -> list[float]:
    """Frames a second where each thread works on a frame of its own, frame to class map: the median of a few rounds."""
    segmenters = []
    for entry in entries:
        options = dataclasses.replace(entry.options, streams=entry.options.cpu_threads)
        segmenters.append(Segmenter.open(entry.artefact, size=entry.segmenter.short_side, options=options))
        segmenters[-1](frame)
    rates = [[rate(segmenter, frame) for segmenter in segmenters] for _ in range(STREAM_ROUNDS)]
    return [float(value) for value in np.median(rates, axis=0)]


def rate(segmenter: Segmenter, frame: NDArray[np.uint8]) -> float:
    """Frames a second of a segmenter that is given one as soon as it can take it, in whole waves of a frame a stream:
    while the first one comes in and the last ones go out, streams idle."""
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


def measure_ceilings(entries: Sequence[Entry]) -> dict[str, Any]:
    """What the machine can do at most, with the entries' threads and in each of their precisions."""
    threads = entries[0].options.cpu_threads
    precisions = sorted({entry.segmenter.engine.precision for entry in entries if entry.artefact.suffix == ".onnx"})
    return {
        "copy_gb_per_second": round(copy_bandwidth(threads), 2),
        "convolution_gmacs_per_second": {
            precision: round(dense_convolution(precision, threads), 1) for precision in precisions
        },
    }


def highest(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several `measure_ceilings` the highest figures: at one moment alone, others may use the machine."""
    convolutions = [one["convolution_gmacs_per_second"] for one in found]
    return {
        "copy_gb_per_second": max(one["copy_gb_per_second"] for one in found),
        "convolution_gmacs_per_second": {
            precision: max(one[precision] for one in convolutions) for precision in convolutions[0]
        },
    }


def shares(entry: Entry, row: dict[str, Any], ceilings: dict[str, Any]) -> dict[str, float | None]:
    """Multiply-adds of the network, and how much of the machine's ceilings it reaches, 0 to 1; None where the artefact
    is no graph that could be counted, and the shares of int8, whose ceilings are not measured.

    The share of the bandwidth is that of every convolution reading its input and weights and writing its output through
    memory: above 1 where caches spare the way.
    """
    if entry.artefact.suffix != ".onnx":
        return dict.fromkeys(("gmacs", "share_of_convolution", "share_of_copy_bandwidth"))
    asked = work(entry.artefact, row["network_input"])
    gmacs = round(asked.gmacs, 6)
    if entry.precision == "int8":
        return {"gmacs": gmacs, "share_of_convolution": None, "share_of_copy_bandwidth": None}
    seconds = row["latency_ms"]["network"]["median"] / 1e3
    convolution = ceilings["convolution_gmacs_per_second"][entry.precision]
    return {
        "gmacs": gmacs,
        "share_of_convolution": round(asked.gmacs / seconds / convolution, 4),
        "share_of_copy_bandwidth": round(
            asked.gvalues * BYTES[entry.precision] / seconds / ceilings["copy_gb_per_second"], 4
        ),
    }


def speed_plot(facts: dict[str, Any]) -> Drawing:
    """The medians as bars."""
    rows = [
        (label(row), {words: row["latency_ms"][way]["median"] for way, words in WAYS.items()}) for row in facts["rows"]
    ]
    frame = facts["frame"]
    return bars(f"Frames of {frame['height']} x {frame['width']}, one at a time", "milliseconds, median", rows)


def accuracy_plot(facts: dict[str, Any]) -> Drawing | None:
    """What the cards say of accuracy over what was measured of speed; None where no card says anything."""
    points = [
        Point(1e3 / row["latency_ms"]["frame"]["median"], 100 * one["miou"], label(row), one["measured_on"])
        for row in facts["rows"]
        for one in row["accuracy"]
    ]
    title = f"Accuracy by the cards, speed at {facts['frame']['height']} x {facts['frame']['width']}"
    return scatter(title, f"frames/s, {WAYS['frame']}", "mIoU, %", points) if points else None


def label(row: dict[str, Any]) -> str:
    return f"{Path(row['artefact']).with_suffix('').as_posix()}, {row['engine']} {row['precision']}"


def speed_table(facts: dict[str, Any]) -> str:
    """What `measure` found, to be read."""
    machine, ceilings, rows = facts["machine"], facts["ceilings"], facts["rows"]
    convolutions = ceilings["convolution_gmacs_per_second"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    busy = " (busy: do not trust the times)" if (machine["load"] or 0) > machine["cores"] / 2 else ""
    head = [
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}{busy}; {versions}",
        f"flags: {' '.join(machine['flags'])}",
        f"frame: {facts['frame']['height']} x {facts['frame']['width']}, {facts['frame']['what']}; "
        f"{facts['rounds']} rounds, one frame at a time; class map by {machine['class_map']}",
        f"ceilings: copy {ceilings['copy_gb_per_second']:.1f} GB/s; 3 x 3 convolution "
        + ", ".join(f"{precision} {value:.0f} GMACs/s" for precision, value in convolutions.items()),
    ]
    times = [["artefact", "", "median ms", "p90", "p99", "to the first"]]
    whole = [["artefact", "network sees", "threads", "frames/s in streams", "cold start s", "peak memory MB", "GMACs",
              "of convolution", "of copy bandwidth"]]  # fmt: skip
    for row in rows:
        for way, words in WAYS.items():
            took = row["latency_ms"][way]
            figures = [written(took[key], ".1f") for key in ("median", "p90", "p99")]
            times.append([label(row), words, *figures, f"{row['ratio'][way]:.2f}"])
        whole.append(
            [label(row), " x ".join(map(str, row["network_input"])), str(row["threads"]),
             f"{row['throughput']['frames_per_second']:.1f}",
             f"{row['cold_start_s']:.2f}", written(row["peak_memory_mb"], ".0f"), written(row["gmacs"], ".2f"),
             written(row["share_of_convolution"], ".0%"), written(row["share_of_copy_bandwidth"], ".0%")]
        )  # fmt: skip
    accuracy = [["artefact", "accuracy measured on, says its card", "mIoU %"]]
    accuracy += [
        [row["artefact"], one["measured_on"], f"{100 * one['miou']:.2f}"]
        for row in {row["content_hash"]: row for row in rows}.values()  # once, on however many engines
        for one in row["accuracy"]
    ]
    tables = [markdown_table(table) for table in (times, whole, accuracy) if len(table) > 1]
    return "\n\n".join(["\n".join(head), *tables])


def written(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
