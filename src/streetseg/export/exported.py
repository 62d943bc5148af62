"""Open an exported file for a comparison with the artefact that it was made from: ours, or anybody's ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, UsageError
from streetseg.export.difference import LIMITS, PROMISES, Promise, Sizes, classes_of, classes_of_answer
from streetseg.export.foreign import Answer, ForeignGraph, Layout, Range
from streetseg.export.grids import Convention, convention_of
from streetseg.export.opened import answer_in_form
from streetseg.export.targets import TARGETS, Target, target_of
from streetseg.runtime.artefact import METADATA_KEY, read_bytes, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.documents import read_text
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import resize
from streetseg.runtime.interface import USUAL, Interface
from streetseg.runtime.segmenter import Segmenter

Frame = NDArray[np.uint8]
# Precision on a card -> the limits that count, where the card decides and not the engine.
ARTEFACTS = (".onnx", ".xml", ".pt2")  # what `Segmenter` opens
LIMITS_OF = {"int8": "int8", "float16 arithmetic": "float16"}
Logits = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported file, ready to run.

    Attributes:
        name: The file's name.
        card: Its card.
        engine: The engine that runs it.
        precision: A key of LIMITS, which says what differences are explained.
        promise: What its first output is meant to be; None: logits, or class indices where it has these.
        run: Frame, H x W x 3 uint8 as the network takes it -> all outputs.
        size: H, W in pixels of the frames that it takes; None for each that is dynamic.
        content: The bytes of an ONNX file, for a diagnosis.
        open_edited: Opens an edited form of these bytes.
        layout_promised: True if a card inside the file promises logits h x w x C.
    """

    name: str
    card: ModelCard
    engine: str
    precision: str
    promise: Promise | None
    run: Callable[[Frame], tuple[Answer, ...]]
    size: tuple[int | None, int | None]
    content: bytes | None
    open_edited: Callable[[bytes], Callable[[Frame], tuple[Answer, ...]]]
    layout_promised: bool = False


def open_exported(
    path: Path,
    card: ModelCard,
    given_card: Path | None,
    *,
    layout: Layout | None,
    values: Range | None,
    output: Promise | None,
    precision: str | None,
    options: EngineOptions,
) -> Exported:
    """Open an exported file.

    Args:
        path: What an export target wrote, or any NAME.onnx.
        card: The artefact's card, for a file that has none.
        given_card: JSON file of the card; None: the one in the file.
        layout: Order of the input's axes, for graphs of other exporters, as for the next two.
        values: Range of the input's values.
        output: What the first output is meant to be.
        precision: A key of LIMITS; None: that of the engine and of the stored weights.
        options: How an artefact of ours is run.

    Returns:
        The opened file.

    Raises:
        ArtefactError: The file cannot be run, or disagrees with its card.
        EngineError: No engine runs it.
        UsageError: An option does not fit.
    """
    target = TARGETS.get(target_of(path) or "")
    if target is not None and target.reader:
        return by_reader(target, path, given_card, (layout, values, output), precision, options)
    content = read_bytes(path)
    if path.suffix not in ARTEFACTS:
        names = ", ".join(kind.file for kind in TARGETS.values() if kind.reader or kind.suffix in ARTEFACTS)
        raise UsageError(f"{path} is nothing that verify opens; it opens {names}")
    onnx = path.suffix == ".onnx"
    ours = given_card is None and (not onnx or METADATA_KEY.encode() in content)
    if given_card is not None:
        if not onnx:
            raise UsageError(f"a card beside the file is for NAME.onnx, and {path} has one inside")
        card = card_beside(given_card)

    def foreign(graph: bytes) -> ForeignGraph:
        given = (layout, values)
        if ours:
            given = forms_layout(card.form), None if card.form.input == "uint8" else "0-255"
        return ForeignGraph(graph, str(path), card, layout=given[0], values=given[1], threads=options.threads)

    if ours:
        if (layout, values, output) != (None, None, None):
            raise UsageError(f"{path} has a card, which says what it takes and gives; leave out layout, values, output")
        card = read_card(path)
        try:
            segmenter = Segmenter.open(path, options=options)
        except ArtefactError:  # its output is not what its card says, which a diagnosis names
            if not onnx:
                raise
        else:
            engine, form = segmenter.engine, card.form
            known = LIMITS_OF.get(card.precision, engine.precision)

            def run(frame: Frame) -> tuple[Answer, ...]:
                return (answer_in_form(engine(frame), form),)

            promise = next(promise for promise in PROMISES if promise == form.output)
            return Exported(
                path.name, card, engine.name, precision or known, promise, run,
                form.size or (None, None), content if onnx else None, foreign, layout_promised=form == USUAL,
            )  # fmt: skip
    if not onnx:
        raise UsageError(f"{path} is not NAME.onnx; verify opens files of other exporters if they are ONNX")
    if options.engine not in (None, "onnxruntime") or options.device not in (None, "cpu"):
        raise UsageError(
            f"{path} is of another exporter, which ONNX Runtime runs on the CPU; leave out engine and device"
        )
    graph = foreign(content)
    known = "int8" if b"QuantizeLinear" in content else "float16" if graph.dtype == np.float16 else "float32"
    return Exported(
        path.name, card, "onnxruntime", precision or known, "logits" if ours else output, graph, graph.size, content,
        foreign, layout_promised=ours,
    )  # fmt: skip


