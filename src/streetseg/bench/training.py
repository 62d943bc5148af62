"""Time a training step on this CPU, in turns with the same network trained the plain way.

- Ours: a whole step of the network's CamVid recipe, as `streetseg train` takes it.
- The plain way: float32, samples decoded and augmented one by one by as many workers as there are threads, cross
  entropy at full size after `interpolate`, no average of the weights. It is timed twice, NCHW and channels last; the
  better time counts.
- Both make a batch when a step asks for it, so that each turn pays for its own batch.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streetseg.bench.frames import check_rounds
from streetseg.bench.machine import Machine, describe_machine
from streetseg.bench.timing import take_turns
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE, Dataset
from streetseg.errors import RecipeError, UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.engines.engine import cores
from streetseg.runtime.inputs import as_sequence
from streetseg.streets.datasets import write_camvid_tutorial
from streetseg.training.augment import augment
from streetseg.training.dataset import collate
from streetseg.training.losses.detail import detail_losses, detail_target
from streetseg.training.recipe import Recipe
from streetseg.training.recipes.recipes import RECIPES
from streetseg.training.run import Run, normalise, optimiser_of
from streetseg.training.tasks.segmentation import Segmentation, build_network

ROUNDS = 5
NETWORKS = ("ddrnet_23_slim", "bisenetv2", "stdc1", "fassd_net_l2")  # each family's fast variant
SIZE = (360, 480)  # CamVid's, made larger to a multiple of the network's
BATCH = 8
WAYS = {"ours": "ours", "nchw": "plain NCHW", "channels_last": "plain channels last"}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainingRow:
    """A network's training step, ours beside the plain way.

    Attributes:
        network: Its name.
        recipe: The recipe that both ways follow.
        crop: Height and width of the samples.
        precision: Our precision: "float32" or "bfloat16".
        images_per_second: Way (a key of WAYS) -> images a second.
        ratio: Median over the rounds of the better plain step to ours.
        input_share: Share of our step that reading, copying and augmenting take, 0 to 1.
    """

    network: str
    recipe: str
    crop: tuple[int, int]
    precision: str
    images_per_second: Mapping[str, float]
    ratio: float
    input_share: float

    def facts(self) -> Facts:
        """Return the row as JSON's types."""
        return {
            "network": self.network,
            "recipe": self.recipe,
            "crop": self.crop,
            "precision": self.precision,
            "images_per_second": self.images_per_second,
            "ratio": self.ratio,
            "input_share": self.input_share,
        }


