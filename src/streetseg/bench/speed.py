"""The figures of `streetseg bench frames`: typed, as JSON, as tables and as plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetseg.bench.machine import Ceilings, Machine
from streetseg.bench.plot import Point, draw_bars, draw_scatter, save_figure
from streetseg.results import Facts, Printable, rounded, text_table
from streetseg.runtime.card import Accuracy
from streetseg.runtime.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAYS = {"network": "network only", "frame": "frame to class map", "file": "file to file"}
# Percentile -> fewest samples that can show so rare a time.
SAMPLES_OF_PERCENTILE = {90: 10, 99: 100}


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a frame: median and high percentiles, None where there are too few samples."""

    median: float
    p90: float | None
    p99: float | None

    @classmethod
    def of(cls, times: NDArray[np.float64]) -> Latency:
        """Return the latency of milliseconds, one a round."""
        p90, p99 = (
            float(np.percentile(times, percent)) if len(times) >= samples else None
            for percent, samples in SAMPLES_OF_PERCENTILE.items()
        )
        return cls(float(np.median(times)), p90, p99)

    def facts(self) -> Facts:
        """Return the fields as JSON's types, to a microsecond."""
        return {"median": round(self.median, 3), "p90": rounded(self.p90, 3), "p99": rounded(self.p99, 3)}


@dataclass(frozen=True)
class SpeedRow:
    """The speed of an artefact on an engine.

    Attributes:
        artefact: Name of the file, with as many of its folders as distinguish it from the others.
        network: Network on the card.
        content_hash: SHA-256 of graph and weights.
        engine: Name of the engine.
        precision: "float32", "bfloat16", "float16", or "int8" for an int8 artefact on any engine.
        device: The requested device; None: the engine's default.
        threads: CPU threads, and frames in progress at once in `frames_per_second`.
        accuracy: The card's entries.
        network_input: Height and width that the network sees.
        latency_ms: Way (a key of WAYS) -> milliseconds, one frame at a time.
        ratio: Way -> median over the rounds of the row's time to the first row's.
        frames_per_second: Frame to class map, in streams.
        cold_start_s: Seconds from the start of a process to its first class map.
        peak_memory_mb: Peak memory of such a process; None if unknown.
        gmacs: Multiply-adds of the network in billions, None for an artefact that is not ONNX.
        share_of_convolution: Share of the machine's ceiling that the network reaches, 0 to 1, None if not known.
        share_of_copy_bandwidth: The same of the memory bandwidth, if every layer used it; above 1 where caches help.
    """

    artefact: str
    network: str
    content_hash: str
    engine: str
    precision: str
    device: str | None
    threads: int
    accuracy: tuple[Accuracy, ...]
    network_input: tuple[int, int]
    latency_ms: Mapping[str, Latency]
    ratio: Mapping[str, float]
    frames_per_second: float
    cold_start_s: float
    peak_memory_mb: float | None
    gmacs: float | None
    share_of_convolution: float | None
    share_of_copy_bandwidth: float | None

    @property
    def label(self) -> str:
        """The artefact's name with engine, precision and, if one was requested, device."""
        on = f" on {self.device}" if self.device else ""
        return f"{Path(self.artefact).with_suffix('').as_posix()}, {self.engine} {self.precision}{on}"

    def facts(self) -> Facts:
        """Return the row as it stands in speed.json."""
        return {
            "artefact": self.artefact,
            "network": self.network,
            "content_hash": self.content_hash,
            "engine": self.engine,
            "precision": self.precision,
            **({"device": self.device} if self.device else {}),
            "threads": self.threads,
            "accuracy": [{"measured_on": one.measured_on, "miou": one.miou} for one in self.accuracy],
            "network_input": self.network_input,
            "latency_ms": {way: latency.facts() for way, latency in self.latency_ms.items()},
            "ratio": {way: round(ratio, 4) for way, ratio in self.ratio.items()},
            "throughput": {"streams": self.threads, "frames_per_second": round(self.frames_per_second, 3)},
            "cold_start_s": round(self.cold_start_s, 3),
            "peak_memory_mb": rounded(self.peak_memory_mb, 1),
            "gmacs": rounded(self.gmacs, 6),
            "share_of_convolution": rounded(self.share_of_convolution, 4),
            "share_of_copy_bandwidth": rounded(self.share_of_copy_bandwidth, 4),
        }


