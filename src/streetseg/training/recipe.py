"""A recipe: every number of a training run, flat and frozen. It imports no torch, so that listing recipes is quick."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streetseg.errors import RecipeError
from streetseg.runtime.artefact import CHECKPOINT_SUFFIXES, convert_first, read_card
from streetseg.runtime.card import MAX_OPERATING_SCALE

# Statistics of ImageNet in units of 0 to 255, the input convention of all four papers' code.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

SEEDS = 1 << 32  # torch's generator reads 32 bits of a seed


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a training run.

    Sizes are in pixels, rates are per step of the optimiser, probabilities and shares are 0 to 1.

    Raises:
        RecipeError: A value is out of its bounds, or contradicts another one.
    """

    # ---- What is trained ----

    name: str
    """Name of the run's weights file: NAME.safetensors."""

    network: str
    """Name of the network; "" takes the network of the card of `init`, with its arguments (see `resolve`)."""

    network_arguments: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the network, for instance its ablations."""

    task: Literal["segmentation", "classification"] = "segmentation"
    """Kind of the labels: "segmentation" has a class map a frame; "classification", one class a frame."""

    init: str = ""
    """NAME.safetensors to start from; "" starts from random weights. Tensors that do not fit stay random."""

    left_to_card: tuple[Literal["native_short_side", "operating_scale", "mean", "std"], ...] = ()
    """Where `network` is "": fields that the card of `init` fills in, too. `--set` takes a field out of this list."""

    left_to_data: tuple[Literal["iterations", "crop", "warmup_iterations", "evaluate_every"], ...] = ()
    """Fields that the training data fill in (see `fit`). `--set` takes a field out of this list."""

    # ---- Data ----

    split: str = "train"
    """Split to train on."""

    evaluate_split: str = "val"
    """Split on which the averaged weights are evaluated."""

    native_short_side: int
    """Training reduces frames with a longer short side to this one; a classifier's to twice as much."""

    operating_scale: float = 1.0
    """Factor on the frame's size before the network, in training, evaluation and use; above 1 enlarges."""

    mean: tuple[float, float, float] = MEAN
    """Mean of the input's channels, 0 to 255."""

    std: tuple[float, float, float] = STD
    """Standard deviation of the input's channels, 0 to 255."""

    # ---- Augmentation ----

    crop: tuple[int, int]
    """Height and width that the network sees, in pixels of the resized frame."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Segmentation: range of the random scale, log-uniform, relative to `operating_scale`."""

    scale_list: tuple[float, ...] = ()
    """Segmentation: random scales to choose from instead of the range; () takes the range."""

    aspect: float = 1.0
    """Segmentation: largest ratio between the scales of the two axes."""

    max_category_ratio: float = 1.0
    """Segmentation: draw a crop again, up to ten times, while one class has a larger share of it; 1 is off."""

    crop_area: tuple[float, float] = (1.0, 1.0)
    """Classification: range of the share of the frame's area that the crop shows."""

    crop_aspect: float = 1.0
    """Classification: largest ratio between the sides of the part of the frame that the crop shows."""

    flip: float = 0.5
    """Probability of a mirrored frame."""

    jitter: float = 0.0
    """Strength of the colour augmentation, 0 (none) to 1."""

    blur: float = 0.0
    """Strength of blur, 0 to 1, and, half as far, of sharpening."""

    noise: float = 0.0
    """Strength of noise, 0 to 1, in half of the samples."""

    shade: float = 0.0
    """Strength of uneven brightness, 0 to 1."""

    # ---- Optimiser ----

    optimiser: Literal["sgd", "adamw"] = "sgd"
    """The optimiser."""

    learning_rate: float
    """Highest learning rate."""

    learning_rate_factors: dict[str, float] = field(default_factory=dict)
    """Module of the network -> factor of its learning rate."""

    momentum: float = 0.9
    """SGD's momentum, or AdamW's first beta."""

    nesterov: bool = False
    """Nesterov's momentum, for SGD."""

    weight_decay: float
    """Weight decay of convolutions and matrices."""

    decay_norms: bool = False
    """Decay norms and biases, too."""

    clip_norm: float = 0.0
    """Largest norm of the gradient; 0 does not clip."""

    ema_decay: float = 0.0
    """Decay of the averaged weights, which are evaluated and exported; 0 does not average."""

    # ---- Schedule ----

    iterations: int
    """Steps of the optimiser."""

    batch: int
    """Samples a step, over all processes."""

    accumulate: int = 1
    """Parts in which a process takes its share of the batch."""

    warmup_iterations: int = 0
    """Steps in which the rate rises from learning_rate * warmup_start to learning_rate, times the schedule."""

    warmup: Literal["linear", "exponential"] = "linear"
    """How the rate rises."""

    warmup_start: float = 0.0
    """Share of the rate at the start of the warm-up."""

    schedule: Literal["poly", "cosine", "step"] = "poly"
    """Factor of the rate at t = step / iterations: (1 - t) ** poly_power, half a cosine to 0, or steps (`step_at`)."""

    poly_power: float = 0.9
    """Power of the poly schedule."""

    step_at: tuple[float, ...] = ()
    """Shares of the iterations after each of which the step schedule divides the rate by ten."""

    # ---- Losses ----

    loss: Literal["ohem", "cross_entropy", "bootstrapped"] = "ohem"
    """Loss of the main head and of the auxiliary heads (losses/losses.py)."""

    ohem_threshold: float = 0.7
    """For ohem: average the pixels whose true class has a probability below this one."""

    ohem_min_kept: float = 1 / 16
    """For ohem: average at least this share of the pixels, the hardest ones."""

    ohem_min_kept_of: Literal["all", "counted"] = "all"
    """For ohem: the pixels of which `ohem_min_kept` is a share: all, or those that are not void."""

    bootstrap_threshold: float = 0.3
    """For bootstrapped: average, image by image, the pixels with a loss above this one."""

    bootstrap_min_kept: float = 1 / 16
    """For bootstrapped: average at least this share of an image's pixels, the hardest ones."""

    label_smoothing: float = 0.0
    """For cross_entropy: share of the target that goes to all classes alike."""

    aux_weights: dict[str, float] = field(default_factory=dict)
    """Auxiliary head -> weight of its loss."""

    detail_weights: dict[str, float] = field(default_factory=dict)
    """Detail head (STDC) -> weight of its binary cross entropy and of its dice loss."""

    class_weight_power: float = 0.0
    """Classes weigh (1 / ln(1.02 + share of the class)) ** power over their mean; 1 is ENet's weighting, 0 none."""

    loss_stride: int = 1
    """Take the main loss on every Nth row and column, at a random offset a step; 1 is the plain full-size loss."""

    aux_loss_stride: int = 1
    """The same for auxiliary and detail heads."""

    # ---- The run ----

    evaluate_every: int = 0
    """Steps between evaluations; 0 never evaluates."""

    patience: int = 0
    """Stop after this many evaluations in a row without a better figure; 0 never stops."""

    checkpoint_every: int = 100
    """Steps between checkpoints."""

    seed: int = 0
    """Seed of everything random: first weights, order of the samples, views, dropout, the grid of the loss."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the network's arithmetic; "auto" is bfloat16 where the hardware multiplies it."""

    compile: bool = False
    """Compile the network (torch.compile)."""

    sync_norms: bool = True
    """Take the statistics of the norms over all processes."""

    def __post_init__(self) -> None:
        check_bounds(self)
        check_agreement(self)


