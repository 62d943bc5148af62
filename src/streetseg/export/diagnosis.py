"""Find out why an exported file differs from its artefact: try each classic mistake, and name the one that explains it.

A mistake is named if the artefact, made to err in the same way, gives the exported output within the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, MissingExtraError
from streetseg.export.difference import Limits, Promise, Sizes, difference
from streetseg.export.foreign import Answer, ForeignGraph
from streetseg.export.grids import CONVENTIONS, Convention, softmax, upsample
from streetseg.runtime.card import ModelCard

Values = NDArray[np.float32]
IMAGENET = np.array([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]], np.float32)  # mean, std
MOSTLY = 0.5  # share of the convolutions above which two graphs are of the same training
WORDS = {
    "half_pixel": "align_corners false (half a pixel)",
    "align_corners": "align_corners true",
    "asymmetric": "the old asymmetric convention",
}


@dataclass(frozen=True)
class Mistake:
    """A mistake of an export.

    Attributes:
        name: Its name, such as "swapped channels".
        words: What is wrong, and what to do.
    """

    name: str
    words: str


@dataclass(frozen=True, eq=False)
class Case:
    """An exported file that differs from its artefact, on one frame.

    Attributes:
        frame: H x W x 3 uint8 RGB, the network's input.
        sizes: Its sizes.
        answers: The exported file's outputs for it; the first is the one that counts.
        promise: What this output is meant to be.
        convention: How the logits of the card are upsampled.
        limits: What the precision explains.
        card: The artefact's card.
        run: The artefact: frame -> logits.
        artefact: The artefact's bytes, if it is ONNX.
        exported: The exported file's bytes, if it is ONNX.
        rerun: Runs an edited form of the exported graph on the frame.
    """

    frame: NDArray[np.uint8]
    sizes: Sizes
    answers: tuple[Answer, ...]
    promise: Promise
    convention: Convention
    limits: Limits
    card: ModelCard
    run: Callable[[NDArray[np.uint8]], Values]
    artefact: bytes | None
    exported: bytes | None
    rerun: Callable[[bytes], tuple[Answer, ...]]

    def explains(
        self,
        logits: Values,
        answer: Answer,
        convention: Convention | None = None,
        promise: Promise | None = None,
    ) -> bool:
        """Return True if these logits of the artefact, with the mistake in them, give the output."""
        if answer.values is not None and not fits(logits, answer.values):
            return False
        if answer.classes is not None and answer.classes.shape != self.sizes.padded:
            return False
        found = difference(
            logits,
            answer,
            self.sizes,
            promise=promise or self.promise,
            convention=convention or self.convention,
            answers_convention=self.convention,
        )
        return found.within(self.limits)


def fits(logits: Values, values: Values) -> bool:
    """Return True if both are of one shape of frame, lying or standing."""
    (h, w), (height, width) = logits.shape[:2], values.shape[:2]
    return bool(abs(h * width - w * height) <= max(height, width))


def diagnose(case: Case) -> tuple[Mistake, ...]:
    """Return the mistakes that explain the difference, those found together; empty if none of the known ones does."""
    logits = case.run(case.frame)
    for find in (output_mistakes, upsampling_mistakes, norm_mistakes, input_mistakes, resize_mistakes, head_mistakes):
        try:
            found = next(find(case, logits), None)
        except MissingExtraError:  # what needs the package onnx cannot be tried
            continue
        if found:
            return found
    return ()


def output_mistakes(case: Case, logits: Values) -> Iterator[tuple[Mistake, ...]]:
    """Yield what can be wrong with the output: another one of several, its values, its layout."""
    first, *others = case.answers
    for other in others:
        if case.explains(logits, other):
            yield (Mistake("auxiliary head", f"the first output, {first.name!r}, is not the network's, but "
                           f"{other.name!r} is; export the main head alone, or first"),)  # fmt: skip
    yield from (found for found, _, _ in value_mistakes(case, logits))
    for words, answer in rearranged(first):
        if case.explains(logits, answer):
            yield (Mistake("transposed layout", words),)


def value_mistakes(case: Case, logits: Values) -> Iterator[tuple[tuple[Mistake, ...], Values, Promise]]:
    """Yield what the values can be instead of what is promised."""
    answer = case.answers[0]
    if answer.values is None:
        return
    base = upsample(logits, answer.values.shape[:2], case.convention)
    once = softmax(base)
    double = Mistake(
        "double softmax", "the values went through softmax twice; take one of them out of the graph or out of the model"
    )
    readings: list[tuple[Promise, Values, Promise, Mistake]] = [
        ("logits", base, "probabilities", Mistake(
            "probabilities for logits", "the graph puts out probabilities where logits are promised; export without "
            "softmax, or verify with --output probabilities (a softmax after it would be a double softmax)")),
        ("logits", once, "probabilities", double),
        ("probabilities", once, "probabilities", double),
        ("probabilities", base, "logits", Mistake(
            "missing softmax", "the graph puts out logits where probabilities are promised; add the softmax, or verify "
            "with --output logits")),
        ("logits", np.log(np.maximum(once, np.float32(1e-30))), "logits", Mistake(
            "probabilities for logits", "the graph puts out logarithms of probabilities (log-softmax) where logits are "
            "promised; export without it")),
        ("logits", ((1 + np.tanh(base / 2)) / 2).astype(np.float32), "logits", Mistake(
            "probabilities for logits", "the graph puts out sigmoids where logits are promised; export without them")),
    ]  # fmt: skip
    for promised, values, meant, mistake in readings:
        if promised == case.promise and case.explains(values, answer, promise=meant):
            yield (mistake,), values, meant


def rearranged(answer: Answer) -> Iterator[tuple[str, Answer]]:
    """Yield the output put right in each way that it can be transposed wrongly."""
    swapped = "height and width of the output are swapped; the transposition at its end has a wrong order"
    if answer.classes is not None:
        yield swapped, replace(answer, classes=np.ascontiguousarray(answer.classes.T))
        return
    assert answer.values is not None
    yield swapped, replace(answer, values=np.ascontiguousarray(answer.values.transpose(1, 0, 2)))
    height, width, classes = answer.values.shape
    reshaped = "the output was reshaped to {} where it had to be transposed; its values stand in wrong places"
    if answer.channels_first:
        memory = np.ascontiguousarray(answer.values.transpose(2, 0, 1)).reshape(height, width, classes)
        yield reshaped.format("C x h x w"), replace(answer, values=memory)
    else:
        memory = answer.values.reshape(classes, height, width).transpose(1, 2, 0)
        yield reshaped.format("h x w x C"), replace(answer, values=np.ascontiguousarray(memory))


def upsampling_mistakes(case: Case, logits: Values) -> Iterator[tuple[Mistake, ...]]:
    """Yield another convention by which the exported graph upsamples its logits."""
    answer = case.answers[0]
    if answer.values is not None and answer.values.shape == logits.shape:
        return
    for other in CONVENTIONS:
        if other != case.convention and case.explains(logits, answer, convention=other):
            yield (shifted("its output", case.convention, other),)


def shifted(what: str, right: Convention, wrong: Convention) -> Mistake:
    """Return the mistake of a wrong convention."""
    return Mistake(
        "shifted by half a pixel",
        f"the exported graph upsamples {what} by {WORDS[wrong]}; the artefact's way is {WORDS[right]}",
    )


def norm_mistakes(case: Case, logits: Values) -> Iterator[tuple[Mistake, ...]]:
    """Yield norms in training mode."""
    if case.exported is None:
        return
    edits = graph_edits()
    count, settled = edits.with_running_norms(case.exported)
    remedy = "call model.eval() before the export"
    if count and case.explains(logits, case.rerun(settled)[0]):
        words = f"{count} norms are in training mode: they take the statistics of the frame, not the learned ones"
        yield (Mistake("training-mode norms", f"{words}; {remedy}"),)
    if not count and (means := edits.batch_means(case.exported)):
        words = f"{means} means go over the batch and the whole frame, as norms in training mode compute them"
        yield (Mistake("training-mode norms", f"probably: {words}; {remedy}"),)


def input_mistakes(case: Case, logits: Values) -> Iterator[tuple[Mistake, ...]]:
    """Yield what can be wrong with the input: layout, order of the channels, normalisation, and two of them at once."""
    answer, frame = case.answers[0], case.frame
    height, width, _ = frame.shape
    turned = "height and width of the input are swapped: the graph takes width x height"
    standing = np.ascontiguousarray(frame.transpose(1, 0, 2))
    if divides(case.card, standing):
        of_standing = case.run(standing)
        for one in (of_standing, np.ascontiguousarray(of_standing.transpose(1, 0, 2))):
            if case.explains(one, answer):
                yield (Mistake("transposed layout", turned),)
    reshaped = "the input is reshaped to {} where it has to be transposed; its pixels stand in wrong places"
    for layout, wrong in (
        ("C x H x W", frame.reshape(3, height, width).transpose(1, 2, 0)),
        ("H x W x C", frame.transpose(2, 0, 1).reshape(height, width, 3)),
    ):
        if case.explains(case.run(np.ascontiguousarray(wrong)), answer):
            yield (Mistake("transposed layout", reshaped.format(layout)),)

    swap = Mistake("swapped channels", "the network sees blue first (BGR); give it RGB, or swap the channels once")
    if case.explains(case.run(np.ascontiguousarray(frame[..., ::-1])), answer):
        yield (swap,)
    if case.artefact is None or (content := graph_edits().with_float_input(case.artefact)) is None:
        return
    run = ForeignGraph(content, "the artefact", case.card, layout="nhwc", values="0-255")
    # The artefact normalises mean + std * x to x, which is what the network of the exported file sees.
    mean, std = np.array(case.card.mean, np.float32), np.array(case.card.std, np.float32)
    blue_first = np.ascontiguousarray(frame[..., ::-1])
    for plain, before in zip(normalisations(frame, mean, std), normalisations(blue_first, mean, std), strict=True):
        mistake, seen = plain
        alone = () if mistake is None else (mistake,)
        for normalised, found in (
            (seen, alone),
            (before[1], (*alone, swap)),
            (seen[..., ::-1], (*alone, swap)),  # swapped once normalised
        ):
            if found:
                erring = run.values_of(np.ascontiguousarray(mean + std * normalised))
                yield from explained(case, erring, found)


def explained(case: Case, erring: Values, found: tuple[Mistake, ...]) -> Iterator[tuple[Mistake, ...]]:
    """Yield the mistakes in the artefact's logits if they give the output, alone or with wrong values."""
    if case.explains(erring, case.answers[0]):
        yield found
    for others, _, _ in value_mistakes(case, erring):
        yield (*found, *others)


