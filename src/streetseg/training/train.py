"""The training loop: recipe and dataset in, weights with their card out. Names no network and no dataset."""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import math
import sys
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import IGNORE, Dataset, readable
from streetseg.data.stats import class_weights
from streetseg.errors import DatasetError, NetworkError, OutputError, RecipeError, TrainingError, UsageError
from streetseg.models.networks import CLASSIFIERS, build
from streetseg.models.outputs import Network
from streetseg.models.weights import save_weights
from streetseg.runtime.card import ModelCard
from streetseg.runtime.files import make_folder
from streetseg.training.augment import augment
from streetseg.training.checkpoint import (
    clear_unfinished,
    load_checkpoint,
    only_run,
    save_checkpoint,
    save_classifier,
    versions,
)
from streetseg.training.dataset import (
    DROPOUT,
    LOSS_GRID,
    Samples,
    batches,
    count_pixels,
    open_data,
    open_samples,
    sample_index,
    stream_seed,
)
from streetseg.training.distributed import join, leave, lost_another, rank, share_buffers, summed, sync_norms, world
from streetseg.training.initial import initialise
from streetseg.training.interrupt import interrupts
from streetseg.training.log import Log
from streetseg.training.losses.losses import make_loss
from streetseg.training.recipe import Recipe, resolve
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.schedule import learning_rate, make_optimiser
from streetseg.training.validate import Judgement, TrainingEngine, validate, validate_classifier

