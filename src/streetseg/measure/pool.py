"""Pool evaluations of different frames into one: of the sequences that were left out in turn, for instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streetseg.errors import UsageError
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.evaluation_json import read_evaluation
from streetseg.measure.setup import Setup
from streetseg.runtime.provenance import package_version, today


def pool(evaluations: Sequence[Path | str | Evaluation]) -> Evaluation:
    """Return the evaluation of all frames of several evaluations.

    The confusion matrices are added and the scores computed anew. Counts near borders are left out.

    Args:
        evaluations: Results of `evaluate`, or JSON files that `streetseg evaluate --json` or `--report` wrote.

    Returns:
        The evaluation of all frames.

    Raises:
        UsageError: There are no evaluations, a file holds something else, classes or views differ, or a frame is in
            several evaluations.
    """
    if not evaluations:
        raise UsageError("pool takes at least 1 evaluation, got none")
    parts = [one if isinstance(one, Evaluation) else read_evaluation(one) for one in evaluations]
    sources = source_names(evaluations)
    for source, part in zip(sources, parts, strict=True):
        if differing := differing_properties(parts[0], part):
            raise UsageError(
                f"{sources[0]} and {source} differ in {', '.join(differing)}; pool evaluations that agree in these"
            )
    frame_scores = tuple(frame for part in parts for frame in part.frame_scores)
    if twice := [name for name, times in Counter(frame.name for frame in frame_scores).items() if times > 1]:
        raise UsageError(f"{twice[0]} is in several of the evaluations; pool evaluations of different frames")
    setups = [part.setup for part in parts]
    return Evaluation(
        names=parts[0].names,
        judged=parts[0].judged,
        left_out=parts[0].left_out,
        matrix=np.sum([part.matrix for part in parts], axis=0),
        uncounted=sum(part.uncounted for part in parts),
        frame_scores=frame_scores,
        setup=Setup(
            measured_on=" + ".join(setup.measured_on for setup in setups),
            weights=", ".join(setup.weights for setup in setups),
            engine=" + ".join(dict.fromkeys(setup.engine for setup in setups)),
            views=setups[0].views,
            command=f"streetseg pool {' '.join(distinct_names([Path(source) for source in sources]))}",
            title=" + ".join(dict.fromkeys(setup.title for setup in setups if setup.title)),
            date=today(),
            package_version=package_version(),
        ),
        colours=parts[0].colours,
        left_out_pixels=sum(part.left_out_pixels for part in parts),
        matches=parts[0].matches,
    )


def source_names(evaluations: Sequence[Path | str | Evaluation]) -> list[str]:
    """Return the files of the evaluations; for an evaluation in memory, a placeholder."""
    return [
        f"evaluation_{number}.json" if isinstance(one, Evaluation) else str(one)
        for number, one in enumerate(evaluations, 1)
    ]


def differing_properties(one: Evaluation, other: Evaluation) -> list[str]:
    """Return the properties that differ between two evaluations, of those that pooling needs to be the same."""
    same = {
        "classes": one.names == other.names,
        "not_judged": one.judged.tolist() == other.judged.tolist(),
        "left_out": one.left_out == other.left_out,
        "matches": not (one.matches and other.matches) or one.matches == other.matches,
        "views": one.setup.views == other.setup.views,
    }
    return [name for name, equal in same.items() if not equal]


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of files, each with as many of its folders as distinguish it from the others."""
    different = set(paths)

    def short(path: Path) -> str:
        tails = (path.parts[-count:] for count in range(1, len(path.parts)))
        for tail in tails:
            if all(other.parts[-len(tail) :] != tail for other in different - {path}):
                return Path(*tail).as_posix()
        return path.as_posix()

    return [short(path) for path in paths]
