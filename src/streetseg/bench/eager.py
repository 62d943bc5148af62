"""Frame to class map on this CPU, ours beside the same network in eager PyTorch, in turns, and beside our targets.

- PyTorch: float32, inference mode; the uint8 frame converted, reduced where the network works at half size, normalised;
  the logits upsampled to the frame's size, and their argmax. Twice, NCHW and channels last; the better counts.
- Ours: `Segmenter`, all threads on one frame; frames a second are `Segmenter.stream`'s, a frame a thread.
- PyTorch's time does not depend on the weights, which are initial ones there. Ours does, by the borders in the class
  map: the shelf's weights run where it has them, or an artefact that is named, and beside the time stand the share of
  mixed cells (classmap.py) and what the class map took.
- The ceiling is 3 x 3 convolutions of many channels in the row's precision on one thread, by their CPU time: what the
  network's multiply-adds alone would take at that rate. Of int8 it is not measured.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from streetseg.bench.frames import STREAM_ROUNDS, rate, street_frame, take_turns
from streetseg.bench.machine import dense_convolution, describe_machine, work
from streetseg.bench.subject import Subject
from streetseg.bench.untrained import write_untrained
from streetseg.errors import ArtefactError, UsageError
from streetseg.measure.markdown import markdown_table
from streetseg.models.networks import build
from streetseg.runtime.card import ModelCard
from streetseg.runtime.classmap import mixed_cells
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.shelf.shelf import find_weights, known_weights

SIZE = (1024, 2048)  # Cityscapes' frames, for which the targets are
CLASSES = 19  # of initial weights: Cityscapes'
HALF_SIZE = ("stdc1", "stdc2", "bisenetv2", "bisenetv2_large")  # STDC-Seg50; BiSeNetV2, section 5.2
INT8 = "int8"  # precision of an artefact's own, whatever the engine computes the rest in
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}

Progress = Callable[[Iterable[int]], Iterable[int]]


class Target(NamedTuple):
    """What a row's figure should be at least, or at most; for one network or for all."""

    key: str
    words: str
    limit: float
    at_least: bool
    network: str | None = None


TARGETS = (
    Target("ratio", "times as fast as PyTorch", 20, True),
    Target("frames_per_second", "frames/s", 30, True),
    Target("ours_ms", "latency, ms", 40, False, "ddrnet_23_slim"),
    Target("cpu_ratio", "CPU time to its convolutions'", 1.5, False, "ddrnet_23_slim"),
)


def measure_against_eager(
    subjects: Sequence[str | Path],
    size: tuple[int, int],
    threads: int,
    precision: str | None,
    rounds: int,
    progress: Progress = iter,
) -> dict[str, Any]:
    """Everything about every network at frames of height and width `size`: JSON-ready, see docs/performance.md.

    subjects: networks by their names, or artefacts (NAME.onnx). precision: ours, as for Segmenter.open. Raises
    NetworkError, ArtefactError, EngineError, and UsageError for a size that a network takes only with padding, which
    the plain way does not know.
    """
    frame = street_frame(size)
    machine = describe_machine()  # before we load it ourselves
    torch.set_num_threads(threads)
    rows = [measure_network(subject, frame, threads, precision, rounds, progress) for subject in subjects]
    floats = {row["precision"] for row in rows} - {INT8}
    ceiling = round(dense_convolution(floats.pop(), 1, time.process_time), 1) if floats else None
    return {
        "machine": machine,
        "frame": {"height": size[0], "width": size[1], "what": "rendered street, enlarged where needed"},
        "threads": threads,
        "rounds": rounds,
        "convolution_gmacs_per_cpu_second": ceiling,
        "rows": [judged(row, ceiling, threads) for row in rows],
    }


def measure_network(
    subject: str | Path, frame: NDArray[np.uint8], threads: int, precision: str | None, rounds: int, progress: Progress
) -> dict[str, Any]:
    """The row of a network, before it is judged."""
    with tempfile.TemporaryDirectory() as folder:
        artefact, weights = artefact_of(subject, Path(folder) / "untrained.onnx")
        latency, streaming = (open_at(artefact, frame, streams, threads, precision) for streams in (1, threads))
        height, width = latency.prepare(frame).content_size
        asked = work(artefact, (height, width))
        eager = [Eager(latency.card, layout) for layout in LAYOUTS.values()]
        class_map_ms: list[float] = []

        def ours() -> None:
            class_map_ms.append(latency(frame).milliseconds["class map"])

        times = take_turns([[ours], *([partial(plain, frame)] for plain in eager)], rounds, progress)[:, :, 0]
        cpu_ms = np.median([cpu_milliseconds(ours) for _ in range(rounds)])
        rates = [rate(streaming, frame) for _ in range(STREAM_ROUNDS + 1)][1:]  # the first one compiles
    medians = np.median(times, axis=1)
    better = 1 + int(np.argmin(medians[1:]))
    return {
        "network": latency.card.network,
        "weights": weights,
        "network_input": [height, width],
        "precision": INT8 if latency.card.precision == INT8 else latency.engine.precision,
        "gmacs": round(asked.gmacs, 3),
        "ours_ms": round(float(medians[0]), 3),
        "class_map_ms": round(float(np.median(class_map_ms)), 3),
        "mixed_cells": round(float(mixed_cells(latency.logits(frame).argmax(2)).mean()), 4),
        "eager_ms": {name: round(float(median), 3) for name, median in zip(LAYOUTS, medians[1:], strict=True)},
        "ratio": round(float(np.median(times[better] / times[0])), 3),
        "frames_per_second": round(float(np.median(rates)), 3),
        "cpu_ms": round(float(cpu_ms), 3),
    }


