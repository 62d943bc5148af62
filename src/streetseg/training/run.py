"""The state of a run: network, average, optimiser and step. All random numbers depend on the seed and the step only."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from streetseg.errors import RecipeError, TrainingError
from streetseg.models.outputs import Network
from streetseg.runtime.provenance import Ancestor
from streetseg.training.augment import Batch, augment
from streetseg.training.checkpoint import versions
from streetseg.training.dataset import DROPOUT, LOSS_GRID, Samples, batches, sample_index, stream_seed
from streetseg.training.device import keep_freed_memory, precision_on
from streetseg.training.distributed import check_shares, rank, share_buffers, summed, sync_norms, world
from streetseg.training.initial import ancestors_in, initialise
from streetseg.training.losses.heads import check_heads
from streetseg.training.losses.losses import Loss
from streetseg.training.recipe import Recipe
from streetseg.training.schedule import Schedule, make_optimiser
from streetseg.training.tasks.task import Task, Validation


class Run:
    """A run's state, and its steps. `Run.open` makes one from a task.

    Attributes:
        task: The run's task.
        recipe: The resolved recipe.
        samples: The samples that it trains on.
        network: The network in training.
        model: The network as a step calls it: compiled, or sharing its gradients with other processes.
        average: The averaged weights, without the heads that only training uses.
        optimiser: The optimiser of the network's parameters.
        schedule: The learning rate of each step.
        loss: The loss of a batch.
        precision: The precision of the network's arithmetic.
        scaler: Scales the loss of a run in float16.
        step: Number of steps done.
        best: The figure that decides, at the best evaluation, and that evaluation's step.
        stale: Number of evaluations since the best one.
        request: What the checkpoint keeps of the call that began the run.
        batches: This process's batches from `step` on; made at the first step.
    """

    def __init__(
        self,
        task: Task,
        samples: Samples,
        device: torch.device,
        workers: int,
        network: Network,
        average: Network,
        loss: Loss,
        unsupervised: bool,
    ) -> None:
        recipe = task.recipe
        self.task, self.recipe, self.samples, self.device, self.workers = task, recipe, samples, device, workers
        self.network, self.average, self.loss = network, average, loss
        self.optimiser = optimiser_of(recipe, network)
        self.schedule = schedule_of(recipe)
        self.precision = precision_on(device, recipe.precision)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == torch.float16)
        self.model = torch.compile(network) if recipe.compile else network
        if world() > 1:
            self.model = DistributedDataParallel(self.model, find_unused_parameters=unsupervised)
        self.step = 0
        self.best: dict[str, float] = {}
        self.stale = 0
        self.request: dict[str, Any] = {}
        self.batches: Iterator[Batch] | None = None

    @classmethod
    def open(cls, task: Task, device: torch.device, *, samples: Samples | None = None, workers: int = 0) -> Self:
        """Set a run up, before its first step.

        Args:
            task: The run's task.
            device: The device of network and batches.
            samples: The samples to train on; None opens the task's.
            workers: Threads that make batches ahead.

        Raises:
            StreetsegError: The recipe, the data and the machine do not fit together.
        """
        recipe = task.recipe
        samples = samples or task.open_samples()
        check_shares(len(samples.names), recipe.batch, recipe.accumulate)
        keep_freed_memory()
        torch.manual_seed(recipe.seed)
        network = task.build_network(len(task.classes), aux=True).to(device)
        check_crop(recipe.network, recipe.crop, getattr(network, "size_multiple", 1))
        average = task.build_network(len(task.classes)).to(device).eval().requires_grad_(False)
        unsupervised = has_unsupervised_heads(task, network, device)
        if world() > 1 and recipe.sync_norms:
            network = sync_norms(network, device)
        loss = task.make_loss(samples, network, device)
        return cls(task, samples, device, workers, network, average, loss, unsupervised)

    def train_step(self) -> dict[str, float]:
        """Take one step.

        Returns:
            The terms of the loss, over all processes and parts of the batch, and the learning rate.
        """
        recipe = self.recipe
        rate = self.schedule.rate(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        torch.manual_seed(stream_seed(DROPOUT, recipe.seed, self.step * world() + rank()))
        generator = torch.Generator().manual_seed(stream_seed(LOSS_GRID, recipe.seed, self.step))
        self.optimiser.zero_grad()
        sums: dict[str, Tensor] = {}
        for part in range(recipe.accumulate):
            frames, labels = self.next_batch()
            with self.gradients_shared(after=part == recipe.accumulate - 1):
                with self.autocast():
                    outputs = self.model(normalise(frames, recipe.mean, recipe.std))
                terms = self.loss(outputs, labels, generator)
                torch.autograd.backward(self.scaler.scale(terms["total"] / recipe.accumulate))
            for name, term in terms.items():
                sums[name] = sums.get(name, 0) + term.detach() / (recipe.accumulate * world())
        values = dict(zip(sums, summed(torch.stack(list(sums.values()))).tolist(), strict=True))
        self.check_finite(values)
        if recipe.clip_norm:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        self.update_average()
        return values | {"learning_rate": rate}

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """Return augmented frames, N x 3 x H x W, 0 to 1, and labels of this process's next part of a batch."""
        if self.batches is None:
            self.batches = batches(
                self.samples,
                self.task.views,
                batch=self.recipe.batch,
                accumulate=self.recipe.accumulate,
                seed=self.recipe.seed,
                step=self.step,
                workers=self.workers,
            )
        batch = next(self.batches)
        frames, labels = batch.frames.to(self.device), batch.labels.to(self.device)
        return augment(dataclasses.replace(batch, frames=frames, labels=labels), self.recipe.crop)

    def autocast(self) -> torch.autocast:
        """Return a context in which the network computes in the run's precision."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def gradients_shared(self, after: bool) -> AbstractContextManager[None]:
        """Return a context in which processes exchange their gradients after the last part of a batch only."""
        if after or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = self.model.no_sync()
        return context

    def update_average(self) -> None:
        """Move the average of weights and norm statistics towards the network.

        The average is shorter at the start, so that the random initial weights do not linger.
        """
        decay = min(self.recipe.ema_decay, self.step / (self.step + 10))
        current = self.network.state_dict()
        for name, averaged in self.average.state_dict().items():
            if averaged.is_floating_point():
                averaged.lerp_(current[name], 1 - decay)
            else:
                averaged.copy_(current[name])

    def check_finite(self, terms: dict[str, float]) -> None:
        """Raise TrainingError if a term of the loss is NaN or infinite."""
        for name, value in terms.items():
            if not math.isfinite(value):
                recipe, names = self.recipe, self.samples.names
                stream = range(self.step * recipe.batch, (self.step + 1) * recipe.batch)
                files = ", ".join(names[sample_index(at, len(names), recipe.seed)] for at in stream)
                raise TrainingError(
                    f"step {self.step}: loss term {name!r} is {value}; the batch was {files}; "
                    "start anew in another --out, with a lower learning_rate"
                )

    def check_weights(self) -> None:
        """Raise TrainingError if a weight is NaN or infinite: a finite loss may have a gradient that is not."""
        for network in (self.network, self.average):
            for name, tensor in network.state_dict().items():
                if not tensor.isfinite().all():
                    raise TrainingError(
                        f"step {self.step}: {name} holds NaN or infinity; files saved before are intact; "
                        "start anew in another --out, with a lower learning_rate"
                    )

    def evaluate(self) -> Validation:
        """Return the figures of the averaged weights on the recipe's evaluate_split."""
        if not self.recipe.sync_norms:  # each process has statistics of its own; the first one's are kept
            share_buffers(self.average)

        def logits(frames: Tensor) -> Tensor:
            with torch.inference_mode(), self.autocast():
                result: Tensor = self.average(normalise(frames, self.recipe.mean, self.recipe.std)).logits
            return result

        return self.task.validate(self.average, logits, self.device)

    def improved(self, figures: dict[str, float]) -> bool:
        """Return True if an evaluation's first figure is the best so far, and remember the outcome."""
        name = next(iter(figures))
        if figures[name] <= self.best.get(name, -1):
            self.stale += 1
            return False
        self.best, self.stale = {name: figures[name], "step": self.step}, 0
        return True

    @property
    def ended(self) -> bool:
        """Return True after the last step, or if the recipe's patience is at its end."""
        return self.step >= self.recipe.iterations or 0 < self.recipe.patience <= self.stale

    @property
    def best_figures(self) -> dict[str, float]:
        """The figure that decides, at the best evaluation; empty before the first one."""
        return {name: value for name, value in self.best.items() if name != "step"}

    @property
    def best_step(self) -> int | None:
        """The step of the best evaluation; None before the first one."""
        return int(self.best["step"]) if self.best else None

    def start_from(self, path: Path) -> str:
        """Load other weights as far as they fit, and take their ancestry over; return a line that says what fits."""
        with torch.device("meta"):
            wider = self.task.build_network(len(self.task.classes) + 1, aux=True)
        start = initialise(self.network, wider, self.recipe.network, self.task.classes, path, self.task.mapping)
        self.task.ancestors = start.ancestors
        return start.line

    def save_average(self, path: Path) -> None:
        """Write the averaged weights with their card, or a backbone's with its origin."""
        self.check_weights()
        self.task.save_weights(path, self.average)

    def state(self) -> dict[str, Any]:
        """Return the state for `load_state`, with the versions that made it."""
        return {
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "recipe": dataclasses.asdict(self.recipe),
            "classes": self.task.classes,
            "frames": self.frames(),
            "ancestors": [dataclasses.asdict(one) for one in self.task.ancestors],
            "request": self.request,
            "versions": versions(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def frames(self) -> str:
        """Return a hash of the samples' names, which decide the order of training."""
        return hashlib.sha256("\n".join(self.samples.names).encode(errors="surrogateescape")).hexdigest()

    def load_state(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint of the same recipe on the same classes and frames.

        Args:
            state: The result of `state`.
            source: The checkpoint's file, for messages.

        Raises:
            TrainingError: The checkpoint is of another run.
        """
        ours = dataclasses.asdict(self.recipe) | {"classes": self.task.classes}
        theirs = state["recipe"] | {"classes": state["classes"]}
        changed = [key for key in ours if ours[key] != theirs.get(key, ours[key])]  # older ones lack newer fields
        if changed:
            raise TrainingError(
                f"{source} is of a run with other settings of {', '.join(changed)}; resume with the same, or begin "
                "another run from its weights (--init, and another --out)"
            )
        if state.get("frames", self.frames()) != self.frames():  # older checkpoints do not say
            raise TrainingError(f"{source} is of a run on other frames; resume with the same data")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.best, self.stale = state["step"], state["best"], state.get("stale", 0)
        self.task.ancestors = self.ancestors_of(state)

    def ancestors_of(self, state: dict[str, Any]) -> tuple[Ancestor, ...]:
        """Return the ancestors in a checkpoint; those of 0.1.0 only name the file that the run started from."""
        if "ancestors" in state:
            return tuple(Ancestor.of(one) for one in state["ancestors"])
        return ancestors_in(Path(self.recipe.init), self.recipe.network) if self.recipe.init else ()


def has_unsupervised_heads(task: Task, network: Network, device: torch.device) -> bool:
    """Return True if a head of the network has no loss; RecipeError if a loss has no head."""
    side = task.least_side(network)
    with torch.inference_mode():
        outputs = network.eval()(torch.zeros(1, 3, side, side, device=device))
    network.train()
    recipe = task.recipe
    return check_heads(recipe.network, outputs, recipe.aux_weights, recipe.detail_weights)


def check_crop(network: str, crop: tuple[int, int], multiple: int) -> None:
    """Raise RecipeError if a crop's sides are no multiples of the network's size multiple."""
    if any(side % multiple for side in crop):
        height, width = (-(-side // multiple) * multiple for side in crop)
        raise RecipeError(
            f"crop {crop[0]} x {crop[1]} does not fit {network}, which takes multiples of {multiple}; "
            f"take {height} x {width}"
        )


def optimiser_of(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Return the recipe's optimiser of a network."""
    return make_optimiser(
        network,
        optimiser=recipe.optimiser,
        learning_rate=recipe.learning_rate,
        factors=recipe.learning_rate_factors,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        decay_norms=recipe.decay_norms,
    )


def schedule_of(recipe: Recipe) -> Schedule:
    """Return the recipe's learning rate, step by step."""
    return Schedule(
        learning_rate=recipe.learning_rate,
        iterations=recipe.iterations,
        schedule=recipe.schedule,
        poly_power=recipe.poly_power,
        step_at=recipe.step_at,
        warmup=recipe.warmup,
        warmup_iterations=recipe.warmup_iterations,
        warmup_start=recipe.warmup_start,
    )


def normalise(frames: Tensor, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Tensor:
    """Return frames, 0 to 1, with zero mean and unit variance by statistics of 0 to 255; channels last."""
    centre = torch.tensor(mean, device=frames.device).view(3, 1, 1) / 255
    spread = torch.tensor(std, device=frames.device).view(3, 1, 1) / 255
    return ((frames - centre) / spread).contiguous(memory_format=torch.channels_last)
