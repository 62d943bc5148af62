"""Search settings of a recipe: Optuna chooses them, trial by trial, and each trial is a run of its own."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.errors import MissingExtraError, OutputError, RecipeError, TrainingError, UsageError
from streetseg.measure.metrics import percent
from streetseg.results import Facts, Printable, rounded, text_table
from streetseg.runtime.files import make_folder
from streetseg.training.plan import gather, make_plan
from streetseg.training.progress import tell
from streetseg.training.recipe import Recipe
from streetseg.training.recipe_fields import read_fields
from streetseg.training.recipe_file import recipe_as_toml
from streetseg.training.train import train

if TYPE_CHECKING:
    import optuna

TRIALS = 20
JOURNAL = "optuna.log"
LOGARITHMIC = 10  # times the low end: from there on a range is searched by its logarithm
NAME = "streetseg"


@dataclass(frozen=True)
class Trial:
    """A run with settings that were chosen.

    Attributes:
        number: Its number, from 0, which is in its folder's name.
        settings: Field -> value, as text.
        figure: The deciding figure at its best evaluation, 0 to 1; None if it failed.
    """

    number: int
    settings: Mapping[str, str]
    figure: float | None


@dataclass(frozen=True, repr=False)
class Sweep(Printable):
    """The trials of a search.

    Attributes:
        trials: In the order of their numbers.
        folder: The folder of all trials.
    """

    trials: tuple[Trial, ...]
    folder: Path

    @property
    def ranked(self) -> list[Trial]:
        """The trials that did not fail, the best one first."""
        return sorted((one for one in self.trials if one.figure is not None), key=lambda one: -(one.figure or 0))

    def facts(self) -> Facts:
        """Convert the result to JSON's types.

        Returns:
            The folder, and each trial's number, settings and figure.
        """
        trials = [
            {"number": one.number, "settings": dict(one.settings), "figure": rounded(one.figure)} for one in self.trials
        ]
        return {"folder": str(self.folder), "trials": trials}

    def table(self) -> str:
        """Lay the result out for a terminal.

        Returns:
            A row a trial, the best one first, and the settings of the best.
        """
        names = list(self.trials[0].settings) if self.trials else []
        rows = [
            (folder_name(one.number), *(one.settings[name] for name in names), percent(one.figure))
            for one in [*self.ranked, *(one for one in self.trials if one.figure is None)]
        ]
        lines = [text_table([("trial", *names, "best figure"), *rows])]
        if self.ranked:
            best = " ".join(f"--set {name}={value}" for name, value in self.ranked[0].settings.items())
            lines.append(f"best: {self.folder / folder_name(self.ranked[0].number)}, with {best}")
        return "\n".join(lines)


def sweep(
    recipe: Recipe | str,
    data: Dataset | LabelledImages | Path | str,
    out: Path | str,
    *,
    ranges: Mapping[str, str],
    trials: int = TRIALS,
    dataset: str | None = None,
    init: Path | str | None = None,
    settings: Mapping[str, object] | None = None,
    resume: bool = False,
    progress: bool = True,
    **options: Any,
) -> Sweep:
    """Search settings of a recipe with Optuna.

    Args:
        recipe: As for `train`. It must evaluate: the figure of its best evaluation is what counts.
        data: As for `train`.
        out: Folder of the trials, a run each, and of Optuna's journal.
        ranges: Field -> "LOW..HIGH" for a number, searched by its logarithm if HIGH is at least ten times LOW; or
            "A/B/C", values to choose from.
        trials: Number of trials, 1 or more.
        dataset: As for `train`.
        init: As for `train`.
        settings: As for `train`, the same in all trials.
        resume: Go on with the trials in `out` up to `trials`; give the same ranges and settings.
        progress: Show progress on stderr.
        **options: Further arguments of `train`: mapping, epochs, batch, crop, cache, workers, threads, device, log.

    Returns:
        The trials with their figures.

    Raises:
        UsageError: A range cannot be read, or the recipe never evaluates.
        MissingExtraError: Optuna is not installed.
        StreetsegError: As for `train`.
    """
    if trials < 1:
        raise UsageError(f"trials must be 1 or more, got {trials}")
    if find_spec("optuna") is None:
        raise MissingExtraError("Optuna", "streetseg sweep", "sweep")
    out, fixed = Path(out), gather(settings, **{name: options.pop(name, None) for name in ("batch", "crop")})
    if twice := sorted(fixed.keys() & ranges.keys()):
        raise UsageError(f"{twice[0]} has a value and a range; leave one of them out")
    space = {name: distribution(name, text) for name, text in ranges.items()}
    if not space:
        raise UsageError("a sweep needs something to choose: --range FIELD=LOW..HIGH, or FIELD=A/B/C")
    fields = fixed if init is None else fixed | {"init": str(init)}
    plan = make_plan(recipe, data, dataset=dataset, settings=fields, epochs=options.get("epochs"))
    if not plan.recipe.evaluate_every:
        raise UsageError(f"recipe {plan.recipe.name} never evaluates; give --set evaluate_every=N")
    if (out / JOURNAL).exists() and not resume:
        raise OutputError(f"{out} already holds a sweep; go on with --resume, or choose another --out")
    make_folder(out)
    study = open_study(out, plan.recipe.seed)
    asked = {"recipe": recipe_as_toml(plan.asked), "ranges": dict(ranges)}
    if study.user_attrs.get("asked", asked) != asked:
        raise TrainingError(
            f"{out} holds a sweep with other settings or ranges; go on with the same, or choose another --out"
        )
    study.set_user_attr("asked", asked)
    begun = [one for one in study.trials if not one.state.is_finished()]  # cut off: their runs go on
    while len([one for one in study.trials if one.state.is_finished()]) < trials:
        trial = begun.pop(0) if begun else study.ask(space)
        chosen = {name: str(value) for name, value in trial.params.items()}
        if progress:
            values = ", ".join(f"{name} {value}" for name, value in chosen.items())
            tell(f"trial {trial.number + 1} of {trials}: {values}")
        folder = out / folder_name(trial.number)
        going_on = (folder / "checkpoint.pt").exists()
        try:
            result = train(
                recipe, plan.data, folder, settings=fields | chosen, resume=going_on, progress=progress, **options
            )
            study.tell(trial.number, next(iter(result.best.values())))
        except (TrainingError, RecipeError) as error:  # a rate too high, or values that contradict each other
            if progress:
                tell(f"trial {trial.number + 1} failed: {error}")
            study.tell(trial.number, state=failed())
    return Sweep(tuple(told(one) for one in study.trials if one.state.is_finished()), out)


def folder_name(number: int) -> str:
    """Return the folder of a trial."""
    return f"trial_{number:03}"


def told(trial: optuna.trial.FrozenTrial) -> Trial:
    """Return a trial of ours for one of Optuna's."""
    return Trial(trial.number, {name: str(value) for name, value in trial.params.items()}, trial.value)


