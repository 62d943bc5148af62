"""Verify that an exported file computes the same as its artefact: `streetseg.verify`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.data.pairs import Dataset
from streetseg.errors import UsageError
from streetseg.export.diagnosis import Case, Mistake, diagnose, shifted
from streetseg.export.difference import LIMITS, PROMISES, Difference, Limits, Promise, difference
from streetseg.export.exported import Frame, Pair, check_precision, open_exported
from streetseg.export.foreign import LAYOUTS, RANGES, Layout, Range
from streetseg.measure.compare import Comparison, compare
from streetseg.measure.frames import evaluate_frames
from streetseg.measure.inputs import opened_dataset
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, rounded, text_list
from streetseg.runtime.arrays import FrameLike, as_picture
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.inputs import list_images
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.runtime.shelf.shelf import find_weights
from streetseg.streets.scene import render

# Pixels, the largest short side of the rendered streets. They have three sizes: a graph may be right at one only.
STREETS_SIDE = 360
# Fields of the card that change what is computed from a frame.
COMPUTING = ("mean", "std", "output_stride", "size_multiple", "native_short_side", "operating_scale")


@dataclass(frozen=True, repr=False)
class Verification(Printable):
    """The difference between an exported file and its artefact.

    Attributes:
        exported: Name of the exported file.
        against: Name of the artefact.
        engine: The engine that ran the exported file.
        precision: The precision whose limits count.
        limits: What this precision explains.
        frames: Number of frames.
        frames_from: Where the frames come from.
        promise: What the output is meant to be: "logits", "probabilities" or "classmap".
        difference: The difference over all frames.
        mistakes: The mistakes that explain it; empty if it is within the limits, or no known one explains it.
        comparison: mIoU and IoUs of the artefact (A) and the exported file (B), with intervals; None without labels.
    """

    exported: str
    against: str
    engine: str
    precision: str
    limits: Limits
    frames: int
    frames_from: str
    promise: Promise
    difference: Difference
    mistakes: tuple[Mistake, ...] = ()
    comparison: Comparison | None = None

    @property
    def passed(self) -> bool:
        """True if the precision explains the difference and no mistake was found."""
        return self.difference.within(self.limits) and not self.mistakes

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            Differences in units of the output and in standard deviations of the artefact's; shares from 0 to 1; None
            for a missing figure.
        """
        found = self.difference
        deviation = found.deviation or np.nan
        return {
            "exported": self.exported,
            "against": self.against,
            "engine": self.engine,
            "precision": self.precision,
            "output": self.promise,
            "frames": self.frames,
            "frames_from": self.frames_from,
            "passed": self.passed,
            "largest_difference": finite(found.largest),
            "mean_difference": finite(found.mean),
            "largest_in_deviations": finite(found.largest / deviation),
            "mean_in_deviations": finite(found.mean / deviation),
            "pixels": found.pixels,
            "differing_pixels": found.differing,
            "differing_share": rounded(found.differing / found.pixels),
            "differing_beyond_ties": found.beyond_ties,
            "limits": {name: finite(value) for name, value in dataclasses.asdict(self.limits).items()},
            "mistakes": [dataclasses.asdict(mistake) for mistake in self.mistakes],
            "comparison": None if self.comparison is None else self.comparison.facts(),
        }

    def table(self) -> str:
        """Return the figures for a terminal.

        Returns:
            The verdict, one line for each figure with the limits, then the mistakes or the scores if there are any.
        """
        found = self.difference
        share = f"{100 * found.differing / found.pixels:.4f} % of {found.pixels:,}"
        unit = "probabilities" if self.promise == "probabilities" else "logits"
        values = f"largest {found.largest:.3g}, mean {found.mean:.3g}"
        if found.values:
            in_deviations = f"largest {found.largest / found.deviation:.3g}, mean {found.mean / found.deviation:.3g}"
        lines = {
            "verdict": "the same function" if self.passed else "NOT the same function",
            "compared": f"{self.exported} ({self.engine}) against {self.against}",
            "frames": f"{self.frames}, {self.frames_from}",
            **({f"{unit} differ": values, "in deviations": in_deviations} if found.values else {}),
            "pixels differ": f"{share}; {found.beyond_ties:,} beyond ties",
            f"{self.precision} explains": self.limits.in_words(),
        }
        for number, mistake in enumerate(self.mistakes, 1):
            lines[f"mistake {number}"] = f"{mistake.name}: {mistake.words}"
        if not self.passed and not self.mistakes:
            lines["mistake"] = "none of the known mistakes explains the difference"
        text = text_list(lines)
        if self.comparison is None:
            return text
        return f"{text}\n\nA: {self.against}, B: {self.exported}\n{self.comparison.table()}"


