"""Cross-validation by drive: a run for each drive that is left out, and one figure of all of them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import IGNORE, Dataset, readable
from streetseg.errors import DatasetError, OutputError, TrainingError, UsageError
from streetseg.export.targets import export
from streetseg.measure.evaluate import evaluate
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.evaluation_json import read_evaluation
from streetseg.measure.metrics import percent
from streetseg.measure.pool import pool
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.files import make_folder, write_file
from streetseg.training.plan import FIELDS, gather, make_plan
from streetseg.training.progress import tell
from streetseg.training.recipe import Recipe
from streetseg.training.recipe_file import read_recipe, recipe_as_toml
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.train import train

RECIPE, REQUEST, EVALUATION, POOLED = "recipe.toml", "folds.json", "evaluation.json", "pooled.json"
SHOWN = 10  # drives in a message
NAME_LENGTH = 40  # characters of a drive's name in its folder's


@dataclass(frozen=True)
class Fold:
    """A drive that was left out.

    Attributes:
        drive: Its name.
        weights: The weights of the run on the other drives.
        evaluation: Their accuracy on the drive.
    """

    drive: str
    weights: Path
    evaluation: Evaluation


@dataclass(frozen=True, repr=False)
class Folds(Printable):
    """The accuracy on drives that training did not see.

    Attributes:
        folds: One for each drive, by name.
        pooled: The evaluation of all drives' frames, each frame judged by weights that never saw its drive.
    """

    folds: tuple[Fold, ...]
    pooled: Evaluation

    def facts(self) -> Facts:
        """Convert the result to JSON's types.

        Returns:
            Each drive's frames, mIoU and weights, and the pooled evaluation.
        """
        return {
            "folds": [
                {
                    "drive": readable(fold.drive),
                    "frames": fold.evaluation.frames,
                    "miou": fold.evaluation.means()["miou"],
                    "weights": readable(str(fold.weights)),
                }
                for fold in self.folds
            ],
            "pooled": self.pooled.facts(),
        }

    def table(self) -> str:
        """Lay the result out for a terminal.

        Returns:
            A row a drive, then the pooled evaluation.
        """
        rows = [
            (readable(fold.drive), str(fold.evaluation.frames), percent(fold.evaluation.means()["miou"]))
            for fold in self.folds
        ]
        return "\n\n".join([text_table([("left out", "frames", "mIoU"), *rows]), self.pooled.table()])


def train_folds(
    recipe: Recipe | str | None,
    data: Dataset | Path | str | None,
    out: Path | str,
    *,
    dataset: str | None = None,
    mapping: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
    epochs: float | None = None,
    resume: bool = False,
    threads: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Folds:
    """Leave each drive out in turn: train on the others, evaluate on it, and pool the figures.

    The drives are those of train and val together; test stays out. Nothing is chosen on the drive that is left out: a
    run is not evaluated on the way and does not stop early, unless `settings` say otherwise, and the weights of its
    last step are judged.

    Args:
        recipe: As for `train`; its `split` is replaced.
        data: A dataset with several drives, or its folder. None, with `resume`: as before.
        out: Folder of the runs, a subfolder each. It gets pooled.json.
        dataset: As for `train`.
        mapping: As for `train`.
        settings: As for `train`.
        epochs: As for `train`.
        resume: Go on with the drives that are left. What was given at the start need not be given again.
        threads: CPU threads of training and evaluation.
        progress: Show progress on stderr.
        **options: Further arguments of `train`: init, batch, crop, cache, workers, device, log.

    Returns:
        The evaluation of each drive, and of all together.

    Raises:
        DatasetError: There is only one drive, or one without labels.
        StreetsegError: As for `train` and `evaluate`.
    """
    out = Path(out)
    fields = gather(settings, **{name: options.pop(name, None) for name in ("init", "batch", "crop")})
    asked = ask(recipe, data, out, dataset=dataset, mapping=mapping, settings=fields, epochs=epochs, resume=resume)
    if progress:
        tell(describe_drives(asked.drives))
    folds: list[Fold] = []
    for drive, folder in folders(out, asked.drives).items():
        weights, written = folder / f"{asked.recipe.name}.safetensors", folder / EVALUATION
        if not (weights.exists() and written.exists()):
            if progress:
                tell(f"fold {len(folds) + 1} of {len(asked.drives)}: {readable(drive)} is left out")
            going_on = (folder / "checkpoint.pt").exists()
            run = leave_out(asked, drive)
            train(
                run,
                asked.data,
                folder,
                epochs=asked.epochs,
                resume=going_on,
                threads=threads,
                progress=progress,
                **options,
            )
            judged = evaluate(
                weights, data=asked.data, split=f"only:{drive}", trimap=(), threads=threads, export=export
            )
            write_file(written, judged.to_json().encode(errors="replace"))
        folds.append(Fold(drive, weights, read_evaluation(written)))
    pooled = pool([fold.evaluation for fold in folds])
    write_file(out / POOLED, pooled.to_json().encode(errors="replace"))
    return Folds(tuple(folds), pooled)


@dataclass(frozen=True)
class Asked:
    """What folds are asked to do.

    Attributes:
        recipe: The recipe with its settings, before anything is worked out.
        data: The dataset.
        drives: The drives to leave out, with their numbers of frames.
        given: The fields that were set.
        epochs: The length of each run, if it was given in epochs.
        mapping: Classes of the data and of the initial weights that belong together.
    """

    recipe: Recipe
    data: Dataset
    drives: dict[str, int]
    given: tuple[str, ...]
    epochs: float | None
    mapping: dict[str, str]


def ask(
    recipe: Recipe | str | None,
    data: Dataset | Path | str | None,
    out: Path,
    *,
    dataset: str | None,
    mapping: Mapping[str, str] | None,
    settings: Mapping[str, object],
    epochs: float | None,
    resume: bool,
) -> Asked:
    """Return what the folds in a folder are to do, and write it there; or what they were begun with, to go on."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("folds are trained by one process; start without torchrun")
    if taken := [name for name in ("split", "evaluate_split") if name in settings]:
        raise UsageError(f"folds set {taken[0]} themselves; leave it out")
    if not resume and (out / REQUEST).exists():
        raise OutputError(f"{out} already holds folds; go on with --resume, or choose another --out")
    begun = read_request(out) if resume else None
    base = recipe
    if begun:
        base = stored_recipe(out, recipe, epochs, mapping, begun)
        epochs = begun["epochs"]
        if data is None:
            data, dataset = begun["data"], dataset or begun["dataset"] or None
    plan = make_plan(base, data, dataset=dataset, settings=settings, epochs=epochs)
    if begun and plan.asked != base:
        raise another(out, [name for name in FIELDS if getattr(plan.asked, name) != getattr(base, name)])
    if isinstance(plan.data, LabelledImages):
        raise DatasetError(f"{plan.data.root} holds images sorted by class, not class maps of drives")
    drives = labelled_drives(plan.data)
    if begun and list(drives) != begun["drives"]:
        raise TrainingError(f"{out} holds folds of other drives; go on with the same data, or choose another --out")
    if begun is None:
        begun = plan.request() | {
            "given": list(settings), "epochs": epochs, "mapping": dict(mapping or {}), "drives": list(drives),
        }  # fmt: skip
        make_folder(out)
        write_file(out / RECIPE, recipe_as_toml(plan.asked).encode())
        write_file(out / REQUEST, json.dumps(begun).encode())
    return Asked(plan.asked, plan.data, drives, tuple(begun["given"]), epochs, begun["mapping"])


