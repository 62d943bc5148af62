"""Checkpoints: other code bases' -> our names, strictly, every tensor used or knowingly left out; and our own files,
unfolded weights with their card."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from streetseg.errors import ArtefactError, CheckpointError, NetworkError
from streetseg.models.networks import MODELS, build
from streetseg.models.origins import ORIGINS
from streetseg.models.origins.origin import Origin
from streetseg.models.outputs import Network
from streetseg.runtime.card import METADATA_KEY, ModelCard, read_card, safetensors_content_hash
from streetseg.runtime.files import write_file

# Cityscapes' height: what the published weights were trained on.
NATIVE_SHORT_SIDE = 1024
RGB = 3  # channels


@dataclass(frozen=True)
class Conversion:
    """A checkpoint under our names.

    source: what it was read from, for messages. tensors: all of the network's, or all of `origin.parts`.
    num_classes: the rows of its head; None where it has none.
    left_out: their tensors that only training needs, or nothing at all: how many by their name's beginning.
    """

    source: str
    network: str
    origin: Origin
    tensors: dict[str, Tensor]
    num_classes: int | None
    left_out: dict[str, int]


def recognise(
    theirs: dict[str, Tensor], source: str, network: str | None = None, origin: str | None = None
) -> Conversion:
    """The one network and origin that a state dict fits, every tensor of both sides accounted for.

    network: a name in MODELS. origin: a code base, "owner/repository". Either is told from names and shapes where it
    is left out. CheckpointError where nothing fits, with both sides, or where several do.
    """
    if network is not None and network not in MODELS:
        raise NetworkError(f"no network {network!r}; there are {', '.join(MODELS)}")
    bases = sorted({name for known in ORIGINS for name in (known.name, *known.also)})
    if origin is not None and origin not in bases:
        raise CheckpointError(f"no origin {origin!r}; there are {', '.join(bases)}")

    for name in MODELS:
        if cached_layout(name, (), ()).shapes.keys() <= theirs.keys():
            raise CheckpointError(
                f"{source} has {name}'s tensors under the names that streetseg gives them, without a card; take the "
                "NAME.safetensors that streetseg train wrote"
            )
    fits = [fit(theirs, name, known) for known in ORIGINS for name in known.networks if name in MODELS]
    asked = [
        candidate
        for candidate in fits
        if network in (None, candidate.network) and origin in (None, candidate.origin.name, *candidate.origin.also)
    ]
    exact = [candidate for candidate in asked if not candidate.faults]
    if len(exact) == 1:
        return exact[0].conversion(theirs, source)
    if exact:
        networks = sorted({candidate.network for candidate in exact})
        origins = sorted({candidate.origin.name for candidate in exact})
        what, flag = (networks, "--network") if len(networks) > 1 else (origins, "--origin")
        raise CheckpointError(f"{source} fits {' and '.join(what)}, whose tensors are alike; say which by {flag}")

    others = [f"{other.network} ({other.origin.name})" for other in fits if not other.faults]
    instead = f"; it fits {' and '.join(others)}" if others else ""
    closest = max(asked, key=lambda candidate: candidate.matched, default=None)
    if closest is None or not closest.matched:
        first = ", ".join(list(theirs)[:3])
        raise CheckpointError(
            f"{source} has names ({first}, ...) of no code base that is known for {network or 'any network'}; "
            f"known are {', '.join(bases)}{instead}"
        )
    raise CheckpointError(
        f"{source} does not fit {closest.network} as {closest.origin.name} has it: {'; '.join(closest.faults)}{instead}"
    )


@dataclass(frozen=True)
class Fit:
    """How a state dict compares with a network, read as one origin's. names: theirs -> ours, or None where left out.
    matched: the number of tensors of one name and shape. faults: what keeps it from fitting, both sides named."""

    network: str
    origin: Origin
    names: dict[str, str | None]
    num_classes: int | None
    matched: int
    faults: list[str]

    def conversion(self, theirs: dict[str, Tensor], source: str) -> Conversion:
        used = [key for key, name in self.names.items() if name is not None]
        unused = [key for key, name in self.names.items() if name is None]
        tensors = convert({key: theirs[key] for key in used}, self.origin)
        stem = self.origin.bgr_stem
        if stem is not None:
            tensors[stem] = tensors[stem].flip(1)  # our frames are RGB
        return Conversion(
            source, self.network, self.origin, tensors, self.num_classes, beginnings(unused, apart_from=used)
        )


def fit(theirs: dict[str, Tensor], network: str, origin: Origin) -> Fit:
    """Compare a state dict with a network, as if it were of that origin."""
    layout = layout_of(network, origin)
    names = {key: origin.rename(key) for key in theirs}
    names = {key: None if name in layout.aux else name for key, name in names.items()}
    ours = convert({key: theirs[key] for key, name in names.items() if name is not None}, origin)
    wanted = {name: shape for name, shape in layout.shapes.items() if not origin.parts or name.startswith(origin.parts)}
    heads = [len(ours[name]) for name in layout.by_class & wanted.keys() & ours.keys() if ours[name].ndim]

    keys = {name: key for key, name in names.items() if name is not None}
    missing = sorted(wanted.keys() - ours.keys())
    left_over = sorted(key for key, name in names.items() if name is not None and keys[name] != key)
    left_over += sorted(key for name, key in keys.items() if name not in wanted)
    shapes = []
    for name, shape in wanted.items():
        shape = (heads[0], *shape[1:]) if heads and name in layout.by_class else shape
        if name in ours and tuple(ours[name].shape) != shape:
            shapes.append(f"theirs {keys.get(name, name)} {tuple(ours[name].shape)}, ours {name} {shape}")
    matched = len(wanted) - len(missing) - len(shapes)
    faults = [
        f"{len(entries)} {what} ({'; '.join(entries[:2])}{'; ...' if len(entries) > 2 else ''})"
        for what, entries in (
            ("of another shape", shapes),
            ("of ours missing", missing),
            ("of theirs left over", left_over),
        )
        if entries
    ]
    return Fit(network, origin, names, heads[0] if heads else None, matched, faults)


class Layout(NamedTuple):
    """A network's tensors: shapes by name, the names whose first axis is the classes, those of its auxiliary heads."""

    shapes: dict[str, tuple[int, ...]]
    by_class: frozenset[str]
    aux: frozenset[str]


