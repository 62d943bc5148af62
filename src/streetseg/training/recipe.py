"""A recipe: every number of a training run, flat and frozen. No torch here, so that listing recipes is quick."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streetseg.errors import RecipeError
from streetseg.runtime.card import MAX_OPERATING_SCALE, read_card

# Statistics of ImageNet in units of 0 to 255, the input convention of all four papers' code.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


# What fields may hold beyond their types; each number of a tuple.
BOUNDS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("iterations", "batch", "accumulate", "native_short_side", "loss_stride", "aux_loss_stride", "checkpoint_every",
         "crop", "aspect"),
        lambda value: value >= 1, "1 or more",
    ),
    (("scale", "scale_list", "std"), lambda value: value > 0, "above 0"),
    (
        ("warmup_iterations", "evaluate_every", "learning_rate", "weight_decay", "clip_norm"),
        lambda value: value >= 0, "0 or more",
    ),
    (
        ("flip", "jitter", "blur", "noise", "shade", "momentum", "warmup_start", "ema_decay", "ohem_min_kept",
         "bootstrap_min_kept", "label_smoothing"),
        lambda value: 0 <= value <= 1, "0 to 1",
    ),
    (("seed",), lambda value: 0 <= value < 1 << 32, f"0 to {(1 << 32) - 1}"),  # torch's generator looks at no more bits
    (("max_category_ratio",), lambda value: 0 < value <= 1, "above 0 and at most 1"),
    (
        ("operating_scale",), lambda value: 0 < value <= MAX_OPERATING_SCALE,
        f"above 0 and at most {MAX_OPERATING_SCALE}",
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `train` needs to know. Sizes are in pixels, rates per step, probabilities and shares 0 to 1.

    What is trained

    network: its name; "" is the network of `init`'s card, with its arguments (see `resolve`).
    network_arguments: further ones of that network.
    left_to_card: where `network` is "", what else is the card's; a field that is set (`replace_fields`) no longer is.
    task: "classification" is the pre-training of backbones: the label is one class a frame.
    init: NAME.safetensors to start from; "" starts from nothing. What does not fit stays at its initialisation.

    Data

    split: to train on. evaluate_split: to judge the averaged weights on.
    native_short_side: frames with a longer short side are reduced to it; in a classifier's training, to twice as much.
    operating_scale: by which frames are reduced, or above 1 enlarged, before the network, in training, judging and use;
        goes on the card. `crop` is in the resized frame's pixels and `scale` relative to it, but all is one
        interpolation.
    crop: height and width that the network sees.
    scale: log-uniform range of the random scale. In classification: range of the share of the frame's area that the
        crop shows.
    scale_list: random scales to choose from instead of the range; () takes the range.
    max_category_ratio: a crop more than this share of which is one class is drawn again, up to ten times; 1 is off.
    aspect: up to this ratio between the two axes' scales. In classification: between the sides of what the crop shows.
    flip: probability of a mirrored frame.
    jitter: strength of the colour augmentation, 0 (none) to 1. blur: strength of blur and, half as far, sharpening.
        noise: strength of noise, in half of the samples. shade: strength of uneven brightness.

    Steps

    iterations: steps of the optimiser. batch: samples a step, over all processes. accumulate: parts in which a process
        takes its share of the batch.
    optimiser: nesterov is for sgd; momentum is AdamW's first beta.
    learning_rate_factors: module of the network -> factor of its rate.
    decay_norms: weight decay on norms and biases, too.
    warmup_iterations: the rate rises from learning_rate * warmup_start to learning_rate, linearly or exponentially,
        times what the schedule says.
    schedule: of the rate, with t = step / iterations. "poly": (1 - t) ** poly_power. "cosine": half a cosine to 0.
        "step": a tenth after each share of the iterations in step_at.
    ema_decay: of the averaged weights, which are what is judged and exported; 0 is no averaging.
    clip_norm: the largest norm of the gradient; 0 does not clip.
    precision: of the network's arithmetic; "auto" is bfloat16 where the machine multiplies it in hardware.
    sync_norms: statistics of the norms over all processes.

    Losses

    loss: of the main head and of the auxiliary ones. "ohem" averages the pixels whose true class has a probability
        below ohem_threshold, but at least the hardest ohem_min_kept of the pixels; "bootstrapped", image by image, the
        pixels with a loss above bootstrap_threshold, but at least the hardest bootstrap_min_kept of them.
    ohem_min_kept, bootstrap_min_kept: a share of all pixels; with ohem_min_kept_of "counted" only of those not void.
    aux_weights: auxiliary head -> weight of its loss.
    detail_weights: detail head (STDC) -> weight of its binary cross entropy and of its dice loss.
    class_weight_power: classes weigh (1 / ln(1.02 + share of the class)) ** power, divided by their mean: 1 is
        ENet's weighting, 0 none.
    loss_stride: the main loss is taken on every loss_stride-th row and column, at a random offset that changes
        from step to step; logits are interpolated exactly there. 1 is the plain full-size loss. aux_loss_stride
        is the same for auxiliary and detail heads.

    The run

    evaluate_every: steps between evaluations; 0 never evaluates. checkpoint_every: steps between checkpoints.
    mean, std: of the input's channels, 0 to 255.
    """

    name: str

    network: str
    network_arguments: dict[str, Any] = field(default_factory=dict)
    left_to_card: tuple[Literal["native_short_side", "operating_scale", "mean", "std"], ...] = ()
    task: Literal["segmentation", "classification"] = "segmentation"
    init: str = ""

    split: str = "train"
    evaluate_split: str = "val"
    native_short_side: int
    operating_scale: float = 1.0
    crop: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    scale_list: tuple[float, ...] = ()
    max_category_ratio: float = 1.0
    aspect: float = 1.0
    flip: float = 0.5
    jitter: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    shade: float = 0.0

    iterations: int
    batch: int
    accumulate: int = 1
    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float
    learning_rate_factors: dict[str, float] = field(default_factory=dict)
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float
    decay_norms: bool = False
    warmup_iterations: int = 0
    warmup: Literal["linear", "exponential"] = "linear"
    warmup_start: float = 0.0
    schedule: Literal["poly", "cosine", "step"] = "poly"
    poly_power: float = 0.9
    step_at: tuple[float, ...] = ()
    ema_decay: float = 0.0
    clip_norm: float = 0.0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = False
    sync_norms: bool = True

    loss: Literal["ohem", "cross_entropy", "bootstrapped"] = "ohem"
    ohem_threshold: float = 0.7
    ohem_min_kept: float = 1 / 16
    ohem_min_kept_of: Literal["all", "counted"] = "all"
    bootstrap_threshold: float = 0.3
    bootstrap_min_kept: float = 1 / 16
    label_smoothing: float = 0.0
    aux_weights: dict[str, float] = field(default_factory=dict)
    detail_weights: dict[str, float] = field(default_factory=dict)
    class_weight_power: float = 0.0
    loss_stride: int = 1
    aux_loss_stride: int = 1

    evaluate_every: int = 0
    checkpoint_every: int = 100
    seed: int = 0
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    def __post_init__(self) -> None:
        """Refuse what no run can do."""
        for names, fits, allowed in BOUNDS:
            for name in names:
                value = getattr(self, name)
                if not all(map(fits, value if isinstance(value, tuple) else (value,))):
                    raise RecipeError(f"field {name} is {value}; it must be {allowed}")
        if self.warmup == "exponential" and self.warmup_start <= 0:
            raise RecipeError(f"an exponential warm-up needs warmup_start above 0, got {self.warmup_start}")
        if self.optimiser == "adamw" and self.momentum == 1:
            raise RecipeError("AdamW needs a momentum below 1, got 1")
        if self.class_weight_power and self.task == "classification":
            raise RecipeError("class_weight_power is for segmentation; a classifier's classes weigh the same")
        if self.label_smoothing and self.task == "segmentation" and self.loss != "cross_entropy":
            raise RecipeError(f"label_smoothing is for loss=cross_entropy; {self.loss} has none")
        if self.nesterov and not self.momentum:
            raise RecipeError("nesterov needs a momentum above 0, got 0")
        if max(self.loss_stride, self.aux_loss_stride) > min(self.crop):
            raise RecipeError(
                f"loss_stride {self.loss_stride} and aux_loss_stride {self.aux_loss_stride} must be at most the crop's "
                f"shorter side, {min(self.crop)}"
            )
        if self.batch % self.accumulate:
            raise RecipeError(f"batch {self.batch} cannot be taken in {self.accumulate} equal parts (accumulate)")