# Fields, the condition for each of their numbers, and its text in messages.
BOUNDS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("iterations", "batch", "accumulate", "native_short_side", "loss_stride", "aux_loss_stride", "checkpoint_every",
         "crop", "aspect", "crop_aspect"),
        lambda value: value >= 1, "1 or more",
    ),
    (("scale", "scale_list", "std"), lambda value: value > 0, "above 0"),
    (
        ("warmup_iterations", "evaluate_every", "patience", "learning_rate", "weight_decay", "clip_norm"),
        lambda value: value >= 0, "0 or more",
    ),
    (
        ("flip", "jitter", "blur", "noise", "shade", "momentum", "warmup_start", "ema_decay", "ohem_min_kept",
         "bootstrap_min_kept", "label_smoothing"),
        lambda value: 0 <= value <= 1, "0 to 1",
    ),
    (("seed",), lambda value: 0 <= value < SEEDS, f"0 to {SEEDS - 1}"),
    (("max_category_ratio", "crop_area"), lambda value: 0 < value <= 1, "above 0 and at most 1"),
    (
        ("operating_scale",), lambda value: 0 < value <= MAX_OPERATING_SCALE,
        f"above 0 and at most {MAX_OPERATING_SCALE}",
    ),
)  # fmt: skip

# Task -> fields that it does not use, each with its default and what to do instead.
OF_ANOTHER_TASK: dict[str, tuple[tuple[str, object, str], ...]] = {
    "segmentation": (
        ("crop_area", (1.0, 1.0), "crop_area is for classification; segmentation has scale"),
        ("crop_aspect", 1.0, "crop_aspect is for classification; segmentation has aspect"),
    ),
    "classification": (
        ("class_weight_power", 0.0, "class_weight_power is for segmentation; a classifier's classes weigh the same"),
        ("scale", (1.0, 1.0), "scale is for segmentation; a classifier has crop_area, the share of the frame's area"),
        ("aspect", 1.0, "aspect is for segmentation; a classifier has crop_aspect"),
    ),
}


