"""Time frame to class map on this CPU: ours beside the same network in eager PyTorch, and beside our targets.

- PyTorch runs in float32 and inference mode. It converts the uint8 frame, halves it where the network works at half
  size, normalises it, upsamples the logits to the frame's size and takes their argmax. It is timed twice, NCHW and
  channels last; the better time counts.
- Ours is `Segmenter`, all threads on one frame. Frames a second are measured with `Segmenter.stream`, a frame a thread.
- The time of PyTorch does not depend on the weights, so it runs initial ones. Our time depends on them, through the
  borders in the class map. So it runs the named artefact, or the shelf's weights where there are some. The share of
  mixed cells (classmap.py) and the time of the class map are printed beside the time.
- The ceiling is the rate of 3 x 3 convolutions of many channels, in the row's precision, on one thread, by CPU time. It
  bounds the network's multiply-adds. It is not measured for int8.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streetseg.bench.frames import STREAM_ROUNDS, check_rounds
from streetseg.bench.machine import Machine, count_work, dense_convolution, describe_machine
from streetseg.bench.subject import Subject
from streetseg.bench.targets import Verdict, network_verdicts
from streetseg.bench.timing import milliseconds, stream_rate, street_frame, take_turns
from streetseg.bench.training import NETWORKS
from streetseg.bench.untrained import write_untrained
from streetseg.errors import ArtefactError, UsageError
from streetseg.models.networks import build
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.card import ModelCard
from streetseg.runtime.classmap import mixed_cells
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.inputs import as_sequence
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.shelf.shelf import find_weights, known_weights

ROUNDS = 10
SIZE = (1024, 2048)  # of Cityscapes' frames; the targets hold for them
CLASSES = 19  # Cityscapes'; for initial weights
# The papers run these at half size: STDC-Seg50; BiSeNetV2, section 5.2.
HALF_SIZE = ("stdc1", "stdc2", "bisenetv2", "bisenetv2_large")
INT8 = "int8"  # precision of an int8 artefact, in whatever precision the engine computes the rest
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class EagerRow:
    """A network, ours beside eager PyTorch.

    Attributes:
        network: Its name.
        weights: Name on the shelf, name of the artefact, or "initial".
        network_input: Height and width that the network sees.
        precision: Our precision: "float32", "bfloat16" or "int8".
        gmacs: Multiply-adds in billions.
        ours_ms: Median milliseconds, frame to class map.
        class_map_ms: Median milliseconds of the class map, a part of `ours_ms`.
        mixed_cells: Share of the class map's cells that a border crosses, 0 to 1.
        eager_ms: Layout (a key of LAYOUTS) -> median milliseconds of PyTorch.
        ratio: Median over the rounds of the better layout's time to ours.
        frames_per_second: Our frames a second, a frame a thread.
        cpu_ms: Our CPU time a frame, of all threads together, in milliseconds.
        cpu_ratio: `cpu_ms` over the CPU time of the convolutions at the ceiling; None if no ceiling is known.
        verdicts: The targets that hold for this network.
    """

    network: str
    weights: str
    network_input: tuple[int, int]
    precision: str
    gmacs: float
    ours_ms: float
    class_map_ms: float
    mixed_cells: float
    eager_ms: Mapping[str, float]
    ratio: float
    frames_per_second: float
    cpu_ms: float
    cpu_ratio: float | None = None
    verdicts: tuple[Verdict, ...] = ()

    def facts(self) -> Facts:
        """Return the row as it stands in speed.json."""
        return {
            "network": self.network,
            "weights": self.weights,
            "network_input": self.network_input,
            "precision": self.precision,
            "gmacs": self.gmacs,
            "ours_ms": self.ours_ms,
            "class_map_ms": self.class_map_ms,
            "mixed_cells": self.mixed_cells,
            "eager_ms": self.eager_ms,
            "ratio": self.ratio,
            "frames_per_second": self.frames_per_second,
            "cpu_ms": self.cpu_ms,
            **({} if self.cpu_ratio is None else {"cpu_ratio": self.cpu_ratio}),
            "targets": {verdict.target.key: verdict.facts() for verdict in self.verdicts},
        }


@dataclass(frozen=True, repr=False)
class EagerSpeed(Printable):
    """Networks beside eager PyTorch on this machine; see docs/performance.md.

    Attributes:
        machine: The machine before the measurement.
        size: Height and width of the frames.
        content: Description of the frames.
        threads: CPU threads of ours and of PyTorch.
        rounds: Number of times that each was timed.
        ceiling: GMACs of 3 x 3 convolutions a second of CPU time, None where only int8 ran.
        rows: One a network.
    """

    machine: Machine
    size: tuple[int, int]
    content: str
    threads: int
    rounds: int
    ceiling: float | None
    rows: tuple[EagerRow, ...]

    def facts(self) -> Facts:
        """Return the figures as they stand in speed.json.

        Returns:
            machine, frame, threads, rounds, convolution_gmacs_per_cpu_second and rows.
        """
        return {
            "machine": self.machine.facts(),
            "frame": {"height": self.size[0], "width": self.size[1], "what": self.content},
            "threads": self.threads,
            "rounds": self.rounds,
            "convolution_gmacs_per_cpu_second": self.ceiling,
            "rows": [row.facts() for row in self.rows],
        }

    def table(self) -> str:
        """Return the machine in a few lines, then the times and the targets.

        Returns:
            Text that folds at the terminal's width.
        """
        head = [
            f"{self.machine.cpu}, {self.threads} threads, {self.machine.load_text()}",
            self.machine.version_text(["openvino", "torch"]),
            f"flags: {' '.join(self.machine.flags)}",
            f"frame: {self.size[0]} x {self.size[1]}, {self.content}; {self.rounds} rounds",
            "frame to class map, medians; PyTorch in eager float32 with initial weights",
        ]
        if self.ceiling:
            head.append(f"ceiling: 3 x 3 convolution {self.ceiling:.0f} GMACs/s a thread")
        times = [["network", "input", "weights", "precision", "ours ms", "of it class map", "mixed cells",
                  "PyTorch NCHW ms", "channels last ms", "ratio", "frames/s in streams", "CPU ms",
                  "GMACs"]]  # fmt: skip
        targets = [["network", "target for", "reached", "target", "verdict", "at the ceiling"]]
        for row in self.rows:
            times.append(
                [row.network, "x".join(map(str, row.network_input)), row.weights, row.precision,
                 f"{row.ours_ms:.1f}", f"{row.class_map_ms:.1f}", f"{row.mixed_cells:.0%}",
                 *(f"{value:.0f}" for value in row.eager_ms.values()), f"{row.ratio:.1f}",
                 f"{row.frames_per_second:.1f}", f"{row.cpu_ms:.0f}", f"{row.gmacs:.1f}"]
            )  # fmt: skip
            targets += [[row.network, *verdict.cells()] for verdict in row.verdicts]
        return "\n".join([*head, "", text_table(times), "", text_table(targets)])


def bench_eager(
    artefacts: str | Path | Sequence[str | Path] = (),
    *,
    networks: str | Sequence[str] = (),
    size: tuple[int, int] = SIZE,
    rounds: int = ROUNDS,
    options: EngineOptions | None = None,
    progress: Progress = silent,
) -> EagerSpeed:
    """Measure frame to class map beside eager PyTorch on this CPU, taking turns.

    Args:
        artefacts: A file (NAME.onnx) or a name of the shelf, or several.
        networks: A network's name, or several, which run with the shelf's weights or, where it has none, with initial
            ones. Without artefacts and networks, the fast variant of each family.
        size: Height and width of the frames in pixels.
        rounds: Number of times that each is timed, 1 or more.
        options: The threads of both, and our precision; nothing else.
        progress: Shows the rounds.

    Returns:
        The figures of each artefact and network, with the targets and their bounds.

    Raises:
        UsageError: `rounds` is below 1, a network needs padding at that size, an artefact is not NAME.onnx, or
            `options` has an engine, a device, streams or a cache.
        NetworkError: A network is not known.
        ArtefactError: An artefact is damaged or missing.
        EngineError: The engine does not have the precision.
    """
    check_rounds(rounds)
    options = options or EngineOptions()
    if options != EngineOptions(threads=options.threads, precision=options.precision):
        raise UsageError("bench eager takes --threads and --precision only: the engine is the artefact's default")
    files = [find_weights(artefact) for artefact in as_sequence(artefacts)]
    if others := [path.name for path in files if path.suffix != ".onnx"]:
        raise UsageError(f"bench eager takes NAME.onnx, not {others[0]}")
    frame = street_frame(size)
    machine = describe_machine()  # before we load it ourselves
    threads = options.cpu_threads
    torch.set_num_threads(threads)
    subjects: Sequence[str | Path] = [*files, *as_sequence(networks)] or NETWORKS
    rows = [eager_row(subject, frame, options, rounds, progress) for subject in subjects]
    floats = {row.precision for row in rows} - {INT8}
    ceiling = round(dense_convolution(floats.pop(), 1, time.process_time), 1) if floats else None
    return EagerSpeed(
        machine,
        size,
        "rendered street, enlarged where needed",
        threads,
        rounds,
        ceiling,
        tuple(with_verdicts(row, ceiling, threads) for row in rows),
    )


def eager_row(
    subject: str | Path, frame: NDArray[np.uint8], options: EngineOptions, rounds: int, progress: Progress
) -> EagerRow:
    """Return the row of a network, before its verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        artefact, weights = subject_artefact(subject, Path(folder) / "untrained.onnx")
        latency, streaming = (
            open_at(artefact, frame, replace(options, streams=streams)) for streams in (1, options.cpu_threads)
        )
        height, width = latency.prepare(frame).content_size
        work = count_work(artefact, (height, width))
        eager = [Eager(latency.card, layout) for layout in LAYOUTS.values()]
        class_map_ms: list[float] = []

        def ours() -> None:
            class_map_ms.append(latency(frame).milliseconds["class map"])

        times = take_turns([[ours], *([partial(plain, frame)] for plain in eager)], rounds, progress)[:, :, 0]
        cpu_ms = np.median([milliseconds(ours, time.process_time) for _ in range(rounds)])
        rates = [stream_rate(streaming, frame) for _ in range(STREAM_ROUNDS + 1)][1:]  # the first one compiles
    medians = np.median(times, axis=1)
    better = 1 + int(np.argmin(medians[1:]))
    return EagerRow(
        network=latency.card.network,
        weights=weights,
        network_input=(height, width),
        precision=INT8 if latency.card.precision == INT8 else latency.engine.precision,
        gmacs=round(work.gmacs, 3),
        ours_ms=round(float(medians[0]), 3),
        class_map_ms=round(float(np.median(class_map_ms)), 3),
        mixed_cells=round(float(mixed_cells(latency.logits(frame).argmax(2)).mean()), 4),
        eager_ms={name: round(float(median), 3) for name, median in zip(LAYOUTS, medians[1:], strict=True)},
        ratio=round(float(np.median(times[better] / times[0])), 3),
        frames_per_second=round(float(np.median(rates)), 3),
        cpu_ms=round(float(cpu_ms), 3),
    )


