"""Run what an export wrote, and compare its logits with those of its source. Needs no PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, VerificationError
from streetseg.export.difference import LIMITS, PROMISES, Sizes, difference
from streetseg.export.foreign import Answer
from streetseg.export.grids import convention_of
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

# In units of size_multiple: a square, a wide and a tall frame. The graph was traced at none of these sizes.
SIZES = ((9, 9), (11, 30), (20, 7))
# In standard deviations of the logits. Half-precision weights err by 2^-11 each, which moves the logits far less.
TOLERANCE = 2e-2
# Share of pixels whose class may differ on random frames in half precision: there, many classes are almost equal. A
# wrong graph changes far more.
COARSE_SHARE = 0.05


def verify_artefact(path: Path, expected: Run, card: ModelCard, engine: str) -> float:
    """Run an artefact in an engine, and its source, on frames of several sizes.

    Args:
        path: The artefact, which must also be readable as a whole.
        expected: The source: frame -> logits.
        card: The card.
        engine: The engine's name.

    Returns:
        The largest difference of a logit, in standard deviations of the source's logits.

    Raises:
        VerificationError: The artefact cannot be opened, or see `largest_difference`.
    """
    try:
        read_card(path)
    except ArtefactError as error:
        raise VerificationError(f"{path.name} was not written, because it cannot be opened: {error}") from None
    # On frames this small, several threads only wait for each other.
    return largest_difference(
        open_engine(path, card, EngineOptions(engine, threads=1, precision="float32")), expected, card
    )


def largest_difference(
    run: Run,
    expected: Run,
    card: ModelCard,
    *,
    sizes: Sequence[tuple[int, int]] | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """Return the largest difference of a logit on random frames, in standard deviations of the source's logits.

    Args:
        run: What was exported: frame, H x W x 3 uint8 RGB -> logits, h x w x C float32.
        expected: The source, as `run`.
        card: The card.
        sizes: H, W in pixels of the frames; None: a square, a wide and a tall one.
        tolerance: The largest difference that is allowed.

    Raises:
        VerificationError: The difference is above the tolerance, the export puts out another shape, or either puts out
            NaN or infinity.
    """
    multiple = card.size_multiple
    worst = 0.0
    for height, width in sizes or [(rows * multiple, columns * multiple) for rows, columns in SIZES]:
        frame = np.random.default_rng((height, width)).integers(0, 256, (height, width, 3), np.uint8)
        worst = max(worst, difference_on(frame, run, expected, tolerance))
    return worst


def compare_answers(
    run: Callable[[NDArray[np.uint8]], Answer], expected: Run, card: ModelCard, precision: str
) -> float:
    """Compare an export of any form with its source on random frames.

    Args:
        run: What was exported: frame -> its output.
        expected: The source: frame -> logits.
        card: The card of what was exported, which says what its output is and which frames it takes.
        precision: A key of `LIMITS`.

    Returns:
        The largest difference in standard deviations of the source's output; of class maps the share of pixels.

    Raises:
        VerificationError: The precision does not explain the difference.
    """
    multiple, form = card.size_multiple, card.form
    promise = next(promise for promise in PROMISES if promise == form.output)
    total = None
    for size in [form.size] if form.size else [(rows * multiple, columns * multiple) for rows, columns in SIZES]:
        frame = np.random.default_rng(size).integers(0, 256, (*size, 3), np.uint8)
        convention = convention_of(card.align_corners)
        found = difference(expected(frame), run(frame), Sizes(size, size), promise=promise, convention=convention)
        total = found if total is None else total + found
    assert total is not None
    if not dataclasses.replace(total, beyond_ties=0).within(LIMITS[precision]):
        raise VerificationError(
            f"the exported graph's {form.output} differ from the source's by {total.largest / total.deviation:.1e} of "
            f"their deviation, and {total.mean / total.deviation:.1e} on average; {precision} explains "
            f"{LIMITS[precision].in_words()}; nothing was written"
        )
    if total.beyond_ties > (0.0 if precision == "float32" else COARSE_SHARE) * total.pixels:
        raise VerificationError(
            f"the class of {total.beyond_ties} of {total.pixels} pixels differs from the source's; nothing was written"
        )
    return total.largest / total.deviation if total.values else total.differing / total.pixels


def difference_on(frame: NDArray[np.uint8], run: Run, expected: Run, tolerance: float) -> float:
    """Return the largest difference on one frame; see `largest_difference`."""
    theirs, logits = expected(frame), run(frame)
    if logits.shape != theirs.shape:
        raise VerificationError(f"the exported graph puts out {logits.shape}, the network {theirs.shape}")
    if not np.isfinite(theirs).all():
        raise VerificationError("the network puts out NaN or infinity: its weights are broken; nothing was written")
    if not np.isfinite(logits).all():
        raise VerificationError(
            "the exported graph puts out NaN or infinity where the network does not: its weights leave the range "
            "of half precision; nothing was written"
        )
    spread = max(float(theirs.std()), float(np.finfo(np.float32).tiny))  # not 0 where all logits are the same
    difference = float(np.abs(logits - theirs).max()) / spread
    if difference > tolerance:
        raise VerificationError(
            f"the exported graph differs from the network by {difference:.1e} of the logits' deviation, "
            f"allowed is {tolerance:.0e}; nothing was written"
        )
    return difference
