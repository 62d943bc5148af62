"""Lines about a run's progress, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tqdm import tqdm

from streetseg.data.pairs import readable
from streetseg.measure.metrics import percent
from streetseg.training.tasks.task import Validation

WORST = 3  # classes in the line of an evaluation
WORDS = {"miou": "mIoU"}
SECONDS, MINUTES = 90, 90 * 60  # up to this many seconds are told in seconds, then in minutes


def tell(line: str) -> None:
    """Print a line above the progress bar."""
    tqdm.write(f"streetseg: {line}", file=sys.stderr)


def describe_evaluation(
    step: int, iterations: int, judged: Validation, best: Mapping[str, float], seconds_left: float
) -> str:
    """Return a line about an evaluation.

    Args:
        step: Steps done.
        iterations: Steps of the whole run.
        judged: The evaluation.
        best: The best figure so far under its name, and its "step".
        seconds_left: Time that the steps to come will take.
    """
    name, value = next(iter(judged.figures.items()))
    if best.get("step") == step:
        record = "the best so far"
    else:
        record = f"best {percent(best[name])} at step {best['step']:,}" if best else "no figure yet"
    left = f", about {duration(seconds_left)} left" if step < iterations else ""
    line = f"step {step:,} of {iterations:,}{left}: {WORDS.get(name, name)} {percent(value)} ({record})"
    ious = judged.classes
    worst = sorted(ious, key=lambda each: ious[each])[:WORST]
    if len(ious) > 1:
        line += f"; worst: {', '.join(f'{readable(each)} {percent(ious[each])}' for each in worst)}"
    return line


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: "40 s", "12 min", "3.5 h"."""
    if seconds < SECONDS:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < MINUTES else f"{seconds / 3600:.1f} h"