def failed() -> optuna.trial.TrialState:
    """Return Optuna's state of a trial without a figure."""
    import optuna

    return optuna.trial.TrialState.FAIL


def open_study(out: Path, seed: int) -> optuna.Study:
    """Return the study in a folder, new or to go on with; each of its trials is on disk before the next begins."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=NAME,
        storage=JournalStorage(JournalFileBackend(str(out / JOURNAL))),
        direction="maximize",
        load_if_exists=True,
    )
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))  # another one than before the break
    return study


def distribution(name: str, text: str) -> optuna.distributions.BaseDistribution:
    """Return the values that a range of a field allows; UsageError or RecipeError if it cannot be read."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    choices = text.split("/")
    low, dots, high = text.partition("..")
    if not dots:
        for choice in choices:
            read_fields({name: choice})
        if len(choices) < 2:
            raise UsageError(f"range {name}={text} leaves nothing to choose; give LOW..HIGH, or A/B/C")
        return CategoricalDistribution(choices)
    ends = [value for end in (low, high) for value in read_fields({name: end}).values()]
    kind = typing.get_type_hints(Recipe)[name]
    if kind not in (int, float):
        raise UsageError(f"field {name} is not a number, so it has no range; give values: {name}=A/B/C")
    if not ends[0] < ends[1]:
        raise UsageError(f"range {name}={text} must rise; give LOW..HIGH")
    logarithmic = ends[0] > 0 and ends[1] >= LOGARITHMIC * ends[0]
    return (IntDistribution if kind is int else FloatDistribution)(*ends, log=logarithmic)


def read_ranges(texts: Sequence[str]) -> dict[str, str]:
    """Return field -> range of texts FIELD=RANGE; UsageError where one has another form."""
    ranges: dict[str, str] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise UsageError(f"range {text!r} is not of the form FIELD=LOW..HIGH or FIELD=A/B/C")
        if name in ranges:
            raise UsageError(f"field {name} has two ranges; give one")
        ranges[name] = values
    return ranges