def subject_artefact(subject: str | Path, untrained: Path) -> tuple[Path, str]:
    """Return the artefact of a subject and the name of its weights.

    A network takes the shelf's weights, or else initial ones, which are written to `untrained`.
    """
    if isinstance(subject, Path):
        return subject, subject.name
    for name, weights in known_weights().items():
        if weights.network == subject:
            try:
                return find_weights(name), name
            except ArtefactError:  # not here, and cannot be fetched
                continue
    write_untrained(Subject(subject, (), CLASSES, SIZE), untrained)
    return untrained, "initial"


def open_at(artefact: Path, frame: NDArray[np.uint8], options: EngineOptions) -> Segmenter:
    """Open a segmenter whose network sees the frame at full size, or at half size if it is in HALF_SIZE."""
    opened = Segmenter.open(artefact, size=min(frame.shape[:2]), options=options)
    scale = 0.5 if opened.card.network in HALF_SIZE else 1.0
    opened.card = replace(opened.card, operating_scale=scale)
    prepared = opened.prepare(frame)
    height, width = prepared.content_size
    if prepared.padded_size != prepared.content_size:
        multiple = opened.card.size_multiple
        raise UsageError(
            f"{opened.card.network} takes multiples of {multiple}, got {height} x {width}; "
            f"give a --size of multiples of {round(multiple / scale)}"
        )
    return opened