def normalisations(frame: NDArray[np.uint8], mean: Values, std: Values) -> Iterator[tuple[Mistake | None, Values]]:
    """Yield each wrong normalisation with the values that the network then sees; None for the right one."""
    pixels = frame.astype(np.float32)
    right = (pixels - mean) / std
    yield None, right
    missing: list[tuple[str, NDArray[np.floating]]] = [
        ("the network sees 0 to 255 as they are", pixels),
        ("the network sees 0 to 1, without mean and std", pixels / 255),
        ("the network sees -1 to 1, without mean and std", pixels / 127.5 - 1),
        ("the mean is not subtracted", pixels / std),
        ("nothing is divided by std", pixels - mean),
    ]
    for words, seen in missing:
        yield (
            Mistake("missing normalisation", f"{words}; normalise by the card's mean and std, once"),
            seen.astype(np.float32),
        )
    twice = "the graph normalises its input itself; give it frames of 0 to 255 (--values 0-255)"
    yield Mistake("double normalisation", f"frames are normalised twice: {twice}"), (right - mean) / std
    wrong: list[tuple[str, NDArray[np.floating]]] = [
        ("mean and std are of the range 0 to 1, the frames of 0 to 255", (pixels - mean / 255) / (std / 255)),
        ("mean and std are of the range 0 to 255, the frames of 0 to 1", (pixels / 255 - mean) / std),
        ("mean and std stand in the order of BGR", (pixels - mean[::-1]) / std[::-1]),
        ("mean and std are ImageNet's, not the card's", (pixels - IMAGENET[0]) / IMAGENET[1]),
    ]
    for words, seen in wrong:
        yield Mistake("wrong normalisation", f"{words}; normalise by the card's mean and std"), seen.astype(np.float32)