def layout_of(network: str, origin: Origin) -> Layout:
    """The layout of a network built as that origin has it."""
    return cached_layout(network, tuple(origin.arguments.items()), tuple(origin.aux_arguments.items()))


@functools.cache
def cached_layout(
    network: str, arguments: tuple[tuple[str, Any], ...], aux_arguments: tuple[tuple[str, Any], ...]
) -> Layout:
    options = dict(arguments)
    with torch.device("meta"):
        two = shapes_of(build(network, 2, **options))
        three = shapes_of(build(network, 3, aux=True, **options, **dict(aux_arguments)))
    by_class = frozenset(name for name in two if two[name] != three[name])
    return Layout(two, by_class, frozenset(three.keys() - two.keys()))


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def convert(tensors: dict[str, Tensor], origin: Origin) -> dict[str, Tensor]:
    """Another code base's tensors under our names. Norms that do not count their batches, as in the oldest checkpoints,
    begin at 0."""
    renamed = {origin.rename(key): tensor for key, tensor in tensors.items()}
    ours = origin.adapt({key: tensor for key, tensor in renamed.items() if key is not None})
    norms = [name.removesuffix("running_var") for name in ours if name.endswith(".running_var")]
    return {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms} | ours


def beginnings(names: Iterable[str], apart_from: Iterable[str] = ()) -> dict[str, int]:
    """Names counted by the shortest dotted beginning that none of the others share."""
    taken = {".".join(name.split(".")[:depth]) for name in apart_from for depth in range(1, name.count(".") + 2)}
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        starts = (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        counts[next((start for start in starts if start not in taken), name)] += 1
    return dict(counts)


def build_converted(
    conversion: Conversion,
    classes: tuple[str, ...],
    colours: tuple[tuple[int, int, int], ...],
    operating_scale: float = 1.0,
) -> tuple[Network, ModelCard, dict[str, int]]:
    """The network of a conversion, its card, and what is left at its initialisation: how many tensors by their name's
    beginning. These are the head where the number of classes is another one than the checkpoint's, and what a backbone
    does not have.

    classes, colours: of the network. operating_scale: by which it wants frames reduced (1, 0.75, 0.5).
    """
    origin = conversion.origin
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(conversion.network, len(classes), **origin.arguments).eval()
    ours = network.state_dict()
    tensors = {name: tensor for name, tensor in conversion.tensors.items() if tensor.shape == ours[name].shape}
    load(network, ours | tensors, conversion.source)
    untrained = beginnings(ours.keys() - tensors.keys(), apart_from=tensors)
    card = ModelCard(
        network=conversion.network,
        network_arguments=dict(origin.arguments),
        classes=classes,
        colours=colours,
        mean=origin.mean,
        std=origin.std,
        output_stride=network.output_stride,
        size_multiple=network.size_multiple,
        align_corners=network.align_corners,
        native_short_side=NATIVE_SHORT_SIDE,
        operating_scale=operating_scale,
        training_data=f"unknown (converted from {conversion.source}, named as {origin.name} does)",
        terms="Unknown: those of the checkpoint and of the data that it was trained on hold.",
        limits=(f"Untrained: {', '.join(sorted(untrained))}; train before use.",) if untrained else (),
        package_version=version("streetseg"),
    )
    return network, card, untrained


def load(network: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Load tensors under our names into a network; ArtefactError that prints both sides where they do not fit."""
    ours = network.state_dict()
    missing = sorted(ours.keys() - tensors.keys())
    unused = sorted(tensors.keys() - ours.keys())
    shapes = [
        f"{key} {tuple(tensors[key].shape)} for {tuple(ours[key].shape)}"
        for key in ours.keys() & tensors.keys()
        if ours[key].shape != tensors[key].shape
    ]
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for keys, what in ((missing, "missing"), (unused, "left over"), (sorted(shapes), "of another shape"))
        if keys
    ]
    if faults:
        raise ArtefactError(f"{source} does not fit {type(network).__name__}: tensors {'; '.join(faults)}")
    network.load_state_dict(tensors)


def open_weights(path: Path) -> tuple[Network, ModelCard]:
    """The network in a NAME.safetensors, in evaluation mode and without auxiliary heads, and its card.

    Raises ArtefactError where the file is damaged, is none of ours, or does not fit the network its card names.
    """
    if path.suffix != ".safetensors":
        raise ArtefactError(
            f"{path} holds no unfolded weights; it takes NAME.safetensors, as streetseg train and convert write"
        )
    card = read_card(path)
    try:
        network = build(card.network, len(card.classes), **card.network_arguments)
    except (NetworkError, TypeError) as error:
        if not card.network_arguments:
            raise
        raise ArtefactError(
            f"{path} has a card with network_arguments that {card.network} does not take ({error}); get the file again"
        ) from None
    for name in ("output_stride", "size_multiple", "align_corners"):
        told, built = getattr(card, name), getattr(network, name)
        if told != built:
            raise ArtefactError(
                f"{path} has a card of {name} {told}, where {card.network} has {built}; get the file again"
            )
    if (channels := card.network_arguments.get("in_channels", RGB)) != RGB:
        raise ArtefactError(f"{path} is of a network for {channels} channels; artefacts take RGB frames, which have 3")
    load(network, load_file(path), str(path))
    return network.eval(), card


def save_weights(
    path: Path,
    weights: dict[str, Tensor],
    card: ModelCard,
    *,
    precision: Literal["float16", "float32"] = "float16",
) -> ModelCard:
    """Write unfolded weights with their card; returns the card as written, with the content hash.

    precision: of convolutions and matrices; norms and biases are stored in full. "float16" moves the logits by less
    than bfloat16 arithmetic does; "float32" keeps the weights as they are.
    """
    halved = precision == "float16"
    tensors = {
        name: (tensor.half() if halved and tensor.is_floating_point() and tensor.ndim > 1 else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in weights.items()
    }
    card = dataclasses.replace(card, precision=precision)
    card = dataclasses.replace(card, content_hash=safetensors_content_hash(save(tensors), path))
    content = save(tensors, {METADATA_KEY: card.to_json()})
    write_file(path, content, durable=True)
    return card
