"""The training loop: recipe and dataset in, weights with their card out. Names no network and no dataset."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from streetseg.data.pairs import Dataset
from streetseg.errors import OutputError, TrainingError
from streetseg.models.checkpoints import save_weights
from streetseg.models.outputs import Network, Outputs
from streetseg.models.table import build
from streetseg.runtime.card import ModelCard
from streetseg.runtime.files import make_folder
from streetseg.training.augment import augment, draw_view
from streetseg.training.checkpoint import append_log, load_checkpoint, save_checkpoint
from streetseg.training.dataset import Samples, batch_indices, load_samples
from streetseg.training.losses.ohem import ohem_cross_entropy
from streetseg.training.losses.upsampling import upsample_at
from streetseg.training.recipe import Recipe


def train(recipe: Recipe, dataset: Dataset, out: Path, *, resume: bool = False, progress: bool = True) -> Path:
    """Run a recipe on a dataset; returns the weights file.

    out: a folder; gets checkpoint.pt (to resume from), log.jsonl, and NAME.safetensors: the averaged weights, unfolded,
    with their card. With `resume` an interrupted run of the same recipe goes on where its checkpoint stands; without,
    a folder that holds a run is refused.
    """
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise OutputError(f"{out} already holds a run; go on with it by --resume, or choose another --out")
    make_folder(out)
    samples = load_samples(dataset, recipe.split, recipe.native_short_side)
    torch.manual_seed(recipe.seed)
    run = Run(recipe, samples, len(dataset.labels.names))
    if resume:
        run.load_state(load_checkpoint(checkpoint), checkpoint)

    steps = tqdm(
        range(run.step, recipe.iterations),
        initial=run.step,
        total=recipe.iterations,
        disable=not progress,
        mininterval=0.5 if sys.stderr.isatty() else 60,  # a log file wants a line now and then
    )
    start, first = time.monotonic(), run.step
    for step in steps:
        terms = run.train_step()
        if run.step % recipe.checkpoint_every == 0 or run.step == recipe.iterations:
            rate = (run.step - first) * recipe.batch / (time.monotonic() - start)
            append_log(out / "log.jsonl", {"step": run.step, **terms, "images_per_second": round(rate, 2)})
            save_checkpoint(checkpoint, run.state())
        if step % 10 == 0:
            steps.set_postfix({name: f"{value:.3f}" for name, value in terms.items()})

    weights = out / f"{recipe.name}.safetensors"
    save_weights(weights, run.average.state_dict(), card_for(recipe, dataset, run.network))
    return weights


class Run:
    """A run's moving parts: network, average, optimiser, step. Everything random follows from seed and step."""

    def __init__(self, recipe: Recipe, samples: Samples, num_classes: int) -> None:
        self.recipe, self.samples = recipe, samples
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = build(recipe.network, num_classes, aux=True).to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = build(recipe.network, num_classes).to(self.device).eval().requires_grad_(False)
        self.optimiser = make_optimiser(recipe, self.network)
        self.class_weights = weigh_classes(recipe, samples.labels, num_classes).to(self.device)
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One step; returns its loss terms and the learning rate."""
        recipe = self.recipe
        frames, labels = self.batch()
        rate = learning_rate(recipe, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self.autocast():
            outputs = self.network(normalise(frames, recipe))
        terms = self.losses(outputs, labels)
        total = terms["main"] + sum(weight * terms[name] for name, weight in recipe.aux_weights.items())
        values = {name: term.item() for name, term in terms.items()}
        self.check_finite(values)
        self.optimiser.zero_grad()
        torch.autograd.backward(total)
        self.optimiser.step()
        self.step += 1
        self.update_average()
        return values | {"learning_rate": rate}

    def batch(self) -> tuple[Tensor, Tensor]:
        """Augmented frames (N x 3 x H x W, 0 to 1) and labels (N x H x W) of this step."""
        recipe, samples = self.recipe, self.samples
        indices = batch_indices(self.step, recipe.batch, len(samples.names), recipe.seed)
        frames = samples.frames[indices].to(self.device).float() / 255
        labels = samples.labels[indices].to(self.device)
        size = (frames.shape[2], frames.shape[3])
        views = [
            draw_view(seed, size, recipe.crop, recipe.scale, recipe.aspect, recipe.jitter)
            for seed in sample_seeds(recipe.seed, self.step, recipe.batch)
        ]
        return augment(frames, labels, views, recipe.crop)

    def losses(self, outputs: Outputs, labels: Tensor) -> dict[str, Tensor]:
        """The loss terms: "main" and one a supervised auxiliary head."""
        recipe = self.recipe
        heads = {"main": outputs.logits} | {name: outputs.aux[name] for name in recipe.aux_weights}
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.step)
        terms = {}
        for name, logits in heads.items():
            stride = recipe.loss_stride if name == "main" else recipe.aux_loss_stride
            row, column = torch.randint(stride, (2,), generator=generator).tolist()
            rows = torch.arange(row, labels.shape[1], stride)
            columns = torch.arange(column, labels.shape[2], stride)
            sampled = upsample_at(
                logits.float(), (labels.shape[1], labels.shape[2]), rows, columns, self.network.align_corners
            )
            label = labels[:, row::stride, column::stride]
            terms[name] = ohem_cross_entropy(
                sampled,
                label,
                threshold=recipe.ohem_threshold,
                min_kept=int(recipe.ohem_min_kept * label.numel()),
                class_weights=self.class_weights,
            )
        return terms

    def update_average(self) -> None:
        """Exponential moving average of weights and norm statistics; shorter at the start, so that the random
        initial weights do not linger."""
        decay = min(self.recipe.ema_decay, self.step / (self.step + 10))
        current = self.network.state_dict()
        for name, averaged in self.average.state_dict().items():
            if averaged.is_floating_point():
                averaged.lerp_(current[name], 1 - decay)
            else:
                averaged.copy_(current[name])

    def check_finite(self, terms: dict[str, float]) -> None:
        """Stop a run whose loss is no number any more."""
        for name, value in terms.items():
            if not math.isfinite(value):
                indices = batch_indices(self.step, self.recipe.batch, len(self.samples.names), self.recipe.seed)
                files = ", ".join(self.samples.names[i] for i in indices)
                raise TrainingError(
                    f"step {self.step}: loss term {name!r} is {value}; the batch was {files}; "
                    "lower the learning rate, or go back to the last checkpoint"
                )

    def autocast(self) -> torch.autocast:
        """bf16 where the machine multiplies it in hardware; elsewhere it would only be slower."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=multiplies_bf16(self.device))

    def state(self) -> dict[str, Any]:
        """All that `load_state` needs to go on."""
        return {
            "step": self.step,
            "recipe": dataclasses.asdict(self.recipe),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint of the same recipe."""
        if state["recipe"] != dataclasses.asdict(self.recipe):
            ours = dataclasses.asdict(self.recipe)
            changed = [key for key in ours if ours[key] != state["recipe"].get(key)]
            raise TrainingError(
                f"{source} is of a run with other settings of {', '.join(changed)}; resume with the same"
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def make_optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser; weight decay on convolutions only, not on norms and biases."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, momentum=recipe.momentum)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, recipe.learning_rate, betas=(recipe.momentum, 0.999), fused=True)
    raise TrainingError(f"unknown optimiser {recipe.optimiser!r}; there are sgd, adamw")


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then the poly schedule: (1 - step / iterations) ** poly_power."""
    warmup = min(1.0, (step + 1) / max(recipe.warmup_iterations, 1))
    poly: float = (1 - step / recipe.iterations) ** recipe.poly_power
    return recipe.learning_rate * warmup * poly


def weigh_classes(recipe: Recipe, labels: Tensor, num_classes: int) -> Tensor:
    """The weight of each class in the loss (see Recipe.class_weight_power)."""
    counts = torch.bincount(labels.flatten(), minlength=256)[:num_classes].double()
    weights = torch.log(1.02 + counts / counts.sum()) ** -recipe.class_weight_power
    return (weights / weights.mean()).float()


def sample_seeds(seed: int, step: int, batch: int) -> list[int]:
    """A seed for each sample of a step; no two samples of a run share one."""
    return [(seed << 40) + step * batch + n for n in range(batch)]


def normalise(frames: Tensor, recipe: Recipe) -> Tensor:
    """frames 0 to 1 -> zero mean and unit variance by the recipe's statistics, channels last."""
    mean = torch.tensor(recipe.mean, device=frames.device).view(3, 1, 1) / 255
    std = torch.tensor(recipe.std, device=frames.device).view(3, 1, 1) / 255
    return ((frames - mean) / std).contiguous(memory_format=torch.channels_last)


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products run in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def card_for(recipe: Recipe, dataset: Dataset, network: Network) -> ModelCard:
    """The card of weights that this recipe made on this dataset."""
    return ModelCard(
        network=recipe.network,
        classes=dataset.labels.names,
        colours=dataset.labels.colours,
        mean=recipe.mean,
        std=recipe.std,
        output_stride=network.output_stride,
        size_multiple=network.size_multiple,
        align_corners=network.align_corners,
        native_short_side=recipe.native_short_side,
        training_data=f"{dataset.name}, split {recipe.split}",
        terms=dataset.terms,
        limits=dataset.limits,
        recipe=dataclasses.asdict(recipe),
        seed=recipe.seed,
        package_version=version("streetseg"),
    )