@dataclass(frozen=True, repr=False)
class FrameSpeed(Printable):
    """The speed of artefacts on this machine; see docs/speed.md for the protocol.

    Attributes:
        machine: The machine before the measurement.
        size: Height and width of the frames.
        content: Description of the frames.
        rounds: Number of times that each row was timed.
        ceilings: The most that the machine can do.
        rows: One an artefact and engine.
    """

    machine: Machine
    size: tuple[int, int]
    content: str
    rounds: int
    ceilings: Ceilings
    rows: tuple[SpeedRow, ...]

    def facts(self) -> Facts:
        """Return the figures as they stand in speed.json.

        Returns:
            machine, frame, rounds, ceilings and rows; see docs/speed.md.
        """
        return {
            "machine": self.machine.facts(),
            "frame": {"height": self.size[0], "width": self.size[1], "what": self.content},
            "rounds": self.rounds,
            "ceilings": self.ceilings.facts(),
            "rows": [row.facts() for row in self.rows],
        }

    def table(self) -> str:
        """Return the machine in a few lines, then the latencies, the other figures and the cards' accuracies.

        Returns:
            Text that folds at the terminal's width.
        """
        convolutions = self.ceilings.convolution_gmacs_per_second
        head = [
            f"{self.machine.cpu}, {self.machine.cores} cores, {self.machine.load_text()}",
            self.machine.version_text(),
            f"flags: {' '.join(self.machine.flags)}",
            f"frame: {self.size[0]} x {self.size[1]}, {self.content}; {self.rounds} rounds, one frame at a time",
            f"class map by {self.machine.class_map}",
            ", ".join(
                [
                    f"ceilings: copy {self.ceilings.copy_gb_per_second:.1f} GB/s",
                    *(f"3 x 3 convolution {name} {value:.0f} GMACs/s" for name, value in convolutions.items()),
                ]
            ),
        ]
        tables = [self.latency_table(), self.resource_table(), self.accuracy_table()]
        return "\n\n".join(["\n".join(head), *filter(None, tables)])

    def latency_table(self) -> str:
        """Return the times of each row in each way.

        Returns:
            A table of milliseconds, and of ratios to the first row.
        """
        lines = [["artefact", "timed", "median ms", "p90", "p99", "to the first"]]
        for row in self.rows:
            for way, words in WAYS.items():
                latency = row.latency_ms[way]
                times = (cell(value, ".1f") for value in (latency.median, latency.p90, latency.p99))
                lines.append([row.label, words, *times, f"{row.ratio[way]:.2f}"])
        return text_table(lines)

    def resource_table(self) -> str:
        """Return streams, cold start, memory, work and shares of the ceilings.

        Returns:
            A table with a line a row.
        """
        lines = [["artefact", "network sees", "threads", "frames/s in streams", "cold start s", "peak memory MB",
                  "GMACs", "of convolution", "of copy bandwidth"]]  # fmt: skip
        for row in self.rows:
            lines.append(
                [row.label, " x ".join(map(str, row.network_input)), str(row.threads), f"{row.frames_per_second:.1f}",
                 f"{row.cold_start_s:.2f}", cell(row.peak_memory_mb, ".0f"), cell(row.gmacs, ".2f"),
                 cell(row.share_of_convolution, ".0%"), cell(row.share_of_copy_bandwidth, ".0%")]
            )  # fmt: skip
        return text_table(lines)

    def accuracy_table(self) -> str:
        """Return the accuracies on the cards, each artefact once.

        Returns:
            A table of mIoU in per cent; an empty text if no card has any.
        """
        artefacts = {row.content_hash: row for row in self.rows}.values()
        lines = [[row.artefact, one.measured_on, f"{100 * one.miou:.2f}"] for row in artefacts for one in row.accuracy]
        return text_table([["artefact", "accuracy measured on, says its card", "mIoU %"], *lines]) if lines else ""

    def save(self, folder: Path) -> None:
        """Write speed.json, then the figures speed and accuracy as SVG and PNG.

        Args:
            folder: Folder of the files.

        Raises:
            OutputError: A file cannot be written.
            MissingExtraError: matplotlib is missing; speed.json is written.
        """
        write_file(folder / "speed.json", self.to_json().encode())
        save_figure(self.plot(), folder / "speed")
        if figure := self.plot_accuracy():
            save_figure(figure, folder / "accuracy")

    def plot(self) -> Figure:
        """Return the median latencies as bars.

        Returns:
            A figure of matplotlib.

        Raises:
            MissingExtraError: matplotlib is missing.
        """
        bars = [(row.label, {words: row.latency_ms[way].median for way, words in WAYS.items()}) for row in self.rows]
        return draw_bars(f"Frames of {self.size[0]} x {self.size[1]}, one at a time", "milliseconds, median", bars)

    def plot_accuracy(self) -> Figure | None:
        """Return a scatter of the cards' accuracies over the measured speed.

        Returns:
            A figure of matplotlib; None where no card has an accuracy.

        Raises:
            MissingExtraError: matplotlib is missing.
        """
        points = [
            Point(1e3 / row.latency_ms["frame"].median, 100 * one.miou, row.label, one.measured_on)
            for row in self.rows
            for one in row.accuracy
        ]
        title = f"Accuracy by the cards, speed at {self.size[0]} x {self.size[1]}"
        return draw_scatter(title, f"frames/s, {WAYS['frame']}", "mIoU, %", points) if points else None


def cell(value: float | None, form: str) -> str:
    """Return a value as the text of a cell, "-" for None."""
    return "-" if value is None else format(value, form)