class Eager:
    """A network with initial weights as PyTorch runs it: uint8 frame H x W x 3 to uint8 class map H x W."""

    def __init__(self, card: ModelCard, layout: torch.memory_format) -> None:
        torch.manual_seed(0)  # the same weights in either layout
        network = build(card.network, len(card.classes), **card.network_arguments).eval()
        self.network = network.to(memory_format=layout)  # type: ignore[call-overload]
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (card.mean, card.std))
        self.scale, self.layout = card.operating_scale, layout

    @torch.inference_mode()
    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the class map of a frame."""
        pixels = torch.from_numpy(frame).permute(2, 0, 1)[None].contiguous(memory_format=self.layout).float()
        if self.scale != 1:
            pixels = F.interpolate(pixels, scale_factor=self.scale, mode="bilinear")
        logits = self.network((pixels - self.mean) / self.std).logits
        full = F.interpolate(logits, frame.shape[:2], mode="bilinear", align_corners=self.network.align_corners)
        classmap: NDArray[np.uint8] = full.argmax(1)[0].to(torch.uint8).numpy()
        return classmap


def with_verdicts(row: EagerRow, ceiling: float | None, threads: int) -> EagerRow:
    """Return the row with its verdicts, and with the figures that its multiply-adds alone would allow.

    ceiling: GMACs a second of CPU time in float.
    """
    reached = {"ratio": row.ratio, "frames_per_second": row.frames_per_second, "ours_ms": row.ours_ms}
    at_ceiling: dict[str, float] = {}
    if ceiling and row.precision != INT8:
        convolutions_cpu_ms = 1e3 * row.gmacs / ceiling
        convolutions_ms = convolutions_cpu_ms / threads
        row = replace(row, cpu_ratio=round(row.cpu_ms / convolutions_cpu_ms, 3))
        reached["cpu_ratio"] = round(row.cpu_ms / convolutions_cpu_ms, 3)
        at_ceiling = {
            "ratio": round(min(row.eager_ms.values()) / convolutions_ms, 3),
            "frames_per_second": round(1e3 / convolutions_ms, 3),
            "ours_ms": round(convolutions_ms, 3),
            "cpu_ratio": 1.0,
        }
    return replace(row, verdicts=network_verdicts(row.network, reached, at_ceiling))
