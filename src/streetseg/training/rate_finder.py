"""Find a learning rate: raise it step by step, and see how far the loss falls.

Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3.3, with a rate that grows
exponentially.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.errors import TrainingError, UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.training.device import choose_device, use_threads
from streetseg.training.failures import explained
from streetseg.training.initial import check_mapping
from streetseg.training.plan import gather, make_plan
from streetseg.training.recipe import Recipe
from streetseg.training.run import Run
from streetseg.training.schedule import Schedule
from streetseg.training.tasks.tasks import open_task

STEPS = 100
BELOW, ABOVE = 1e-3, 1e2  # times the recipe's rate: from where to where it rises
SMOOTHING = 0.9  # share of the earlier losses in the smoothed one
DIVERGED = 3.0  # times the lowest smoothed loss: there the search ends
FEWEST = 10  # steps before a loss can count as the lowest
CLEARLY = 0.95  # times the lowest loss of the first steps: what is below has fallen
SAFE = 0.1  # times the rate with the lowest loss
ROWS = 12  # of the table


class Ramp(Schedule):
    """A learning rate that grows exponentially from BELOW to ABOVE times its own."""

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return float(self.learning_rate * BELOW * (ABOVE / BELOW) ** (step / max(1, self.iterations - 1)))


@dataclass(frozen=True, repr=False)
class LearningRates(Printable):
    """The losses at rising learning rates.

    Attributes:
        rates: The rates, one a step, rising.
        losses: The smoothed total loss after each step.
        recipe_rate: The recipe's own rate.
        suggestion: A tenth of the rate with the lowest loss; None if the loss does not fall.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    recipe_rate: float
    suggestion: float | None

    def facts(self) -> Facts:
        """Convert the result to JSON's types.

        Returns:
            The attributes by name.
        """
        return {
            "suggestion": self.suggestion,
            "recipe_rate": self.recipe_rate,
            "rates": list(self.rates),
            "losses": list(self.losses),
        }

    def table(self) -> str:
        """Lay the result out for a terminal.

        Returns:
            A dozen rates with their losses, and a line with the suggestion.
        """
        every = max(1, len(self.rates) // ROWS)
        pairs = list(zip(self.rates, self.losses, strict=True))[::every]
        rows = [(f"{rate:.2e}", f"{loss:.4f}") for rate, loss in pairs]
        if self.suggestion is None:
            said = f"the loss does not fall clearly; keep the recipe's {self.recipe_rate:g}"
        else:
            said = (
                f"a tenth of the rate with the lowest loss: --set learning_rate={self.suggestion:.2g} "
                f"(the recipe has {self.recipe_rate:g})"
            )
        return "\n".join([text_table([("learning rate", "loss"), *rows]), said])


def find_learning_rate(
    recipe: Recipe | str,
    data: Dataset | LabelledImages | Path | str,
    *,
    dataset: str | None = None,
    init: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
    batch: int | None = None,
    crop: tuple[int, int] | None = None,
    cache: Path | str | None = None,
    workers: int = 2,
    threads: int | None = None,
    device: str | None = None,
    steps: int = STEPS,
    progress: Progress = silent,
) -> LearningRates:
    """Raise the learning rate from a thousandth of the recipe's to a hundred times it, and suggest one by the losses.

    It writes no files. The recipe's schedule and warm-up are not used.

    Args:
        recipe: As for `train`.
        data: As for `train`.
        dataset: As for `train`.
        init: As for `train`.
        mapping: As for `train`.
        settings: As for `train`.
        batch: As for `train`.
        crop: As for `train`.
        cache: As for `train`.
        workers: As for `train`.
        threads: As for `train`.
        device: As for `train`.
        steps: Number of steps, 20 or more; fewer are taken if the loss grows beyond measure.
        progress: Shows how many steps are done.

    Returns:
        The losses, and a rate that suits them.

    Raises:
        UsageError: There are too few steps.
        StreetsegError: As for `train`.
    """
    if steps < 2 * FEWEST:
        raise UsageError(f"finding a learning rate takes {2 * FEWEST} steps or more, got {steps}")
    if workers < 0:
        raise UsageError(f"workers must be 0 or more, got {workers}")
    use_threads(threads)
    chosen_device = choose_device(device)
    fields = gather(settings, init=None if init is None else str(init), batch=batch, crop=crop)
    plan = make_plan(recipe, data, dataset=dataset, settings=fields)
    recipe = plan.recipe
    task = open_task(recipe, plan.data, cache=None if cache is None else Path(cache))
    if mapping:
        check_mapping(mapping, task.classes, recipe.init)
        task.mapping = mapping
    with explained(
        network=recipe.network,
        compiled=recipe.compile,
        batch=recipe.batch,
        accumulate=recipe.accumulate,
        crop=recipe.crop,
    ):
        run = Run.open(task, chosen_device, workers=workers)
        if recipe.init:
            run.start_from(Path(recipe.init))
        run.schedule = Ramp(learning_rate=recipe.learning_rate, iterations=steps)
        rates, losses = ramp_up(run, steps, progress)
    return LearningRates(tuple(rates), tuple(losses), recipe.learning_rate, suggest(rates, losses))


def ramp_up(run: Run, steps: int, progress: Progress) -> tuple[list[float], list[float]]:
    """Return the rate and the smoothed loss of each step until the loss diverges."""
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for step in progress(range(steps), "step"):
        try:
            terms = run.train_step()
        except TrainingError:  # the loss is not finite: a rate far too high
            break
        average = SMOOTHING * average + (1 - SMOOTHING) * terms["total"]
        rates.append(terms["learning_rate"])
        losses.append(average / (1 - SMOOTHING ** (step + 1)))
        if step >= FEWEST and losses[-1] > DIVERGED * min(losses):
            break
    if len(losses) < FEWEST:
        raise TrainingError(
            f"the loss is not finite after {len(losses)} steps at rates below {run.recipe.learning_rate:g}; "
            "choose a lower learning_rate, or other weights"
        )
    return rates, losses


def suggest(rates: list[float], losses: list[float]) -> float | None:
    """Return a tenth of the rate with the lowest loss; None if the loss does not fall clearly from its start.

    At the rate with the lowest loss itself, training is about to diverge. A slope's place would follow the noise of
    single batches; the lowest point of the smoothed loss does not.
    """
    start = min(losses[:FEWEST])
    lowest = min(range(FEWEST, len(losses)), key=losses.__getitem__, default=0)
    return SAFE * rates[lowest] if losses[lowest] < CLEARLY * start else None
