"""Measure how far an exported file's output is from the artefact's, and which differences its precision explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError
from streetseg.export.foreign import Answer
from streetseg.export.grids import Convention, are_ties, softmax, upsample
from streetseg.runtime.classmap import class_map

Promise = Literal["logits", "probabilities", "classmap"]
PROMISES: tuple[Promise, ...] = get_args(Promise)


@dataclass(frozen=True)
class Limits:
    """What a precision explains.

    Attributes:
        largest: Largest difference of a logit, in standard deviations of the artefact's logits.
        mean: Mean difference of the logits, in the same unit.
        share: Share of the pixels, 0 to 1, whose class may differ without being a tie.
    """

    largest: float
    mean: float
    share: float

    def in_words(self) -> str:
        """Return the limits in one line."""
        pixels = f"{100 * self.share:g} % of the pixels" if self.share else "no pixel beyond ties"
        largest = "" if self.largest == np.inf else f"largest difference {self.largest:g}, "
        return f"{largest}mean difference {self.mean:g}, {pixels}"


# Engines sum in different orders, which moves float32 logits by about 1e-5 of their deviation. Of a coarser precision
# the largest difference says little: one logit of thousands may move far. What `streetseg verify --all` measured, the
# worst of DDRNet-23-slim, STDC1, BiSeNetV2 and FASSD-Net-L2 (int8: of DDRNet-23-slim alone, on two engines):
#   float32   largest 2.4e-5, mean 3.1e-7, no pixel        float16   mean 3.2e-4, 0.024 % of the pixels
#   bfloat16  mean 4.1e-3, 0.19 % of the pixels            int8      mean 1.7e-2, 0.57 % of the pixels
# The limits leave five times that or more, for other frames and networks.
LIMITS = {
    "float32": Limits(1e-3, 1e-4, 0.0),
    "float16": Limits(np.inf, 0.01, 0.002),
    "bfloat16": Limits(np.inf, 0.03, 0.01),
    "int8": Limits(np.inf, 0.1, 0.03),
}


@dataclass(frozen=True)
class Sizes:
    """The sizes of one frame in the network's input.

    Attributes:
        content: H, W of the frame once resized.
        padded: H, W of the input.
    """

    content: tuple[int, int]
    padded: tuple[int, int]


@dataclass(frozen=True)
class Difference:
    """The difference over some frames. Two are added with +.

    Attributes:
        largest: Largest difference of a value; NaN if there are only class maps.
        total: Sum of the differences of all values.
        values: Number of values.
        deviation: Standard deviation of the artefact's values, the largest of the frames.
        pixels: Number of pixels.
        differing: Number of pixels whose class differs.
        beyond_ties: Number of those that are no ties.
    """

    largest: float
    total: float
    values: int
    deviation: float
    pixels: int
    differing: int
    beyond_ties: int

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            max(self.largest, other.largest),
            self.total + other.total,
            self.values + other.values,
            max(self.deviation, other.deviation),
            self.pixels + other.pixels,
            self.differing + other.differing,
            self.beyond_ties + other.beyond_ties,
        )

    @property
    def mean(self) -> float:
        """Mean difference of a value; NaN without values."""
        return self.total / self.values if self.values else np.nan

    def within(self, limits: Limits) -> bool:
        """Return True if the limits explain the difference."""
        if self.beyond_ties > limits.share * self.pixels:
            return False
        return not self.values or (
            self.largest <= limits.largest * self.deviation and self.mean <= limits.mean * self.deviation
        )


def difference(
    logits: NDArray[np.float32],
    answer: Answer,
    sizes: Sizes,
    *,
    promise: Promise = "logits",
    convention: Convention = "half_pixel",
    answers_convention: Convention | None = None,
) -> Difference:
    """Return the difference between the artefact's logits of one frame and an exported file's output.

    Args:
        logits: The artefact's, h x w x C float32.
        answer: The output. Values on another grid than the logits' are compared with the logits interpolated to it.
        sizes: The frame's sizes.
        promise: What the output is meant to be.
        convention: How the artefact's logits are upsampled.
        answers_convention: How the output's values are upsampled; None: as the artefact's.

    Returns:
        The difference; its pixels are those of the resized frame.
    """
    classes = classes_of(logits, sizes, convention)
    largest, total, count, deviation = np.nan, 0.0, 0, 0.0
    if answer.values is not None:
        expected = upsample(logits, answer.values.shape[:2], convention)
        expected = softmax(expected) if promise == "probabilities" else expected
        with np.errstate(invalid="ignore"):
            apart = np.nan_to_num(np.abs(answer.values - expected), nan=np.inf)
        largest, total, count = float(apart.max()), float(apart.sum(dtype=np.float64)), apart.size
        deviation = max(float(expected.std()), float(np.finfo(np.float32).tiny))
    theirs = classes_of_answer(answer, sizes, promise, answers_convention or convention)
    places = np.nonzero(classes != theirs)
    beyond = 0
    if len(places[0]):
        beyond = int((~are_ties(upsample(logits, sizes.padded, convention)[places])).sum())
    return Difference(largest, total, count, deviation, classes.size, len(places[0]), beyond)


def classes_of_answer(
    answer: Answer,
    sizes: Sizes,
    promise: Promise,
    convention: Convention,
    frame: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Return the class map of an output.

    frame: H, W of the class map; None: those of the resized frame.
    """
    if answer.values is not None:
        values = answer.values
        if promise == "probabilities":  # interpolated as logits are, whose argmax is another one on borders
            values = np.log(np.maximum(values, np.finfo(np.float32).tiny))
        return classes_of(values, sizes, convention, frame)
    assert answer.classes is not None
    if answer.classes.shape != sizes.padded:
        raise ArtefactError(
            f"the exported graph's class map has {answer.classes.shape[0]} x {answer.classes.shape[1]} pixels for an "
            f"input of {sizes.padded[0]} x {sizes.padded[1]}; export it with a class map of the input's size"
        )
    if frame is None:
        return answer.classes[: sizes.content[0], : sizes.content[1]]
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(np.intp) for n, m in zip(frame, sizes.content, strict=True))
    return np.ascontiguousarray(answer.classes[rows[:, None], columns], np.uint8)


def classes_of(
    values: NDArray[np.float32], sizes: Sizes, convention: Convention, frame: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Return the class map of values on any grid; frame: as in `classes_of_answer`."""
    if convention == "asymmetric":
        whole = upsample(values, sizes.padded, convention)[: sizes.content[0], : sizes.content[1]]
        return np.ascontiguousarray(np.argmax(whole, axis=2), np.uint8)
    return class_map(
        values,
        frame or sizes.content,
        content_size=sizes.content,
        padded_size=sizes.padded,
        align_corners=convention == "align_corners",
    )