def resize_mistakes(case: Case, logits: Values) -> Iterator[tuple[Mistake, ...]]:
    """Yield another convention of the upsampling inside the network."""
    if case.artefact is None:
        return
    for right, wrong, content in graph_edits().with_other_resizes(case.artefact):
        try:
            run = ForeignGraph(content, "the artefact", case.card, layout="nhwc")
            erring = run.values_of(case.frame)
        except ArtefactError:  # not every size can be resized by every convention
            continue
        if case.explains(erring, case.answers[0]):
            yield (shifted("inside the network", right, wrong),)


def head_mistakes(case: Case, logits: Values) -> Iterator[tuple[Mistake, ...]]:
    """Yield an output that another head makes, or other weights."""
    if case.artefact is None or case.exported is None:
        return
    share, same_head = graph_edits().heads_of(case.exported, case.artefact)
    part = f"{100 * share:.0f} % of its convolutions are the artefact's"
    if share >= MOSTLY and not same_head:
        yield (Mistake("auxiliary head", f"{part}, but not the last one: the output is an auxiliary head's; export the "
                       "main head (the network without its training heads)"),)  # fmt: skip
    if share < MOSTLY:
        yield (Mistake("other weights", f"only {part}: it may be another training, checkpoint or network"),)


def divides(card: ModelCard, frame: NDArray[np.uint8]) -> bool:
    """Return True if the network takes a frame of this size."""
    return not (frame.shape[0] % card.size_multiple or frame.shape[1] % card.size_multiple)


def graph_edits() -> ModuleType:
    """Return the module that edits graphs; MissingExtraError without the package onnx."""
    try:
        from streetseg.export import graph_edits
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "onnx", "a diagnosis", "train") from None
    return graph_edits
