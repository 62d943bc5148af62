"""What the reader of an export target returns: an exported form that is ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetseg.export.difference import PROMISES, Promise
from streetseg.export.foreign import Answer
from streetseg.runtime.card import ModelCard
from streetseg.runtime.interface import Interface


@dataclass(frozen=True, eq=False)
class Opened:
    """An exported form, ready to run.

    Attributes:
        card: The card that travels with it.
        engine: What runs it, in a word.
        precision: Whose limits count, a key of `LIMITS` (`export/difference.py`).
        run: Frame, H x W x 3 uint8 RGB -> its output. H and W are multiples of the card's size_multiple, or `size`.
        promise: What the output is meant to be.
        size: H, W in pixels of the only frames that it takes; None for each that is dynamic.
    """

    card: ModelCard
    engine: str
    precision: str
    run: Callable[[NDArray[np.uint8]], Answer]
    promise: Promise = "logits"
    size: tuple[int | None, int | None] = (None, None)


def answer_in_form(logits: NDArray[np.float32], form: Interface) -> Answer:
    """Return what an artefact of a form put out, of the logits that an engine of ours made of it."""
    if form.output == "classmap":
        return Answer("classmap", classes=logits.argmax(axis=2).astype(np.uint8))
    return Answer(form.output, np.exp(logits) if form.output == "probabilities" else logits)


def opened_in_form(run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], engine: str, card: ModelCard) -> Opened:
    """Return an export whose card says what it takes and gives.

    Args:
        run: Frame -> logits, as an engine gives them for the card's form.
        engine: What runs it, in a word.
        card: The card that travels with it.
    """
    form = card.form
    promise = next(promise for promise in PROMISES if promise == form.output)
    precision = "int8" if card.precision == "int8" else "float32"
    return Opened(card, engine, precision, lambda frame: answer_in_form(run(frame), form), promise,
                  form.size or (None, None))  # fmt: skip


def of_logits(run: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> Callable[[NDArray[np.uint8]], Answer]:
    """Return a function from a frame to its logits as one to an answer."""
    return lambda frame: Answer("logits", run(frame))