def resolve(recipe: Recipe, begun: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe with what it leaves to the card of `init` filled in: where `network` is "", the network, its
    arguments and the fields in `left_to_card`. RecipeError where `init` is missing, or the arguments are given.

    begun: the resolved recipe of a run to go on with, which stands for the card: `init` is not read again.
    """
    if not begun and recipe.init and not Path(recipe.init).is_file():
        raise RecipeError(
            f"recipe {recipe.name} starts from {recipe.init}, which is no file here; name the weights: --init "
            "NAME.safetensors" + (", or start from nothing: --init ''" if recipe.network else "")
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


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with fields replaced by "FIELD=VALUE" settings, each read by the field's own type."""
    values: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"setting {setting!r} is not of the form FIELD=VALUE")
        values[name] = text
    return replace_fields(recipe, values)


def replace_fields(recipe: Recipe, values: Mapping[str, object]) -> Recipe:
    """The recipe with fields replaced. Values are text as in `override` (tuples 1,2, dicts head:0.4,other:0.2) or, from
    a TOML file, numbers, lists and tables; RecipeError where a field does not exist or a value is not of its type."""
    types = typing.get_type_hints(Recipe)
    for name in values:
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(types)}"
            raise RecipeError(f"a recipe has no field {name!r}; {hint}")
    read: dict[str, Any] = {name: read_field(name, value, types[name]) for name, value in values.items()}
    left = tuple(name for name in recipe.left_to_card if name not in read)
    return dataclasses.replace(recipe, **({"left_to_card": left} | read))


