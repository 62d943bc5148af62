"""Read the JSON that `streetseg evaluate` and `streetseg pool` write, in this version and in earlier ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.data.class_names import Match
from streetseg.errors import UsageError
from streetseg.measure.evaluation import Evaluation, FrameScore
from streetseg.measure.setup import Setup
from streetseg.runtime.card import Accuracy
from streetseg.runtime.documents import parse_json, read_text

LARGEST = 2**30  # bytes of an evaluation: it has a matrix for each frame
DESCRIPTIONS = ("measured_on", "weights", "engine", "views")  # every file has these
LATER_DESCRIPTIONS = ("command", "title", "date", "package_version")  # files of earlier versions lack some


def read_evaluation(path: Path | str) -> Evaluation:
    """Return the evaluation in a file that `streetseg evaluate --json`, `--report` or `streetseg pool --json` wrote.

    Args:
        path: The JSON file.

    Returns:
        The evaluation, without the counts near borders and without pictures.

    Raises:
        UsageError: The file cannot be read, holds something else, or contradicts itself.
    """
    with written_evaluation(Path(path)) as written:
        return parsed_evaluation(written)


def read_accuracy(path: Path | str) -> Accuracy:
    """Return the model card's entry of the evaluation in a file.

    Args:
        path: A file as for `read_evaluation`.

    Returns:
        The card's entry.

    Raises:
        UsageError: The file cannot be read, holds something else, or has scores that contradict its confusion matrix.
    """
    with written_evaluation(Path(path)) as written:
        stated, evaluation = Accuracy.of(written), parsed_evaluation(written)
        computed = Accuracy.of({name: value for name, value in evaluation.facts().items() if name in written})
    if stated != computed:
        raise UsageError(f"{path} has scores that contradict its confusion matrix; evaluate anew")
    return evaluation.card_entry()


@contextmanager
def written_evaluation(path: Path) -> Iterator[Any]:
    """Open the JSON in a file for parsing; UsageError if it is not of an evaluation."""
    try:
        yield parse_json(read_text(path, LARGEST))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}; give a file that streetseg evaluate --json or --report wrote"
        ) from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(f"{path} is not a result of streetseg evaluate --json or --report ({error})") from None


def parsed_evaluation(written: Any) -> Evaluation:
    """Return the evaluation; ValueError, KeyError, TypeError or IndexError if it is malformed or contradicts itself."""
    names, not_judged = distinct_texts(written["classes"]), distinct_texts(written["not_judged"])
    frames = tuple(parsed_frame(image) for image in written["images"])
    distinct_texts([frame.name for frame in frames])
    matrix = pixel_counts(written["confusion"], len(names))
    total = sum((frame.matrix(len(names)) for frame in frames), np.zeros((len(names), len(names)), np.int64))
    if not matrix.any() or not np.array_equal(total, matrix):
        raise ValueError("the images' counts do not add up to the confusion matrix, or there are none")
    uncounted = written["uncounted_pixels"]
    if type(uncounted) is not int or uncounted < 0:
        raise ValueError("uncounted_pixels is not a number of pixels")
    left_out = distinct_texts(written["left_out"])
    # Files of version 0.1.0 do not tell pixels that are left out from void ones: at most all of them are left out.
    left_out_pixels = written.get("left_out_pixels", uncounted if left_out else 0)
    if type(left_out_pixels) is not int or not 0 <= left_out_pixels <= uncounted:
        raise ValueError("left_out_pixels is not a number of the uncounted pixels")
    descriptions = {key: written[key] for key in DESCRIPTIONS}
    descriptions |= {key: written.get(key, "") for key in LATER_DESCRIPTIONS}
    if not all(isinstance(text, str) for text in descriptions.values()):
        raise ValueError(f"not all of {', '.join(descriptions)} are text")
    return Evaluation(
        names=names,
        judged=np.array([name not in not_judged for name in names]),
        left_out=left_out,
        matrix=matrix,
        uncounted=uncounted,
        frame_scores=frames,
        setup=Setup(**descriptions),
        left_out_pixels=left_out_pixels,
        matches=tuple(parsed_match(match, names) for match in written.get("matches", ())),
    )


def parsed_match(match: Any, names: tuple[str, ...]) -> Match:
    """Return a match of classes; ValueError or TypeError if it is none."""
    parsed = Match(**match)
    if parsed.known not in names or not isinstance(parsed.label, str) or not isinstance(parsed.by, str):
        raise ValueError(f"{match!r:.40} is not a match of classes")
    return parsed


def parsed_frame(image: Any) -> FrameScore:
    """Return the scores of one frame."""
    return FrameScore(
        image["name"],
        pixel_counts(image["confusion"], 3),
        parsed_share(image["miou"]),
        parsed_share(image["pixel_accuracy"]),
    )


def distinct_texts(value: object) -> tuple[str, ...]:
    """Return a list of different names as a tuple; ValueError for anything else."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r:.40} is not a list of names")
    if twice := [name for name, times in Counter(value).items() if times > 1]:
        raise ValueError(f"{twice[0]!r} occurs twice")
    return tuple(value)


def pixel_counts(value: object, columns: int) -> NDArray[np.int64]:
    """Return rows of whole numbers, none below 0, as an array n x columns; ValueError for anything else."""
    counts = np.array(value) if value != [] else np.zeros((0, columns), np.int64)
    if counts.dtype.kind != "i" or counts.shape[1:] != (columns,) or counts.min(initial=0) < 0:
        raise ValueError(f"{value!r:.40} is not a list of rows of {columns} pixel counts")
    return counts


def parsed_share(value: object) -> float:
    """Return a share from 0 to 1, NaN for None; ValueError for anything else."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r:.40} is not a share from 0 to 1")
    return value