def check_bounds(recipe: Recipe) -> None:
    """Refuse values that no run can use."""
    for names, allows, allowed in BOUNDS:
        for name in names:
            value = getattr(recipe, name)
            if not all(map(allows, value if isinstance(value, tuple) else (value,))):
                raise RecipeError(f"field {name} is {value}; it must be {allowed}")


def check_agreement(recipe: Recipe) -> None:
    """Refuse fields that contradict each other."""
    if recipe.warmup == "exponential" and recipe.warmup_start <= 0:
        raise RecipeError(f"an exponential warm-up needs warmup_start above 0, got {recipe.warmup_start}")
    if recipe.optimiser == "adamw" and recipe.momentum == 1:
        raise RecipeError("AdamW needs a momentum below 1, got 1")
    for name, default, message in OF_ANOTHER_TASK[recipe.task]:
        if getattr(recipe, name) != default:
            raise RecipeError(message)
    if recipe.label_smoothing and recipe.loss != "cross_entropy":
        raise RecipeError(f"label_smoothing is for loss=cross_entropy; {recipe.loss} has none")
    if recipe.nesterov and not recipe.momentum:
        raise RecipeError("nesterov needs a momentum above 0, got 0")
    if max(recipe.loss_stride, recipe.aux_loss_stride) > min(recipe.crop):
        raise RecipeError(
            f"loss_stride {recipe.loss_stride} and aux_loss_stride {recipe.aux_loss_stride} must be at most the crop's "
            f"shorter side, {min(recipe.crop)}"
        )
    if recipe.patience and not recipe.evaluate_every and "evaluate_every" not in recipe.left_to_data:
        raise RecipeError(f"patience {recipe.patience} counts evaluations, but evaluate_every is 0; set it, too")
    if recipe.batch % recipe.accumulate:
        raise RecipeError(f"batch {recipe.batch} cannot be taken in {recipe.accumulate} equal parts (accumulate)")


def resolve(recipe: Recipe, begun: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe with the fields that it leaves to the card of `init`.

    These are, where `network` is "", the network, its arguments and the fields in `left_to_card`.

    Args:
        recipe: A recipe, possibly with an open network.
        begun: The resolved recipe of a run to resume. It replaces the card, so `init` is not read again.

    Raises:
        RecipeError: `init` is missing, or the recipe gives arguments to a network that it leaves open.
    """
    if not begun and recipe.init and not Path(recipe.init).is_file():
        raise RecipeError(
            f"recipe {recipe.name} starts from {recipe.init}, which is not a file here; name the weights: --init "
            "NAME.safetensors or a name of weights" + (", or start from nothing: --init ''" if recipe.network else "")
        )
    if not begun and recipe.init.endswith(CHECKPOINT_SUFFIXES):
        raise RecipeError(
            f"training starts from NAME.safetensors, not from {recipe.init}; {convert_first(Path(recipe.init))}"
        )
    if not begun and recipe.init and not recipe.init.endswith(".safetensors"):
        raise RecipeError(f"training starts from unfolded weights, NAME.safetensors, not from {recipe.init}")
    if recipe.network:
        return recipe
    if recipe.network_arguments:
        raise RecipeError(
            f"network_arguments are {recipe.network_arguments}, but recipe {recipe.name} takes the network and its "
            "arguments from weights; leave them out, or set network, too"
        )
    if not begun and not recipe.init:
        raise RecipeError(f"recipe {recipe.name} takes its network from weights; name them: --init NAME.safetensors")
    known = begun or dataclasses.asdict(read_card(Path(recipe.init)))
    taken = {name: known[name] for name in ("network", "network_arguments", *recipe.left_to_card)}
    return dataclasses.replace(recipe, left_to_card=(), **taken)