@dataclass(frozen=True, repr=False)
class TrainingSpeed(Printable):
    """Training steps on this machine; see docs/train.md.

    Attributes:
        machine: The machine before the measurement.
        threads: CPU threads of either way.
        batch: Samples a step.
        rounds: Number of steps that were timed.
        rows: One a network.
    """

    machine: Machine
    threads: int
    batch: int
    rounds: int
    rows: tuple[TrainingRow, ...]

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            machine, threads, batch, rounds and rows.
        """
        return {
            "machine": self.machine.facts(),
            "threads": self.threads,
            "batch": self.batch,
            "rounds": self.rounds,
            "rows": [row.facts() for row in self.rows],
        }

    def table(self) -> str:
        """Return the machine in a few lines, then the steps.

        Returns:
            Text that folds at the terminal's width.
        """
        rates = [f"{words}, images/s" for words in WAYS.values()]
        lines = [["network", "crop", "precision", *rates, "times the better", "input's share"]]
        for row in self.rows:
            lines.append(
                [row.network, "x".join(map(str, row.crop)), row.precision,
                 *(f"{row.images_per_second[way]:.2f}" for way in WAYS), f"{row.ratio:.2f}", f"{row.input_share:.1%}"]
            )  # fmt: skip
        head = [
            f"{self.machine.cpu}, {self.threads} threads, {self.machine.load_text()}",
            f"{self.machine.version_text(['torch'])}; batch {self.batch}, {self.rounds} rounds",
            f"flags: {' '.join(self.machine.flags)}",
        ]
        return "\n".join([*head, "", text_table(lines)])


def bench_training(
    networks: str | Sequence[str] = (),
    *,
    data: Dataset | str | Path | None = None,
    dataset: str | None = None,
    threads: int | None = None,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> TrainingSpeed:
    """Measure training steps on this CPU beside the plain way, taking turns.

    Args:
        networks: A network with a recipe for CamVid, or several; without one, the fast variant of each family.
        data: A dataset, or its folder; None: rendered streets at CamVid's size.
        dataset: Name of the dataset in the folder; None: its layout decides.
        threads: CPU threads of either way, 1 or more; None: all cores.
        rounds: Number of steps that are timed, 1 or more.
        progress: Shows the rounds.

    Returns:
        The figures of each network.

    Raises:
        RecipeError: A network has no recipe for CamVid.
        UsageError: `rounds` or `threads` is below 1.
        DatasetError: The folder is not a dataset.
    """
    check_rounds(rounds)
    if threads is not None and threads < 1:
        raise UsageError(f"--threads must be at least 1, got {threads}")
    threads = threads or cores()
    recipes = [camvid_recipe(network) for network in as_sequence(networks) or NETWORKS]
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            write_camvid_tutorial(Path(folder), {"train": 2 * BATCH})
            data, dataset = folder, None
        opened = data if isinstance(data, Dataset) else open_dataset(data, dataset)
        machine = describe_machine()  # before we load it ourselves
        torch.set_num_threads(threads)
        rows = tuple(training_row(recipe, opened, threads, rounds, progress) for recipe in recipes)
    return TrainingSpeed(machine, threads, BATCH, rounds, rows)


def camvid_recipe(network: str) -> Recipe:
    """Return the network's recipe for CamVid on a CPU, at SIZE and BATCH; RecipeError where it has none."""
    if f"{network}_camvid" not in RECIPES:
        known = ", ".join(name.removesuffix("_camvid") for name in RECIPES if name.endswith("_camvid"))
        raise RecipeError(f"no recipe to train {network!r} on a CPU; there are recipes for {known}")
    recipe = RECIPES[f"{network}_camvid"]()
    multiple = build_network(recipe.network, 2, recipe.network_arguments).size_multiple
    height, width = (-(-side // multiple) * multiple for side in SIZE)
    return dataclasses.replace(recipe, crop=(height, width), batch=BATCH)


def training_row(recipe: Recipe, dataset: Dataset, threads: int, rounds: int, progress: Progress) -> TrainingRow:
    """Return the row of a network."""
    ours = TimedRun.open(Segmentation(recipe, dataset), CPU)
    # One thread for each worker, as in a DataLoader. With more, there would be more threads than cores, and OpenMP
    # would put the threads of every step to sleep between two operations.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        nchw, channels_last = (
            PlainRun(recipe, dataset, workers, layout) for layout in (torch.contiguous_format, torch.channels_last)
        )
        steps: list[list[Callable[[], object]]] = [[ours.train_step], [nchw.train_step], [channels_last.train_step]]
        seconds = take_turns(steps, rounds, progress)[:, :, 0] / 1e3
    medians = np.median(seconds, axis=1)
    better = 1 + int(np.argmin(medians[1:]))
    rates = {way: round(BATCH / median, 3) for way, median in zip(WAYS, medians.tolist(), strict=True)}
    return TrainingRow(
        network=recipe.network,
        recipe=recipe.name,
        crop=recipe.crop,
        precision=str(ours.precision).removeprefix("torch."),
        images_per_second=rates,
        ratio=round(float(np.median(seconds[better] / seconds[0])), 3),
        input_share=round(ours.input_seconds / ours.step_seconds, 4),
    )


class TimedRun(Run):
    """Our run, which counts the seconds of its steps and of its batches: reading from memory, copying, augmenting."""

    input_seconds = step_seconds = 0.0

    def train_step(self) -> dict[str, float]:
        start = time.perf_counter()
        terms = super().train_step()
        self.step_seconds += time.perf_counter() - start
        return terms

    def next_batch(self) -> tuple[Tensor, Tensor]:
        start = time.perf_counter()
        batch = super().next_batch()
        self.input_seconds += time.perf_counter() - start
        return batch


class PlainRun:
    """The recipe's network trained the plain way."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, workers: ThreadPoolExecutor, layout: torch.memory_format
    ) -> None:
        pairs = dataset.pairs(recipe.split)
        self.recipe, self.workers, self.layout = recipe, workers, layout
        self.read = lambda i: dataset.read(pairs[i], recipe.native_short_side)
        self.names = tuple(pair.name for pair in pairs)
        task = Segmentation(recipe, dataset)
        self.views = task.views
        self.network = task.build_network(len(dataset.labels.names), aux=True).to(memory_format=layout)  # type: ignore[call-overload]
        self.optimiser = optimiser_of(recipe, self.network)
        self.stream = count()

    def train_step(self) -> None:
        positions = [next(self.stream) for _ in range(self.recipe.batch)]
        frames, labels = (torch.cat(part) for part in zip(*self.workers.map(self.sample, positions), strict=True))
        frames = normalise(frames, self.recipe.mean, self.recipe.std)
        outputs = self.network(frames.contiguous(memory_format=self.layout))
        size, labels = labels.shape[1:], labels.long()

        def full(logits: Tensor) -> Tensor:
            return F.interpolate(logits, size, mode="bilinear", align_corners=self.network.align_corners)

        total = F.cross_entropy(full(outputs.logits), labels, ignore_index=IGNORE)
        for name, weight in self.recipe.aux_weights.items():
            total = total + weight * F.cross_entropy(full(outputs.aux[name]), labels, ignore_index=IGNORE)
        for name, weight in self.recipe.detail_weights.items():
            total = total + weight * sum(detail_losses(full(outputs.aux[name]), detail_target(labels)))
        self.optimiser.zero_grad()
        torch.autograd.backward(total)
        self.optimiser.step()

    def sample(self, position: int) -> tuple[Tensor, Tensor]:
        """Return a batch of one, decoded and augmented."""
        return augment(collate(self, self.views, range(position, position + 1), self.recipe.seed), self.recipe.crop)