LOG_EVERY = 10  # steps
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def train(
    recipe: Recipe | str,
    data: Dataset | LabelledImages | Path | str,
    out: Path | str,
    *,
    resume: bool = False,
    cache: Path | str | None = None,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Run a recipe on a dataset; returns the weights file.

    recipe: one, the name of one of ours, or a TOML file, NAME.toml. data: a dataset or its folder.
    out: a folder; gets checkpoint.pt (to resume from), log.jsonl, tensorboard/ (where TensorBoard is installed),
        NAME_best.safetensors (of the best evaluation, where the recipe evaluates) and at the end NAME.safetensors: the
        averaged weights, unfolded, with their card.
    resume: go on where the checkpoint of an interrupted run of the same recipe stands, to the bit; otherwise a folder
        that holds a run is refused.
    cache: folder of a memory-mapped cache of the decoded samples, for data larger than memory.
    workers: threads that make batches ahead, 0 or more.

    Started by torchrun, the processes share each batch. Ctrl-C writes a checkpoint and raises KeyboardInterrupt. Raises
    a StreetsegError for what is the caller's to mend.
    """
    if workers < 0:
        raise UsageError(f"workers must be 0 or more, got {workers}")
    out, cache = Path(out), None if cache is None else Path(cache)
    checkpoint = out / "checkpoint.pt"
    begun = load_checkpoint(checkpoint) if resume else None
    recipe = resolve(recipe_named(recipe) if isinstance(recipe, str) else recipe, begun and begun["recipe"])
    dataset = open_data(data, recipe) if isinstance(data, str | Path) else data
    if checkpoint.exists() and not resume:
        raise OutputError(f"{out} already holds a run; go on with it by --resume, or choose another --out")
    with ExitStack() as locks:
        try:
            device = join()
            if rank() == 0:
                make_folder(out)
                locks.enter_context(only_run(out))
                clear_unfinished(out)
            samples = open_samples(dataset, recipe.split, recipe.native_short_side, cache)
            run = Run(recipe, dataset, samples, device, workers, cache)
            if recipe.evaluate_every:  # what is wrong with its frames is to be said now, not after hours
                run.open_judged()
            if begun is not None:
                run.load_state(begun, checkpoint)
            del begun  # as large as the network, its average and the optimiser together
            weights = carry_out(run, out, progress and rank() == 0)
            leave()
        except (RuntimeError, MemoryError) as error:
            known = explain(error, recipe)
            if known is None:
                raise
            raise known from None
    return weights


def carry_out(run: Run, out: Path, progress: bool) -> Path:
    """Every step from where the run stands to the last; returns the weights file."""
    recipe, main = run.recipe, rank() == 0
    checkpoint = out / "checkpoint.pt"
    if not run.step and recipe.init:
        taken = run.start_from(Path(recipe.init))
        if progress:
            tqdm.write(taken, file=sys.stderr)
    bar = tqdm(
        initial=run.step,
        total=recipe.iterations,
        disable=not progress,
        mininterval=0.5 if sys.stderr.isatty() else 60,  # a log file wants a line now and then
    )
    start, first = time.monotonic(), run.step
    with interrupts() as asked, bar, Log(out, run.step) if main else nullcontext() as log:
        while run.step < recipe.iterations:
            entry: dict[str, Any] = run.train_step()
            stop = run.step < recipe.iterations and bool(summed(torch.tensor(asked(), device=run.device).int()))
            bar.update()
            judged: dict[str, float] = {}
            pictures: dict[str, NDArray[np.uint8]] = {}
            if due(run.step, recipe.evaluate_every, recipe):
                try:
                    judged, pictures = run.evaluate()
                except Exception:  # when its cause is mended, the run goes on from here
                    if log:
                        keep(run, log, checkpoint)
                    raise
                entry |= judged
                if run.improved(judged) and main:
                    run.save_average(out / f"{recipe.name}_best.safetensors")
            if due(run.step, LOG_EVERY, recipe) or judged:
                entry["images_per_second"] = round((run.step - first) * recipe.batch / (time.monotonic() - start), 2)
                figures = {name: f"{value:.4g}" for name, value in entry.items()} | run.best_so_far()
                bar.set_postfix(figures, refresh=False)  # at the bar's own pace, for who keeps it in a file
                if log:
                    log.add(run.step, entry, pictures)
            if (stop or due(run.step, recipe.checkpoint_every, recipe)) and log:
                keep(run, log, checkpoint)
            if stop:
                raise KeyboardInterrupt
    weights = out / f"{recipe.name}.safetensors"
    if main:
        run.save_average(weights)
    return weights


def keep(run: Run, log: Log, checkpoint: Path) -> None:
    """Write the run's checkpoint, if it is one to go on from."""
    run.check_weights()
    log.sync()
    save_checkpoint(checkpoint, run.state())


def due(step: int, every: int, recipe: Recipe) -> bool:
    """Whether what is done every so many steps (0: never), and after the last, is to be done after this one."""
    return every > 0 and (step % every == 0 or step == recipe.iterations)


class Run:
    """A run's moving parts: network, average, optimiser, step. Everything random follows from seed and step."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset | LabelledImages,
        samples: Samples,
        device: torch.device,
        workers: int = 0,
        cache: Path | None = None,
    ) -> None:
        self.recipe, self.dataset, self.samples, self.device, self.workers = recipe, dataset, samples, device, workers
        self.cache = cache
        self.classes = dataset.names if isinstance(dataset, LabelledImages) else dataset.labels.names
        check_shares(recipe, len(samples.names))
        keep_memory()
        torch.manual_seed(recipe.seed)
        self.network = build_network(recipe, len(self.classes), aux=True).to(device)
        self.average = build_network(recipe, len(self.classes)).to(device).eval().requires_grad_(False)
        unsupervised = check_heads(recipe, self.network, device)
        if world() > 1 and recipe.sync_norms:
            self.network = sync_norms(self.network, device)
        self.optimiser = make_optimiser(recipe, self.network)
        self.precision = arithmetic(recipe, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == torch.float16)
        self.model = torch.compile(self.network) if recipe.compile else self.network
        if world() > 1:
            self.model = DistributedDataParallel(self.model, find_unused_parameters=unsupervised)
        weights = weigh_classes(recipe, samples, len(self.classes)).to(device)
        self.loss = make_loss(recipe, weights, getattr(self.network, "align_corners", False))
        self.step = 0
        self.best: dict[str, float] = {}

    def train_step(self) -> dict[str, float]:
        """One step; returns its loss terms, over all processes and parts of the batch, and the learning rate."""
        recipe = self.recipe
        rate = learning_rate(recipe, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        torch.manual_seed(stream_seed(DROPOUT, recipe.seed, self.step * world() + rank()))
        generator = torch.Generator().manual_seed(stream_seed(LOSS_GRID, recipe.seed, self.step))
        self.optimiser.zero_grad()
        sums: dict[str, Tensor] = {}
        for part in range(recipe.accumulate):
            frames, labels = self.next_batch()
            with self.gradients_shared(after=part == recipe.accumulate - 1):
                with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                    outputs = self.model(normalise(frames, recipe))
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
        """Augmented frames (N x 3 x H x W, 0 to 1) and labels of this process's next part of a batch."""
        if not hasattr(self, "batches"):
            self.batches = batches(self.samples, self.recipe, self.step, self.workers)
        batch = next(self.batches)
        frames, labels = batch.frames.to(self.device), batch.labels.to(self.device)
        return augment(dataclasses.replace(batch, frames=frames, labels=labels), self.recipe.crop)

    def gradients_shared(self, after: bool) -> AbstractContextManager[None]:
        """Processes exchange their gradients after the last part of a batch only."""
        if after or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = self.model.no_sync()
        return context

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
                recipe, names = self.recipe, self.samples.names
                stream = range(self.step * recipe.batch, (self.step + 1) * recipe.batch)
                files = ", ".join(names[sample_index(at, len(names), recipe.seed)] for at in stream)
                raise TrainingError(
                    f"step {self.step}: loss term {name!r} is {value}; the batch was {files}; "
                    "start anew in another --out, with a lower learning_rate"
                )

    def check_weights(self) -> None:
        """Stop a run whose weights are no numbers any more: a finite loss may have a gradient that is not."""
        for network in (self.network, self.average):
            for name, tensor in network.state_dict().items():
                if not tensor.isfinite().all():
                    raise TrainingError(
                        f"step {self.step}: {name} holds values that are no numbers; what was saved before stands; "
                        "start anew in another --out, with a lower learning_rate"
                    )

    def evaluate(self) -> Judgement:
        """What the averaged weights reach on the recipe's evaluate_split, and pictures of it."""
        if not self.recipe.sync_norms:  # each process has its own statistics, and what is kept is the first one's
            share_buffers(self.average)

        def logits(frames: Tensor) -> Tensor:
            with (
                torch.inference_mode(),
                torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32),
            ):
                found: Tensor = self.average(normalise(frames, self.recipe)).logits
            return found

        engine = TrainingEngine(logits, self.device)
        if isinstance(self.dataset, LabelledImages):
            return validate_classifier(engine, self.dataset, self.recipe.evaluate_split, self.recipe.crop)
        return validate(engine, self.card(self.dataset), self.judged)

    @cached_property
    def judged(self) -> Samples:
        """The samples of evaluate_split at their own size."""
        return open_samples(self.dataset, self.recipe.evaluate_split, sys.maxsize, self.cache)

    def open_judged(self) -> None:
        """Open what evaluations judge; DatasetError where it cannot be used."""
        if isinstance(self.dataset, LabelledImages):
            self.dataset.items(self.recipe.evaluate_split)
        elif all((self.judged.read(i)[1] == IGNORE).all() for i in range(len(self.judged.names))):
            raise self.dataset.unlabelled(self.recipe.evaluate_split)

    def improved(self, judged: dict[str, float]) -> bool:
        """Whether an evaluation is better than those before, by its first figure; if so, it is the best now."""
        figure = next(iter(judged))
        if judged[figure] <= self.best.get(figure, -1):
            return False
        self.best = {figure: judged[figure], "step": self.step}
        return True

    def best_so_far(self) -> dict[str, str]:
        """For the progress bar."""
        return {f"best {name}": f"{value:.4g}" for name, value in self.best.items() if name != "step"}

    def start_from(self, path: Path) -> str:
        """Take over other weights as far as they fit; returns a line that says how far."""
        with torch.device("meta"):
            wider = build_network(self.recipe, len(self.classes) + 1, aux=True)
        return initialise(self.network, wider, self.recipe.network, self.classes, path)

    def save_average(self, path: Path) -> None:
        """Write the averaged weights with what their user must know."""
        self.check_weights()
        if isinstance(self.dataset, LabelledImages):
            facts = {"network": self.recipe.network, "training_data": self.dataset.name, "classes": self.classes}
            save_classifier(path, self.average.state_dict(), facts | self.origin())
        else:
            save_weights(path, self.average.state_dict(), self.card(self.dataset))

    def origin(self) -> dict[str, Any]:
        """What went into the weights, for their card."""
        recipe = {
            name: readable(value) if isinstance(value, str) else value
            for name, value in dataclasses.asdict(self.recipe).items()
        }
        return {"recipe": recipe, "seed": self.recipe.seed, "package_version": version("streetseg")}

    def card(self, dataset: Dataset) -> ModelCard:
        """The card of the averaged weights."""
        recipe, network = self.recipe, self.network
        return ModelCard(
            network=recipe.network,
            network_arguments=recipe.network_arguments,
            classes=self.classes,
            colours=dataset.labels.colours,
            mean=recipe.mean,
            std=recipe.std,
            output_stride=network.output_stride,
            size_multiple=network.size_multiple,
            align_corners=network.align_corners,
            native_short_side=recipe.native_short_side,
            operating_scale=recipe.operating_scale,
            training_data=readable(f"{dataset.name}, split {recipe.split}"),
            terms=dataset.terms,
            limits=dataset.limits,
            **self.origin(),
        )

    def state(self) -> dict[str, Any]:
        """All that `load_state` needs to go on, and what made it."""
        return {
            "step": self.step,
            "best": self.best,
            "recipe": dataclasses.asdict(self.recipe),
            "classes": self.classes,
            "frames": self.frames(),
            "versions": versions(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def frames(self) -> str:
        """What the names of the samples come to, which the order of training hangs on."""
        return hashlib.sha256("\n".join(self.samples.names).encode(errors="surrogateescape")).hexdigest()

    def load_state(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint of the same recipe on the same classes and frames."""
        ours = dataclasses.asdict(self.recipe) | {"classes": self.classes}
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
        self.step, self.best = state["step"], state["best"]


def keep_memory() -> None:
    """Let glibc keep the memory of large tensors for the next step: otherwise it returns all above 32 MB at once, and
    the kernel clears every page again, for up to a seventh of a step's time. It holds for the whole process."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def build_network(recipe: Recipe, num_classes: int, aux: bool = False) -> Network:
    """The recipe's network for its task, channels last. (A classifier has no strides, and nobody asks for them.)"""
    if taken := [name for name in ("num_classes", "in_channels", "aux") if name in recipe.network_arguments]:
        raise RecipeError(f"network_arguments cannot hold {taken[0]}, which training sets itself; leave it out")
    if recipe.task == "segmentation":
        network = build(recipe.network, num_classes, aux=aux, **recipe.network_arguments)
    elif recipe.network in CLASSIFIERS:
        network = cast(Network, CLASSIFIERS[recipe.network](num_classes, **recipe.network_arguments))
    else:
        raise NetworkError(f"no classifier {recipe.network!r}; there are {', '.join(CLASSIFIERS)}")
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def check_shares(recipe: Recipe, samples: int) -> None:
    """Refuse a batch that the processes cannot share equally."""
    if world() > samples:
        raise TrainingError(f"{world()} processes for {samples} samples; start at most {samples}")
    if recipe.batch % (world() * recipe.accumulate):
        raise TrainingError(
            f"batch {recipe.batch} cannot be shared equally by {world()} processes that take it in {recipe.accumulate} "
            f"parts each; make it a multiple of {world() * recipe.accumulate}"
        )


def check_heads(recipe: Recipe, network: Network, device: torch.device) -> bool:
    """Refuse losses on heads that the network does not have, or of the other kind; returns whether it has heads without
    a loss."""
    least = 2 * getattr(network, "size_multiple", 32)
    with torch.inference_mode():
        outputs = network.eval()(torch.zeros(1, 3, least, least, device=device))
    network.train()
    heads = outputs.aux.keys()
    supervised = recipe.aux_weights.keys() | recipe.detail_weights.keys()
    if not supervised <= heads:
        unknown, there = ", ".join(sorted(supervised - heads)), ", ".join(sorted(heads)) or "none"
        raise RecipeError(f"{recipe.network} has no auxiliary head {unknown}; there are {there}")
    for head in supervised:
        detail = outputs.aux[head].shape[1] != outputs.logits.shape[1]
        if head in (recipe.aux_weights if detail else recipe.detail_weights):
            place = "detail_weights" if detail else "aux_weights"
            raise RecipeError(f"head {head} of {recipe.network} belongs in {place}, by what it predicts")
    return bool(heads - supervised)


def arithmetic(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The recipe's precision on this device; "auto" is bf16 where it runs in hardware, elsewhere it would be slower."""
    if recipe.precision == "float16" and device.type != "cuda":
        raise TrainingError("precision float16 needs a GPU; take float32 or bfloat16")
    if recipe.precision != "auto":
        found: torch.dtype = getattr(torch, recipe.precision)
        return found
    if device.type == "cuda":
        bf16: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if bf16 else torch.float32


def weigh_classes(recipe: Recipe, samples: Samples, num_classes: int) -> Tensor:
    """The weight of each class in the loss (see Recipe.class_weight_power)."""
    if not recipe.class_weight_power:
        return torch.ones(num_classes)
    counts = count_pixels(samples, num_classes)
    if not counts.any():
        raise DatasetError(f"no pixel of split {recipe.split!r} has a class that counts; look at streetseg data stats")
    return torch.from_numpy(class_weights(counts, recipe.class_weight_power)).float()


def normalise(frames: Tensor, recipe: Recipe) -> Tensor:
    """frames 0 to 1 -> zero mean and unit variance by the recipe's statistics, channels last."""
    mean = torch.tensor(recipe.mean, device=frames.device).view(3, 1, 1) / 255
    std = torch.tensor(recipe.std, device=frames.device).view(3, 1, 1) / 255
    return ((frames - mean) / std).contiguous(memory_format=torch.channels_last)


def explain(error: Exception, recipe: Recipe) -> TrainingError | None:
    """The user's error behind one of torch's; None where there is none."""
    memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
    if memory:
        height, width = recipe.crop
        return TrainingError(
            f"out of memory with batch {recipe.batch} in {recipe.accumulate} parts on {world()} processes and crop "
            f"{height} x {width}; lower batch or crop, or raise accumulate"
        )
    if recipe.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        cause = str(error).strip().splitlines()[0]
        return TrainingError(
            f"PyTorch cannot compile {recipe.network} here ({cause}); install a C++ compiler that it finds (g++, or "
            "what CXX names), or train without: --set compile=false"
        )
    if lost_another(error):
        return TrainingError("another process of the run has ended; when its cause is mended, go on with --resume")
    return None
