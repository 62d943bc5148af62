"""`streetseg train`, `streetseg sweep` and `streetseg recipes`."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streetseg.cli.options import (
    add_data_options,
    add_map,
    add_threads,
    add_verb,
    class_mapping,
    need_torch,
    path,
    size,
)  # fmt: skip
from streetseg.cli.output import DONE, INTERRUPTED, complain, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


OF_A_RUN = ("epochs", "resume", "log")  # options that say how long a run is, or what it leaves behind


def add_verbs(verbs: Verbs) -> None:
    """Add train, sweep and recipes."""
    verb = add_verb(verbs, "train", train, "train a network by a recipe")
    verb.add_argument("--out", type=path, metavar="DIR", help="folder of the run")
    verb.add_argument(
        "--folds", choices=["drive"],
        help="leave each drive out in turn, evaluate on it, and pool the figures",
    )  # fmt: skip
    verb.add_argument(
        "--find-learning-rate", action="store_true",
        help="take 100 steps at rising rates, print the losses and a rate; writes no files",
    )  # fmt: skip
    verb.add_argument(
        "--resume", action="store_true",
        help="continue the run in --out; nothing else needs to be given again",
    )  # fmt: skip
    add_run_options(verb)

    verb = add_verb(verbs, "sweep", sweep, "search settings of a recipe with Optuna")
    verb.add_argument("--out", required=True, type=path, metavar="DIR", help="folder of the trials, a run each")
    verb.add_argument(
        "--range", action="append", default=[], metavar="FIELD=RANGE",
        help="values to try, LOW..HIGH or A/B/C; can be repeated",
    )  # fmt: skip
    verb.add_argument("--trials", type=int, metavar="N", help="number of runs (default: 20)")
    verb.add_argument(
        "--resume", action="store_true", help="continue the sweep in --out, with the same recipe, ranges and settings"
    )
    add_run_options(verb)

    verb = add_verb(verbs, "recipes", recipes, "list the recipes, or print one as TOML")
    verb.add_argument("name", nargs="?", metavar="NAME", help="print this recipe as TOML that --recipe takes")


def add_run_options(verb: argparse.ArgumentParser) -> None:
    """Add what a run is made of, for `run_options`."""
    verb.add_argument("--recipe", help="a recipe's name; or a TOML file, a whole recipe or one that names its base")
    add_data_options(verb, required=False)
    verb.add_argument(
        "--init", metavar="FILE",
        help="NAME.safetensors or a name of weights to start from, '' for initial weights (default: the recipe's)",
    )  # fmt: skip
    add_map(verb)
    verb.add_argument(
        "--epochs", type=float, metavar="N",
        help="how often the run sees each frame; sets the recipe's iterations",
    )  # fmt: skip
    verb.add_argument("--batch", type=int, metavar="N", help="frames a step (default: the recipe's)")
    verb.add_argument("--crop", type=size, metavar="HxW", help="size that the network sees (default: the recipe's)")
    verb.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE",
        help="replace a field of the recipe; can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--cache", type=path, metavar="DIR",
        help="folder for decoded frames, if they do not fit in memory (default: none)",
    )  # fmt: skip
    verb.add_argument(
        "--workers", type=int, default=2, metavar="N", help="number of threads that prepare batches (default: 2)"
    )
    add_threads(verb)
    verb.add_argument(
        "--log", action="append", default=[], metavar="TRACKER",
        help="send the log to wandb, mlflow or trackio, too; can be repeated",
    )  # fmt: skip
    verb.add_argument("--device", help="cpu, cuda, cuda:N or mps (default: a CUDA GPU if there is one)")


def run_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_run_options` parsed, but recipe and data, and --resume."""
    from streetseg.training.recipe_fields import read_settings

    return {
        "dataset": options.dataset,
        "init": options.init,
        "mapping": class_mapping(options),
        "settings": read_settings(options.set),
        "epochs": options.epochs,
        "batch": options.batch,
        "crop": options.crop,
        "resume": options.resume,
        "cache": options.cache,
        "workers": options.workers,
        "threads": options.threads,
        "device": options.device,
        "log": options.log,
    }


def train(options: argparse.Namespace) -> int:
    """Run a recipe on a dataset, or on the drives of one that are left out in turn."""
    need_torch("streetseg train")
    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes, one speaks for all
    shared = run_options(options)
    if options.find_learning_rate:
        return find_rate(options, shared)
    if options.out is None:
        raise UsageError("a run needs a folder: --out DIR")
    run = train_folds if options.folds else train_once
    try:
        said = run(options.recipe, options.data, options.out, **shared)
    except KeyboardInterrupt:
        if first:
            folds = " --folds drive" if options.folds else ""
            complain(
                f"interrupted; if the run has written a checkpoint, continue with: "
                f"streetseg train{folds} --resume --out {shlex.quote(str(options.out))}"
            )
        return INTERRUPTED
    if first:
        say(said)
    return DONE


def find_rate(options: argparse.Namespace, shared: dict[str, Any]) -> int:
    """Print the losses at rising learning rates."""
    from streetseg.training.rate_finder import find_learning_rate

    without_use = {"out": options.out, "folds": options.folds, **{name: shared[name] for name in OF_A_RUN}}
    if given := [name for name, value in without_use.items() if value]:
        raise UsageError(f"--find-learning-rate makes no run, so it takes no --{given[0]}; leave one of them out")
    left = {name: value for name, value in shared.items() if name not in OF_A_RUN}
    say(find_learning_rate(options.recipe, options.data, **left, progress=progress).table())
    return DONE


def train_once(recipe: str | None, data: Path | None, out: Path, **shared: Any) -> str:
    """Run a recipe; return the command that exports its weights."""
    from streetseg.training.train import train

    result = train(recipe, data, out, **shared)
    weights = result.best_weights or result.weights
    return f"{weights}: next, streetseg export {shlex.quote(str(weights))}"


def train_folds(recipe: str | None, data: Path | None, out: Path, **shared: Any) -> str:
    """Leave each drive out in turn; return the pooled figures."""
    from streetseg.training.folds import train_folds

    return train_folds(recipe, data, out, **shared).table()


def sweep(options: argparse.Namespace) -> int:
    """Search settings of a recipe; print the trials."""
    need_torch("streetseg sweep")
    from streetseg.training.sweep import TRIALS, read_ranges, sweep

    if options.recipe is None or options.data is None:
        raise UsageError("a sweep needs a recipe and data: --recipe NAME, --data DIR")
    trials = TRIALS if options.trials is None else options.trials
    ranges = read_ranges(options.range)
    said = sweep(options.recipe, options.data, options.out, ranges=ranges, trials=trials, **run_options(options))
    say(said.table())
    return DONE


def recipes(options: argparse.Namespace) -> int:
    """Print the list of recipes, or one recipe as TOML."""
    from streetseg.training.recipe_file import recipe_as_toml
    from streetseg.training.recipes.recipes import list_recipes, recipe_named

    say(recipe_as_toml(recipe_named(options.name)).strip() if options.name else list_recipes().table())
    return DONE