def artefact_of(subject: str | Path, untrained: Path) -> tuple[Path, str]:
    """An artefact itself; of a network the shelf's, or where there is none, one with initial weights, written. And what
    to call its weights."""
    if isinstance(subject, Path):
        return subject, subject.name
    for name, weights in known_weights().items():
        if weights.network == subject:
            try:
                return find_weights(name), name
            except ArtefactError:  # not here and not to be had
                continue
    write_untrained(Subject(subject, (), CLASSES, SIZE), untrained)
    return untrained, "initial"


def open_at(artefact: Path, frame: NDArray[np.uint8], streams: int, threads: int, precision: str | None) -> Segmenter:
    """A segmenter whose network sees the whole frame, or half of it where its paper's does."""
    opened = Segmenter.open(artefact, threads=threads, precision=precision, size=min(frame.shape[:2]), streams=streams)
    scale = 0.5 if opened.card.network in HALF_SIZE else 1.0
    opened.card = dataclasses.replace(opened.card, operating_scale=scale)
    prepared, multiple = opened.prepare(frame), opened.card.size_multiple
    content = prepared.content_size
    if prepared.padded_size != content:
        raise UsageError(
            f"{opened.card.network} takes multiples of {multiple}, got {content[0]} x {content[1]}; "
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
        pixels = torch.from_numpy(frame).permute(2, 0, 1)[None].contiguous(memory_format=self.layout).float()
        if self.scale != 1:
            pixels = F.interpolate(pixels, scale_factor=self.scale, mode="bilinear")
        logits = self.network((pixels - self.mean) / self.std).logits
        full = F.interpolate(logits, frame.shape[:2], mode="bilinear", align_corners=self.network.align_corners)
        classmap: NDArray[np.uint8] = full.argmax(1)[0].to(torch.uint8).numpy()
        return classmap


def cpu_milliseconds(run: Callable[[], object]) -> float:
    """What a run takes of all cores together."""
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1e3


def judged(row: dict[str, Any], ceiling: float | None, threads: int) -> dict[str, Any]:
    """The row with its targets: whether they are met, and what the network's multiply-adds alone would allow.

    ceiling: GMACs a second of CPU time in float.
    """
    at_ceiling: dict[str, float] = {}
    if ceiling and row["precision"] != INT8:
        convolutions_cpu_ms = 1e3 * row["gmacs"] / ceiling
        convolutions_ms = convolutions_cpu_ms / threads
        row = row | {"cpu_ratio": round(row["cpu_ms"] / convolutions_cpu_ms, 3)}
        at_ceiling = {
            "ratio": round(min(row["eager_ms"].values()) / convolutions_ms, 3),
            "frames_per_second": round(1e3 / convolutions_ms, 3),
            "ours_ms": round(convolutions_ms, 3),
            "cpu_ratio": 1.0,
        }
    targets = {
        target.key: {
            "target": target.limit,
            "met": bool(meets(row[target.key], target)),
            "at_ceiling": at_ceiling.get(target.key),
        }
        for target in TARGETS
        if target.network in (None, row["network"]) and target.key in row
    }
    return row | {"targets": targets}


def meets(value: float, target: Target) -> bool:
    return value >= target.limit if target.at_least else value <= target.limit


def eager_table(facts: dict[str, Any]) -> str:
    """What `measure_against_eager` found, to be read."""
    machine, frame, rows = facts["machine"], facts["frame"], facts["rows"]
    busy = " (busy: do not trust the times)" if (machine["load"] or 0) > machine["cores"] / 2 else ""
    head = [
        f"{machine['cpu']}, {facts['threads']} threads, load {machine['load']}{busy}; "
        + ", ".join(f"{name} {machine['versions'][name]}" for name in ("openvino", "torch")),
        f"flags: {' '.join(machine['flags'])}",
        f"frame: {frame['height']} x {frame['width']}, {frame['what']}; {facts['rounds']} rounds; frame to class map, "
        "medians; PyTorch in eager float32 with initial weights",
    ]
    if ceiling := facts["convolution_gmacs_per_cpu_second"]:
        head.append(f"ceiling: 3 x 3 convolution {ceiling:.0f} GMACs/s a thread")
    times = [["network", "input", "weights", "precision", "ours ms", "of it class map", "mixed cells",
              "PyTorch NCHW ms", "channels last ms", "ratio", "frames/s in streams", "CPU ms", "GMACs"]]  # fmt: skip
    verdicts = [["network", "what", "reached", "target", "", "at the ceiling"]]
    for row in rows:
        times.append(
            [row["network"], "x".join(map(str, row["network_input"])), row["weights"], row["precision"],
             f"{row['ours_ms']:.1f}", f"{row['class_map_ms']:.1f}", f"{row['mixed_cells']:.0%}",
             *(f"{value:.0f}" for value in row["eager_ms"].values()), f"{row['ratio']:.1f}",
             f"{row['frames_per_second']:.1f}", f"{row['cpu_ms']:.0f}", f"{row['gmacs']:.1f}"]
        )  # fmt: skip
        for target in TARGETS:
            if target.key in row["targets"]:
                verdicts.append([row["network"], *verdict(row[target.key], target, row["targets"][target.key])])
    return "\n".join([*head, "", markdown_table(times), "", markdown_table(verdicts)])


def verdict(reached: float, target: Target, found: dict[str, Any]) -> list[str]:
    """The cells of a target: what, reached, target, met or not, and the bound."""
    sign = "at least" if target.at_least else "at most"
    bound = found["at_ceiling"]
    beyond = "" if bound is None or found["met"] or meets(bound, target) else ": out of reach here"
    return [
        target.words,
        f"{reached:.1f}",
        f"{sign} {target.limit:g}",
        "met" if found["met"] else f"missed by {abs(reached - target.limit):.1f}",
        "-" if bound is None else f"{bound:.1f}{beyond}",
    ]