def finite(value: float) -> float | None:
    """Return a value that JSON can hold; None for NaN and infinity."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def verify(
    exported: str | Path,
    *,
    against: str | Path | None = None,
    data: Dataset | Path | str | None = None,
    dataset: str | None = None,
    split: str = "val",
    frames: FrameLike | Iterable[FrameLike] | None = None,
    card: str | Path | None = None,
    layout: Layout | None = None,
    values: Range | None = None,
    output: Promise | None = None,
    precision: str | None = None,
    engine: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Verification:
    """Verify that an exported file computes the same function as an artefact.

    Both run on the same frames. The artefact runs in float32. If they differ by more than the precision explains, the
    classic mistakes of an export are tried, and those that explain the difference are named.

    Args:
        exported: NAME.onnx or NAME.pt2 of this package, or any ONNX graph that takes a frame.
        against: The artefact that it was made from, NAME.onnx, NAME.pt2 or a name of the shelf; None: the weights that
            come with the package.
        data: A labelled dataset, or its folder: mIoU and its difference are measured on it, too.
        dataset: The name of the dataset; None: its layout decides.
        split: The split of the dataset.
        frames: Frames, image files, folders or patterns instead of a dataset; None without a dataset: rendered streets.
        card: JSON file with the card of another exporter's graph; None: the card inside, else that of `against`.
        layout: "nchw" or "nhwc", the order of the axes of its input; None: by the place of the 3 channels.
        values: "normalised" (by the card's mean and std), "0-255" or "0-1": what its float input takes; None:
            "normalised". An input of uint8 takes frames as they are.
        output: "logits", "probabilities" or "classmap", what its first output is meant to be; None: logits, or a class
            map if it puts out class indices.
        precision: "float32", "float16", "bfloat16" or "int8", whose limits count; an artefact of ours also runs in the
            first three. None: float32, or the precision that the file shows.
        engine: The engine that runs an artefact of ours; None: the first that runs it.
        device: The device, see `EngineOptions`; None: the CPU.
        threads: CPU threads, 1 or more; None: all cores.
        progress: Shows the progress over the frames.

    Returns:
        The difference, the limits and the mistakes; `passed` is the verdict.

    Raises:
        ArtefactError: A file is not there, is damaged, or cannot be run.
        DatasetError: The dataset cannot be used.
        EngineError: No engine runs a file as the options say.
        ImageError: A frame cannot be read.
        UsageError: An option is wrong, or the classes are not the artefact's.
    """
    check_precision(precision)
    for given, allowed, what in ((layout, LAYOUTS, "layout"), (values, RANGES, "values"), (output, PROMISES, "output")):
        if given is not None and given not in allowed:
            raise UsageError(f"unknown {what} {given!r}; choose one of {', '.join(allowed)}")
    if data is not None and frames is not None:
        raise UsageError("give either data or frames")
    labelled = None if data is None else opened_dataset(data, dataset)
    arithmetic = "float32" if precision in (None, "int8") else precision
    path = DEFAULT_WEIGHTS if against is None else find_weights(against)
    artefact = Segmenter.open(path, precision="float32", threads=threads)
    opened = open_exported(
        Path(exported),
        artefact.card,
        None if card is None else Path(card),
        layout=layout,
        values=values,
        output=output,
        precision=precision,
        options=EngineOptions(engine, device, threads, arithmetic),
    )
    if opened.card.classes != artefact.card.classes:
        raise UsageError(
            f"{opened.name} has the classes {', '.join(opened.card.classes)}, the artefact "
            f"{', '.join(artefact.card.classes)}; verify takes the artefact that a file was made from"
        )
    pair = Pair(artefact, opened)
    differences: list[Difference] = []
    worst: list[tuple[float, Frame]] = []

    def measure(frame: Frame) -> None:
        found = measured(pair, frame)
        differences.append(found)
        badness = found.beyond_ties / found.pixels + (found.largest if found.values else 0.0)
        if not worst or badness > worst[0][0]:
            worst[:] = [(badness, frame)]

    comparison = None
    if labelled is None:
        where, given_frames = frames_of(frames, artefact)
        for given_frame in progress(given_frames, "frame"):
            measure(as_picture(given_frame).frame)
    else:
        where = f"{labelled.name}, split {split}"

        def classes(frame: Frame) -> Frame:
            measure(frame)
            return pair.artefact_classes(frame)

        names = artefact.card.classes
        before = evaluate_frames(classes, names, labelled, split, progress=progress)
        after = evaluate_frames(pair.exported_classes, names, labelled, split, progress=progress)
        comparison = compare(before, after)
    if not differences:
        raise UsageError("there is no frame to verify on; give frames, or leave them out for rendered streets")
    total = sum(differences[1:], differences[0])
    limits = LIMITS[opened.precision]
    answer = opened.run(pair.prepare(worst[0][1])[0])[0]
    mistakes = mistakes_of_cards(pair)
    if opened.layout_promised and answer.channels_first:
        words = "the graph puts out logits C x h x w where its card promises h x w x C; transpose them at its end"
        mistakes.append(Mistake("transposed layout", words))
    of_values = dataclasses.replace(total, beyond_ties=0) if mistakes else total  # mistakes of a card move no value
    if not of_values.within(limits):
        mistakes += diagnose(case_of(pair, path, worst[0][1], limits))
    return Verification(
        exported=opened.name,
        against=path.name,
        engine=f"{opened.engine}, {opened.precision}",
        precision=opened.precision,
        limits=limits,
        frames=len(differences),
        frames_from=where,
        promise=pair.promise(answer),
        difference=total,
        mistakes=tuple(mistakes),
        comparison=comparison,
    )


def measured(pair: Pair, frame: Frame) -> Difference:
    """Return the difference on one frame."""
    prepared, sizes = pair.prepare(frame)
    answer = pair.exported.run(prepared)[0]
    return difference(
        pair.logits(prepared),
        answer,
        sizes,
        promise=pair.promise(answer),
        convention=pair.convention,
        answers_convention=pair.exported_convention,
    )


def case_of(pair: Pair, against: Path, frame: Frame, limits: Limits) -> Case:
    """Return the case of a frame on which both differ."""
    prepared, sizes = pair.prepare(frame)
    answers = pair.exported.run(prepared)
    return Case(
        frame=prepared,
        sizes=sizes,
        answers=answers,
        promise=pair.promise(answers[0]),
        convention=pair.convention,
        limits=limits,
        card=pair.artefact.card,
        run=pair.logits,
        artefact=against.read_bytes() if against.suffix == ".onnx" else None,
        exported=pair.exported.content,
        rerun=lambda content: pair.exported.open_edited(content)(prepared),
    )


def mistakes_of_cards(pair: Pair) -> list[Mistake]:
    """Return the mistakes in the exported file's card."""
    ours, theirs = pair.artefact.card, pair.exported.card
    mistakes = []
    if ours.align_corners != theirs.align_corners:
        one = shifted("its logits, as its card says,", pair.convention, pair.exported_convention)
        mistakes.append(one)
    for name in COMPUTING:
        here, there = getattr(ours, name), getattr(theirs, name)
        if here != there:
            mistakes.append(Mistake("wrong card", f"its card says {name} {there}, the artefact's {here}"))
    return mistakes


def frames_of(frames: FrameLike | Iterable[FrameLike] | None, artefact: Segmenter) -> tuple[str, list[FrameLike]]:
    """Return where the frames come from, and the frames; files are not read yet."""
    if frames is None:
        side = min(artefact.short_side, STREETS_SIDE)
        sizes = [(side, side * 4 // 3), (side, side * 2), (side * 5 // 4, side), (side, side * 4 // 3)]
        return "rendered streets", [render(seed, size).frame for seed, size in enumerate(sizes)]
    one = isinstance(frames, str | Path | Image.Image) or hasattr(frames, "shape")
    given: list[FrameLike] = [frames] if one else [*frames]  # type: ignore[misc]
    files = [frame for frame in given if isinstance(frame, str | Path)]
    others = [frame for frame in given if not isinstance(frame, str | Path)]
    return "given frames", [*others, *(image.path for image in (list_images(files) if files else []))]