def forms_layout(form: Interface) -> Layout:
    """Return the layout of a form."""
    return "nchw" if form.layout == "nchw" else "nhwc"


def by_reader(
    target: Target,
    path: Path,
    given_card: Path | None,
    forms: tuple[Layout | None, Range | None, Promise | None],
    precision: str | None,
    options: EngineOptions,
) -> Exported:
    """Open what an export target with a reader of its own wrote."""
    if not path.exists():
        raise ArtefactError(f"{path} does not exist")
    if given_card is not None or forms != (None, None, None):
        raise UsageError(
            f"{path} has a card, which says what it takes and gives; leave out card, layout, values, output"
        )
    if options.engine is not None or options.device not in (None, "cpu"):
        raise UsageError(f"{path} runs in the library of its own, on the CPU; leave out engine and device")
    opened = target.open_exported(path, options)

    def run(frame: Frame) -> tuple[Answer, ...]:
        return (opened.run(frame),)

    def not_edited(content: bytes) -> Callable[[Frame], tuple[Answer, ...]]:
        raise ArtefactError(f"{path} cannot be edited for a diagnosis")

    return Exported(
        path.name, opened.card, opened.engine, precision or opened.precision, opened.promise, run, opened.size, None,
        not_edited,
    )  # fmt: skip


def card_beside(path: Path) -> ModelCard:
    """Return the card in a JSON file."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise ArtefactError(f"card {path} cannot be read: {error}") from None
    return ModelCard.from_json(text, str(path))


@dataclass(frozen=True, eq=False)
class Pair:
    """An artefact and an exported file, run on the same frames.

    Attributes:
        artefact: The artefact in float32.
        exported: The exported file.
    """

    artefact: Segmenter
    exported: Exported

    def prepare(self, frame: Frame) -> tuple[Frame, Sizes]:
        """Return a frame as both take it: resized and padded by the card, or resized to the graph's fixed size."""
        height, width = self.exported.size
        if height is None and width is None:
            prepared = self.artefact.prepare(frame)
            return prepared.input, Sizes(prepared.content_size, prepared.padded_size)
        prepared = self.artefact.prepare(frame)
        size = (height or prepared.padded_size[0], width or prepared.padded_size[1])
        multiple = self.artefact.card.size_multiple
        if size[0] % multiple or size[1] % multiple:
            raise UsageError(
                f"{self.exported.name} takes frames of {size[0]} x {size[1]}, and the artefact multiples of {multiple}"
                "; export it with such a size"
            )
        return np.ascontiguousarray(resize(frame, size)), Sizes(size, size)

    def logits(self, frame: Frame) -> Logits:
        """Return the artefact's logits of a prepared frame."""
        return self.artefact.engine(frame)

    @property
    def convention(self) -> Convention:
        """How the artefact's logits are upsampled."""
        return convention_of(self.artefact.card.align_corners)

    @property
    def exported_convention(self) -> Convention:
        """How the exported file's values are upsampled."""
        return convention_of(self.exported.card.align_corners)

    def promise(self, answer: Answer) -> Promise:
        """Return what the output is meant to be."""
        return self.exported.promise or ("classmap" if answer.values is None else "logits")

    def artefact_classes(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the artefact's class map of a frame of any size."""
        prepared, sizes = self.prepare(frame)
        return classes_of(self.logits(prepared), sizes, self.convention, frame.shape[:2])

    def exported_classes(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the exported file's class map of a frame of any size."""
        prepared, sizes = self.prepare(frame)
        answer = self.exported.run(prepared)[0]
        return classes_of_answer(answer, sizes, self.promise(answer), self.exported_convention, frame.shape[:2])


def check_precision(precision: str | None) -> None:
    """Raise UsageError if there are no limits for a precision."""
    if precision is not None and precision not in LIMITS:
        raise UsageError(f"unknown precision {precision!r}; choose one of {', '.join(LIMITS)}")