def read_field(name: str, value: object, kind: Any) -> object:
    """A value of the field's type; RecipeError where it cannot be read as one."""
    try:
        return convert(value, kind)
    except (ValueError, TypeError, AttributeError):
        raise RecipeError(f"field {name} takes {describe(kind)}, got {value!r}") from None


def convert(value: Any, kind: Any) -> object:
    """The value, text or from TOML, as one of type `kind`; ValueError, TypeError or AttributeError where it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        parts = [part for part in value.split(",") if part] if isinstance(value, str) else list(value)
        if arguments[-1] is Ellipsis:
            arguments = arguments[:1] * len(parts)
        return tuple(convert(part, argument) for part, argument in zip(parts, arguments, strict=True))
    if origin is dict:
        pairs = [item.split(":") for item in value.split(",") if item] if isinstance(value, str) else value.items()
        return {key: convert(entry, arguments[1]) for key, entry in pairs}
    if origin is Literal:
        return arguments[[str(argument) for argument in arguments].index(str(value))]
    if kind is bool:
        return ("false", "true").index(str(value).lower()) == 1
    if kind is float and not math.isfinite(float(str(value))):
        raise ValueError(value)
    if kind is Any:
        return scalar(value) if isinstance(value, str) else value
    return kind(str(value))


def scalar(text: str) -> bool | int | float | str:
    """What a text stands for where no field says it: true or false, a number, or itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    with contextlib.suppress(ValueError):
        return int(text)
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    return text


def describe(kind: Any) -> str:
    """The type, and how a value of it is written."""
    origin = typing.get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    if origin is None:
        return str(kind.__name__)
    return f"{kind}, written {'1,2' if origin is tuple else 'name:1,other:2'}"
