"""One figure of several evaluations: drives left out in turn, each judged by the weights that never saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.errors import UsageError
from streetseg.measure.evaluate import Evaluation
from streetseg.measure.report.report import facts, read_evaluation


def pool(paths: Sequence[Path]) -> dict[str, Any]:
    """What `streetseg evaluate --json` or `--report` wrote of different frames, as the evaluation of all of them: the
    confusion matrices added, the scores anew; borders are left out. UsageError for files of another kind, or whose
    classes or views differ, and where a frame would count twice."""
    parts, hows = zip(*map(read_evaluation, paths), strict=True)
    first, kinds = parts[0], [kind(part, how) for part, how in zip(parts, hows, strict=True)]
    for path, other in zip(paths, kinds, strict=True):
        if differing := [key for key in other if other[key] != kinds[0][key]]:
            raise UsageError(f"{paths[0]} and {path} differ in {', '.join(differing)}; pool evaluations of one kind")
    frame_scores = tuple(frame for part in parts for frame in part.frame_scores)
    if twice := [name for name, times in Counter(frame.name for frame in frame_scores).items() if times > 1]:
        raise UsageError(f"{twice[0]} is in several of the evaluations; pool evaluations of different frames")
    result = Evaluation(
        names=first.names,
        judged=first.judged,
        left_out=first.left_out,
        matrix=np.sum([part.matrix for part in parts], axis=0),
        uncounted=sum(part.uncounted for part in parts),
        frame_scores=frame_scores,
        boundary=None,
    )
    how = {
        "measured_on": " + ".join(how["measured_on"] for how in hows),
        "weights": ", ".join(how["weights"] for how in hows),
        "engine": " + ".join(dict.fromkeys(how["engine"] for how in hows)),
        "views": hows[0]["views"],
        "command": f"streetseg pool {' '.join(told_apart(paths))}",
    }
    return facts(result, how)


def kind(evaluation: Evaluation, how: dict[str, str]) -> dict[str, Any]:
    """What must be the same in all evaluations that are pooled."""
    return {
        "classes": evaluation.names,
        "not_judged": evaluation.judged.tolist(),
        "left_out": evaluation.left_out,
        "views": how["views"],
    }


def told_apart(paths: Sequence[Path]) -> list[str]:
    """The files' names, with as many of their folders' as tell different files of one name apart."""
    different = set(paths)

    def short(path: Path) -> str:
        tails = (path.parts[-count:] for count in range(1, len(path.parts)))
        for tail in tails:
            if all(other.parts[-len(tail) :] != tail for other in different - {path}):
                return Path(*tail).as_posix()
        return path.as_posix()

    return [short(path) for path in paths]