def read_request(out: Path) -> dict[str, Any]:
    """Return what the folds in a folder were asked to do; TrainingError if it holds none."""
    try:
        request: dict[str, Any] = json.loads((out / REQUEST).read_text())
        return {name: request[name] for name in ("given", "data", "dataset", "epochs", "mapping", "drives")}
    except FileNotFoundError:
        raise TrainingError(f"{out} holds no folds to go on with; leave out --resume") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{out / REQUEST} is damaged ({error}); start anew in another --out") from None


def stored_recipe(
    out: Path,
    recipe: Recipe | str | None,
    epochs: float | None,
    mapping: Mapping[str, str] | None,
    request: Mapping[str, Any],
) -> Recipe:
    """Return the recipe of begun folds; TrainingError if another one is asked for."""
    stored = read_recipe(out / RECIPE, recipe_named)
    if epochs not in (None, request["epochs"]):
        raise another(out, ["epochs"])
    if mapping and dict(mapping) != request["mapping"]:
        raise another(out, ["mapping (--map)"])
    if recipe is not None:
        ours = recipe_named(recipe) if isinstance(recipe, str) else recipe
        compared = set(FIELDS) - set(request["given"]) - {"left_to_card", "left_to_data"}
        if changed := sorted(name for name in compared if getattr(ours, name) != getattr(stored, name)):
            raise another(out, changed)
    return stored


def another(out: Path, changed: Sequence[str]) -> TrainingError:
    """Return the error about folds that were begun with other settings."""
    return TrainingError(
        f"{out} holds folds with other settings of {', '.join(changed)}; go on with the same, or choose another --out"
    )


def labelled_drives(data: Dataset) -> dict[str, int]:
    """Return the drives of train and val with their numbers of frames.

    Raises:
        DatasetError: There is one drive only, or one has no labels to judge by.
    """
    pairs = data.pairs("trainval")
    drives = Counter(pair.sequence for pair in sorted(pairs, key=lambda pair: pair.sequence))
    if len(drives) == 1:
        raise DatasetError(
            f"{data.root} has one drive, {next(iter(drives))!r}; folds need two or more: the frames of a drive "
            "lie in a folder of their own, or their names differ only in the number at the end (garage_001.jpg)"
        )
    if 2 * len(drives) > len(pairs):
        raise DatasetError(
            f"{data.root} has {len(drives)} drives for {len(pairs)} frames by their names; a drive needs two frames or "
            "more: put the frames of each into a folder of their own, or number them (garage_001.jpg, garage_002.jpg)"
        )
    for drive in drives:
        if all((data.read_label(pair) == IGNORE).all() for pair in pairs if pair.sequence == drive):
            raise data.unlabelled(f"only:{drive}")
    return dict(drives)


def describe_drives(drives: Mapping[str, int]) -> str:
    """Return a line on the drives and what happens with them."""
    names = [f"{readable(name)} ({frames} frames)" for name, frames in drives.items()]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} drives, so {len(names)} runs, each without one of them: {', '.join(names[:SHOWN])}{more}"


def folders(out: Path, drives: Mapping[str, int]) -> dict[str, Path]:
    """Return the folder of each drive's run: its number, and its name as far as a folder can have it."""
    plain = {drive: re.sub(r"[^\w.-]+", "_", readable(drive))[:NAME_LENGTH] for drive in drives}
    return {drive: out / f"{number:02}_{plain[drive]}" for number, drive in enumerate(drives, 1)}


def leave_out(asked: Asked, drive: str) -> Recipe:
    """Return the recipe of the run that does not see a drive. It chooses nothing on it, unless it was asked to."""
    changes: dict[str, Any] = {"split": f"without:{drive}", "evaluate_split": f"only:{drive}"}
    if "evaluate_every" not in asked.given:
        left = tuple(name for name in asked.recipe.left_to_data if name != "evaluate_every")
        changes |= {"evaluate_every": 0, "patience": 0, "left_to_data": left}
    return dataclasses.replace(asked.recipe, **changes)
