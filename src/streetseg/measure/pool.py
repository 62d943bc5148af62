"""One figure of several evaluations: drives left out in turn, each judged by the weights that never saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.errors import UsageError
from streetseg.measure.evaluate import Evaluation, FrameScore
from streetseg.measure.report import evaluation_facts, facts

SAME = ("classes", "not_judged", "left_out", "views")  # in all evaluations that are pooled


def pool(paths: Sequence[Path]) -> dict[str, Any]:
    """What `streetseg evaluate --json` or `--report` wrote of different frames, as the evaluation of all of them: the
    confusion matrices added, the scores anew; borders are left out. UsageError for files of another kind, or whose
    classes or views differ, and where a frame would count twice."""
    found, matrices, frame_scores = [], [], []
    for path in paths:
        with evaluation_facts(path) as part:
            found.append({key: part[key] for key in (*SAME, "uncounted_pixels", "measured_on", "weights", "engine")})
            matrices.append(np.array(part["confusion"], np.int64))
            frame_scores += [frame_score(image) for image in part["images"]]
    first = found[0]
    for path, other in zip(paths, found, strict=True):
        if differing := [key for key in SAME if other[key] != first[key]]:
            raise UsageError(f"{paths[0]} and {path} differ in {', '.join(differing)}; pool evaluations of one kind")
    if twice := [name for name, times in Counter(frame.name for frame in frame_scores).items() if times > 1]:
        raise UsageError(f"{twice[0]} is in several of the evaluations; pool evaluations of different frames")
    result = Evaluation(
        names=tuple(first["classes"]),
        judged=np.array([name not in first["not_judged"] for name in first["classes"]]),
        left_out=tuple(first["left_out"]),
        matrix=np.sum(matrices, axis=0),
        uncounted=sum(part["uncounted_pixels"] for part in found),
        frame_scores=tuple(frame_scores),
        boundary=None,
    )
    how = {
        "measured_on": " + ".join(part["measured_on"] for part in found),
        "weights": ", ".join(part["weights"] for part in found),
        "engine": " + ".join(dict.fromkeys(part["engine"] for part in found)),
        "views": first["views"],
        "command": f"streetseg pool {' '.join(path.name for path in paths)}",
    }
    return facts(result, how)


def frame_score(image: dict[str, Any]) -> FrameScore:
    miou, accuracy = (np.nan if image[key] is None else image[key] for key in ("miou", "pixel_accuracy"))
    return FrameScore(image["name"], np.array(image["confusion"], np.int64).reshape(-1, 3), miou, accuracy)
