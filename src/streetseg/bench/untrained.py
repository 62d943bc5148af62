"""Time networks with initial weights for the papers' tables: trained weights would not change size or speed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streetseg.bench.subject import Subject
from streetseg.bench.timing import street_frame, take_turns
from streetseg.export.graph import with_card
from streetseg.export.onnx import to_onnx
from streetseg.models.networks import build
from streetseg.progress import Progress, silent
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import Segmenter


def network_times(
    subjects: Collection[Subject], rounds: int, options: EngineOptions, progress: Progress = silent
) -> dict[Subject, NDArray[np.float64]]:
    """Return the milliseconds of the networks alone, a value a round; they take turns in each round."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        artefact = Path(folder) / "untrained.onnx"
        for subject in subjects:
            write_untrained(subject, artefact)
            segmenter = Segmenter.open(artefact, options=options)
            runs.append([engine_run(segmenter, street_frame(subject.size))])
    times = take_turns(runs, rounds, progress)
    return {subject: times[index, :, 0] for index, subject in enumerate(subjects)}


def engine_run(segmenter: Segmenter, frame: NDArray[np.uint8]) -> Callable[[], object]:
    """Return a function that runs the network alone on a frame."""
    given = segmenter.prepare(frame).input
    segmenter.engine(given)  # compiles now, because the artefact is deleted later
    return lambda: segmenter.engine(given)


def write_untrained(subject: Subject, out: Path) -> None:
    """Write the artefact of a network with initial weights; NetworkError where it cannot be built."""
    torch.manual_seed(0)
    arguments: dict[str, Any] = dict(subject.arguments)
    network = build(subject.network, subject.classes, **arguments).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            # Equal weights would become one in the graph, and engines fuse nothing that two layers share.
            parameter.add_(torch.randn_like(parameter), alpha=1e-3)
    card = ModelCard(
        network=subject.network,
        classes=tuple(f"class {index}" for index in range(subject.classes)),
        colours=((0, 0, 0),) * subject.classes,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        output_stride=network.output_stride,
        size_multiple=network.size_multiple,
        align_corners=network.align_corners,
        native_short_side=min(subject.size),
        training_data="none: initial weights, to measure speed",
    )
    content, _ = with_card(to_onnx(network, card), card, "float16")
    out.write_bytes(content)
