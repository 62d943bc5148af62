"""Evaluate an artefact on a labelled dataset: `streetseg.evaluate`."""

from __future__ import annotations

import dataclasses
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streetseg.data.pairs import Dataset
from streetseg.errors import OutputError, ReportError, UsageError
from streetseg.measure.boundary import TRIMAP_WIDTHS, WIDEST
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.flicker import FilmSegmenter
from streetseg.measure.frames import EvaluatedFrame, evaluate_frames
from streetseg.measure.inputs import (
    Artefact,
    Exporter,
    artefact_name,
    engine_options,
    opened_artefact,
    opened_dataset,
)
from streetseg.measure.report.files import write_report
from streetseg.measure.report.worst import WorstFrames
from streetseg.measure.setup import Setup, artefact_title, describe_data, folder_name
from streetseg.measure.views import Views, ViewSegmenter
from streetseg.progress import Progress, silent
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import make_folder
from streetseg.runtime.provenance import package_version, today
from streetseg.runtime.segmenter import Segmenter

WORST = 8  # frames with pictures in a report


def evaluate(
    artefact: Artefact = None,
    *,
    data: Dataset | Path | str,
    dataset: str | None = None,
    split: str = "val",
    mapping: Mapping[str, str] | None = None,
    partial: bool = False,
    scales: Sequence[float] | None = None,
    flip: bool = False,
    window: tuple[int, int] | None = None,
    overlap: float = Views.overlap,
    trimap: Sequence[int] | None = None,
    report: Path | str | None = None,
    worst: int = WORST,
    flicker: bool = False,
    steady: bool = False,
    options: EngineOptions | None = None,
    engine: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    export: Exporter | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate an artefact on a split of a labelled dataset.

    Args:
        artefact: NAME.onnx, NAME.xml, NAME.pt2, a name of the shelf, or an open Segmenter; NAME.safetensors, which is
            exported first. None: the weights that come with the package.
        data: The dataset's folder, or an open dataset.
        dataset: The name of the dataset; None: its layout decides.
        split: "val", "test", "train", "trainval", "only:SEQUENCE" or "without:SEQUENCE".
        mapping: Class of the labels -> class of the artefact that it counts as; "" leaves it out. Others are matched by
            name, spelling and synonym.
        partial: Accept figures of a part of the labels: no warning if over a tenth of the labelled pixels belongs to
            classes that the artefact does not know.
        scales: Scales of the network's input, above 0 and at most 4, instead of the card's; several are averaged.
        flip: Average with the mirrored frame.
        window: H, W in pixels of windows that the frame is evaluated in; None: the whole frame at once.
        overlap: Least share of its size by which a window overlaps the next one, from 0 to below 1.
        trimap: Widths in pixels, 1 to 150, of the bands near borders; None: 1, 3, 5 and 10. An empty sequence skips the
            borders, which is quicker.
        report: Folder for a report: JSON, CSV and a page with pictures.
        worst: Number of frames with pictures in the report, those with the lowest mIoU; 0 or more.
        flicker: Measure how much the class maps flicker from frame to frame of each drive, too; the frames must be
            consecutive ones (see docs/video.md).
        steady: With `flicker`: smooth the class maps over time, as `predict --steady` does.
        options: How the artefact is run, in place of the four keywords that follow.
        engine: See `EngineOptions`, as for the next three.
        device: The device that runs the network.
        threads: CPU threads.
        precision: The arithmetic.
        export: What exports NAME.safetensors; None: `streetseg.export`.
        progress: Shows the progress over the frames.

    Returns:
        The confusion matrix, the scores of the split and of each frame.

    Raises:
        ArtefactError: The artefact is not there, or is damaged.
        DatasetError: The dataset is unknown or damaged, or shares no class with the artefact.
        EngineError: No engine runs the artefact as the options say.
        MissingExtraError: OpenCV is not installed, and `flicker` needs it.
        OutputError: The report's folder cannot be made.
        ReportError: The report cannot be written; its `result` is the evaluation.
        UsageError: A value is out of range.
    """
    views = Views.of(scales, flip, window, overlap)
    trimap_widths = tuple(TRIMAP_WIDTHS if trimap is None else trimap)
    if not all(1 <= width <= WIDEST for width in trimap_widths):
        raise UsageError(f"trimap takes widths of 1 to {WIDEST} pixels, got {', '.join(map(str, trimap_widths))}")
    if worst < 0:
        raise UsageError(f"worst takes a number of frames, 0 or more, got {worst}")
    if steady and not flicker:
        raise UsageError("steady needs flicker; ask for it, too")
    if flicker and views != Views():
        raise UsageError("flicker is measured on whole frames at the card's scale; leave scales, flip and window out")
    options = engine_options(options, engine, device, threads, precision)
    opened = opened_dataset(data, dataset)
    if report is not None:
        make_folder(Path(report))
    with opened_artefact(artefact, options, export) as segmenter:
        card = segmenter.card
        worst_frames = WorstFrames(0 if report is None else worst, card.colours)
        films = None
        if flicker:
            films = FilmSegmenter(segmenter, [pair.sequence for pair in opened.pairs(split)], steady=steady)
        evaluation = evaluate_frames(
            films or ViewSegmenter(segmenter, views),
            card.classes,
            opened,
            split,
            mapping=mapping,
            trimap_widths=trimap_widths,
            watch=watching(worst_frames, films),
            progress=progress,
        )
    setup = Setup(
        measured_on=describe_data(opened.name, split, evaluation.frames, card.training_data),
        weights=card.content_hash,
        engine=describe_engine(segmenter, options.device),
        views=views.describe(),
        command=command_line(artefact, opened.root, dataset, split, mapping, options, views, trimap)
        + " --flicker" * flicker
        + " --steady" * steady,
        title=artefact_title(card),
        date=today(),
        package_version=package_version(),
    )
    evaluation = dataclasses.replace(
        evaluation,
        setup=setup,
        colours=card.colours,
        worst=worst_frames.frames(),
        flicker=films.score() if films else None,
    )
    if report is not None:
        try:
            write_report(Path(report), evaluation)
        except OutputError as error:
            raise ReportError(str(error), evaluation) from None
    if evaluation.partial and not partial:
        warnings.warn(evaluation.coverage.advice, stacklevel=2)
    return evaluation


def watching(worst: WorstFrames, films: FilmSegmenter | None) -> Callable[[EvaluatedFrame], None]:
    """Return a function that shows each evaluated frame to all who keep something of it."""

    def watch(frame: EvaluatedFrame) -> None:
        worst(frame)
        if films is not None:
            films.watch(frame)

    return watch


def describe_engine(segmenter: Segmenter, device: str | None) -> str:
    """Return the engine and its precision, and the device if it was chosen and is not the CPU."""
    engine = segmenter.engine
    return ", ".join([engine.name, engine.precision, *([] if device in (None, "cpu") else [str(device)])])


def command_line(
    artefact: Artefact,
    data: Path,
    dataset: str | None,
    split: str,
    mapping: Mapping[str, str] | None,
    options: EngineOptions,
    views: Views,
    trimap: Sequence[int] | None,
) -> str:
    """Return the command that gives these figures again, without the folders of this machine above the data."""
    parts = ["streetseg", "evaluate", artefact_name(artefact), "--data", folder_name(data), "--split", split]
    for name, value in (
        ("dataset", dataset),
        ("map", ",".join(f"{label}={name}" for label, name in (mapping or {}).items()) or None),
        ("engine", options.engine),
        ("device", options.device),
        ("precision", options.precision),
        ("scale", views.scales),
        ("window", views.window),
        ("trimap", trimap or None),
    ):
        if value is not None:
            parts += [f"--{name}", *([value] if isinstance(value, str) else map(str, value))]
    parts += ["--flip"] * views.flip + ["--overlap", str(views.overlap)] * (views.window is not None)
    return shlex.join(parts)
