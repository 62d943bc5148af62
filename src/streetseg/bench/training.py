"""How fast a training step is on this CPU, beside the same network trained the plain way, in turns.

- Ours: a step of the network's CamVid recipe as `streetseg train` takes it, all that belongs to it included.
- The plain way: float32, samples decoded and augmented one by one by as many workers as there are threads, cross
  entropy at full size after `interpolate`, no average of the weights. Twice, NCHW and channels last; the better counts.
- Both make a batch when a step asks for it, so that no turn pays for another's.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streetseg.bench.frames import take_turns
from streetseg.bench.machine import describe_machine
from streetseg.data.pairs import IGNORE, Dataset
from streetseg.errors import RecipeError
from streetseg.measure.markdown import markdown_table
from streetseg.training.augment import augment
from streetseg.training.dataset import collate, open_samples
from streetseg.training.losses.detail import detail_losses, detail_target
from streetseg.training.recipe import Recipe
from streetseg.training.recipes.recipes import RECIPES
from streetseg.training.schedule import make_optimiser
from streetseg.training.train import Run, build_network, normalise

NETWORKS = ("ddrnet_23_slim", "bisenetv2", "stdc1", "fassd_net_l2")  # each family's fast variant
SIZE = (360, 480)  # CamVid's, made larger to a multiple of the network's
BATCH = 8
WAYS = {"ours": "ours", "nchw": "plain NCHW", "channels_last": "plain channels last"}
CPU = torch.device("cpu")

Progress = Callable[[Iterable[int]], Iterable[int]]


def measure_training(
    networks: Sequence[str], dataset: Dataset, threads: int, rounds: int, progress: Progress = iter
) -> dict[str, Any]:
    """Everything about every network's step: JSON-ready, see docs/train.md. RecipeError for a network without a recipe
    for CamVid."""
    recipes = [recipe_of(network) for network in networks]
    machine = describe_machine()  # before we load it ourselves
    torch.set_num_threads(threads)
    rows = [measure_network(recipe, dataset, threads, rounds, progress) for recipe in recipes]
    return {"machine": machine, "threads": threads, "batch": BATCH, "rounds": rounds, "rows": rows}


def recipe_of(network: str) -> Recipe:
    """The network's recipe for CamVid on a CPU, at SIZE and BATCH."""
    if f"{network}_camvid" not in RECIPES:
        there = ", ".join(name.removesuffix("_camvid") for name in RECIPES if name.endswith("_camvid"))
        raise RecipeError(f"no recipe to train {network!r} on a CPU; there are some for {there}")
    recipe = RECIPES[f"{network}_camvid"]()
    multiple = build_network(recipe, 2).size_multiple
    height, width = (-(-side // multiple) * multiple for side in SIZE)
    return dataclasses.replace(recipe, crop=(height, width), batch=BATCH)


def measure_network(recipe: Recipe, dataset: Dataset, threads: int, rounds: int, progress: Progress) -> dict[str, Any]:
    """The row of a network."""
    samples = open_samples(dataset, recipe.split, recipe.native_short_side, None)
    ours = TimedRun(recipe, dataset, samples, CPU)
    # One thread each, as a DataLoader's workers. With teams of their own, more threads would stand by than there are
    # cores, and OpenMP would put those of every step to sleep between two operations.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        nchw, channels_last = (
            PlainRun(recipe, dataset, workers, layout) for layout in (torch.contiguous_format, torch.channels_last)
        )
        steps: list[list[Callable[[], object]]] = [[ours.train_step], [nchw.train_step], [channels_last.train_step]]
        seconds = take_turns(steps, rounds, progress)[:, :, 0] / 1e3
    medians = np.median(seconds, axis=1)
    better = 1 + int(np.argmin(medians[1:]))
    return {
        "network": recipe.network,
        "recipe": recipe.name,
        "crop": recipe.crop,
        "precision": str(ours.precision).removeprefix("torch."),
        "images_per_second": {
            way: round(BATCH / median, 3) for way, median in zip(WAYS, medians.tolist(), strict=True)
        },
        "ratio": round(float(np.median(seconds[better] / seconds[0])), 3),
        "input_share": round(ours.input_seconds / ours.step_seconds, 4),
    }


class TimedRun(Run):
    """A run of ours that knows how long its steps took and how much of that its batches: decoding (here from memory),
    copying and augmenting."""

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
        self.network = build_network(recipe, len(dataset.labels.names), aux=True).to(memory_format=layout)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(recipe, self.network)
        self.stream = count()

    def train_step(self) -> None:
        positions = [next(self.stream) for _ in range(self.recipe.batch)]
        frames, labels = (torch.cat(part) for part in zip(*self.workers.map(self.sample, positions), strict=True))
        outputs = self.network(normalise(frames, self.recipe).contiguous(memory_format=self.layout))
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
        """A batch of one, decoded and augmented."""
        return augment(collate(self, self.recipe, range(position, position + 1)), self.recipe.crop)


def training_table(facts: dict[str, Any]) -> str:
    """What `measure_training` found, to be read."""
    machine = facts["machine"]
    busy = " (busy: trust the ratios)" if (machine["load"] or 0) > machine["cores"] / 2 else ""
    lines = [["network", "crop", "precision", *(f"{words}, images/s" for words in WAYS.values()), "times the better",
              "input's share"]]  # fmt: skip
    for row in facts["rows"]:
        rates = [f"{row['images_per_second'][way]:.2f}" for way in WAYS]
        crop = "x".join(map(str, row["crop"]))
        lines.append(
            [row["network"], crop, row["precision"], *rates, f"{row['ratio']:.2f}", f"{row['input_share']:.1%}"]
        )
    return "\n".join(
        [
            f"{machine['cpu']}, {facts['threads']} threads, load {machine['load']}{busy}; "
            f"torch {machine['versions']['torch']}; batch {facts['batch']}, {facts['rounds']} rounds",
            f"flags: {' '.join(machine['flags'])}",
            "",
            markdown_table(lines),
        ]
    )
