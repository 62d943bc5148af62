"""The training loop: recipe and dataset in, weights with their card out. Names no network and no dataset."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

import torch
from tqdm import tqdm

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset
from streetseg.errors import OutputError, UsageError
from streetseg.runtime.files import make_folder
from streetseg.training.checkpoint import clear_unfinished, load_checkpoint, only_run, save_checkpoint
from streetseg.training.device import choose_device, use_threads
from streetseg.training.distributed import join, leave, rank, summed
from streetseg.training.failures import explained
from streetseg.training.initial import check_mapping
from streetseg.training.interrupt import interrupts
from streetseg.training.log import Log
from streetseg.training.plan import gather, make_plan
from streetseg.training.progress import describe_evaluation, tell
from streetseg.training.recipe import Recipe
from streetseg.training.result import TrainingResult
from streetseg.training.run import Run
from streetseg.training.tasks.task import Validation
from streetseg.training.tasks.tasks import open_task
from streetseg.training.trackers import Trackers, check_trackers

LOG_EVERY = 10  # steps


def train(
    recipe: Recipe | str | None,
    data: Dataset | LabelledImages | Path | str | None,
    out: Path | str,
    *,
    dataset: str | None = None,
    init: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
    epochs: float | None = None,
    batch: int | None = None,
    crop: tuple[int, int] | None = None,
    resume: bool = False,
    cache: Path | str | None = None,
    workers: int = 2,
    threads: int | None = None,
    device: str | None = None,
    log: Sequence[str] = (),
    progress: bool = True,
) -> TrainingResult:
    """Run a recipe on a dataset.

    Started by torchrun, the processes share each batch.

    Args:
        recipe: A recipe, the name of one (`list_recipes`), or a TOML file, NAME.toml. None, with `resume`: the run's.
        data: A dataset, or its folder. None, with `resume`: the run's.
        out: Folder of the run. It gets checkpoint.pt (to resume from), log.jsonl, log.csv, tensorboard/ (if TensorBoard
            is installed), NAME_best.safetensors (of the best evaluation, if the recipe evaluates) and, at the end,
            NAME.safetensors: the averaged weights, unfolded, with their card.
        dataset: Name of the dataset; None recognises it by the folder's layout.
        init: NAME.safetensors to start from, or a name of weights (`list_weights`); "" starts from random weights,
            None leaves it to the recipe.
        mapping: Class of the data -> class of the initial weights that gives its row of the head; "" for none. Others
            are matched by name, spelling and synonym.
        settings: Field of the recipe -> value that replaces it.
        epochs: Number of times that the run sees each frame, above 0; sets the recipe's `iterations`.
        batch: Samples a step: the recipe's field.
        crop: Height and width that the network sees, in pixels: the recipe's field.
        resume: Go on from the checkpoint of an interrupted run, to the bit. What the run was started with need not be
            given again; what contradicts it is refused. Without it a folder that holds a run is refused.
        cache: Folder of a memory-mapped cache of the decoded samples, for data larger than memory.
        workers: Threads that make batches ahead, 0 or more.
        threads: CPU threads of PyTorch, in the whole process; None leaves PyTorch's choice.
        device: "cpu", "cuda", "cuda:N" or "mps"; None takes a CUDA GPU where there is one.
        log: Experiment trackers that get the log, too: "wandb", "mlflow", "trackio". A resumed run goes on in those
            that it had.
        progress: Show a progress bar on stderr.

    Returns:
        The weights' files, the best evaluation, steps and seconds.

    Raises:
        KeyboardInterrupt: After Ctrl-C, SIGTERM or SIGHUP, once the step is done and a checkpoint is written.
        StreetsegError: Something that the caller can mend.
    """
    if workers < 0:
        raise UsageError(f"workers must be 0 or more, got {workers}")
    out = Path(out)
    trackers = check_trackers([log] if isinstance(log, str) else log, out)
    use_threads(threads)
    chosen_device = choose_device(device)
    checkpoint = out / "checkpoint.pt"
    begun = load_checkpoint(checkpoint) if resume else None
    settings = gather(settings, init=None if init is None else str(init), batch=batch, crop=crop)
    plan = make_plan(recipe, data, dataset=dataset, settings=settings, epochs=epochs, begun=begun)
    recipe = plan.recipe
    task = open_task(recipe, plan.data, cache=None if cache is None else Path(cache))
    if mapping and begun is None:
        check_mapping(mapping, task.classes, recipe.init)
        task.mapping = mapping
    if checkpoint.exists() and not resume:
        raise OutputError(f"{out} already holds a run; go on with it by --resume, or choose another --out")
    notes = [*plan.notes, *([f"note: {task.note}"] if task.note else [])]
    notes += [] if resume else [f"warning: {line}" for line in task.warnings()]
    explanations = explained(
        network=recipe.network,
        compiled=recipe.compile,
        batch=recipe.batch,
        accumulate=recipe.accumulate,
        crop=recipe.crop,
    )
    with ExitStack() as locks, explanations:
        join(chosen_device)
        progress = progress and rank() == 0
        for note in notes if progress else ():
            tell(note)
        if rank() == 0:
            make_folder(out)
            locks.enter_context(only_run(out))
            clear_unfinished(out)
        run = Run.open(task, chosen_device, workers=workers)
        if recipe.evaluate_every:  # so that an error in its frames shows now, not after hours
            task.open_validation()
        if begun is not None:
            run.load_state(begun, checkpoint)
        del begun  # as large as the network, its average and the optimiser together
        run.request = plan.request()
        result = carry_out(run, out, progress, trackers)
        leave()
    return result


def carry_out(run: Run, out: Path, progress: bool, trackers: Sequence[str]) -> TrainingResult:
    """Take the remaining steps of the run, and write the weights."""
    recipe, main = run.recipe, rank() == 0
    checkpoint, weights, best_weights = (
        out / name for name in ("checkpoint.pt", f"{recipe.name}.safetensors", f"{recipe.name}_best.safetensors")
    )
    if not run.step and recipe.init:
        taken = run.start_from(Path(recipe.init))
        if progress:
            tell(taken)
    bar = tqdm(
        initial=run.step,
        total=recipe.iterations,
        disable=not progress,
        mininterval=0.5 if sys.stderr.isatty() else 60,  # a log file needs a line now and then
    )
    sent = Trackers(trackers, out, dataclasses.asdict(recipe)) if main and trackers else None
    start, first = time.monotonic(), run.step
    with interrupts() as asked, bar, Log(out, run.step, sent) if main else nullcontext() as log:
        while not run.ended:
            entry = run.train_step()
            bar.update()
            judged: Validation | None = None
            if due(run.step, recipe.evaluate_every, recipe.iterations):
                try:
                    judged = run.evaluate()
                except Exception:  # so that the run can go on from here once the cause is mended
                    if log:
                        write_checkpoint(run, log, checkpoint)
                    raise
                entry |= judged.figures
                if run.improved(judged.figures) and main:
                    run.save_average(best_weights)
            stop = not run.ended and bool(summed(torch.tensor(asked(), device=run.device).int()))
            if due(run.step, LOG_EVERY, recipe.iterations) or judged:
                per_step = (time.monotonic() - start) / (run.step - first)
                entry["images_per_second"] = round(recipe.batch / per_step, 2)
                best = {f"best {name}": value for name, value in run.best_figures.items()}
                shown = {name: f"{value:.4g}" for name, value in (entry | best).items()}
                bar.set_postfix(shown, refresh=False)  # no refresh: stderr may be a log file
                if judged and progress:
                    left = per_step * (recipe.iterations - run.step)
                    tell(describe_evaluation(run.step, recipe.iterations, judged, run.best, left))
                if log:
                    log.add(run.step, entry, judged)
            if (stop or run.ended or due(run.step, recipe.checkpoint_every, recipe.iterations)) and log:
                write_checkpoint(run, log, checkpoint)
            if stop:
                raise KeyboardInterrupt
    stopped_early = run.step < recipe.iterations
    if stopped_early and progress:
        tell(
            f"stopped at step {run.step:,}: {recipe.patience} evaluations in a row were not better than step "
            f"{run.best_step:,} (patience)"
        )
    if main:
        run.save_average(weights)
    return TrainingResult(
        weights=weights,
        steps=run.step,
        seconds=time.monotonic() - start,
        best_weights=best_weights if run.best else None,
        best=run.best_figures,
        best_step=run.best_step,
        stopped_early=stopped_early,
    )


def write_checkpoint(run: Run, log: Log, checkpoint: Path) -> None:
    """Write the run's checkpoint; TrainingError if its weights are not finite."""
    run.check_weights()
    log.sync()
    save_checkpoint(checkpoint, run.state())


def due(step: int, every: int, last: int) -> bool:
    """Return True if a task of every `every` steps (0: never), and of the last step, is due after a step."""
    return every > 0 and (step % every == 0 or step == last)
