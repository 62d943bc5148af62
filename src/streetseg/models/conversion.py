"""Rename the tensors of other code bases' checkpoints, strictly: each tensor is used, or left out on purpose."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from streetseg.errors import CheckpointError, NetworkError
from streetseg.models.networks import MODELS, build
from streetseg.models.origins import ORIGINS
from streetseg.models.origins.origin import Origin
from streetseg.models.outputs import Network
from streetseg.models.weights import load_tensors
from streetseg.runtime.card import ModelCard

# Cityscapes' height: the published weights were trained on it.
NATIVE_SHORT_SIDE = 1024


@dataclass(frozen=True)
class Conversion:
    """A checkpoint under our names.

    Attributes:
        source: The file's name, for messages.
        network: Its name in MODELS.
        origin: The code base that it comes from.
        tensors: All of the network's tensors, or all of `origin.parts`.
        num_classes: Rows of its head; None if it has no head.
        left_out: Number of tensors that only training or nothing needs, by the beginning of their names.
    """

    source: str
    network: str
    origin: Origin
    tensors: dict[str, Tensor]
    num_classes: int | None
    left_out: dict[str, int]


def recognise_checkpoint(
    theirs: dict[str, Tensor], source: str, network: str | None = None, origin: str | None = None
) -> Conversion:
    """Find the one network and origin that a state dict fits, with every tensor of both sides accounted for.

    Args:
        theirs: Another code base's state dict.
        source: The file's name, for messages.
        network: A name in MODELS; None: recognised by names and shapes.
        origin: A code base, "owner/repository"; None: recognised by names and shapes.

    Returns:
        The checkpoint under our names.

    Raises:
        CheckpointError: Nothing fits (the message has both sides), or several networks or origins fit.
        NetworkError: `network` does not exist.
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
    matches = [match_checkpoint(theirs, name, known) for known in ORIGINS for name in known.networks if name in MODELS]
    asked = [
        match
        for match in matches
        if network in (None, match.network) and origin in (None, match.origin.name, *match.origin.also)
    ]
    exact = [match for match in asked if not match.faults]
    if len(exact) == 1:
        return exact[0].conversion(theirs, source)
    if exact:
        networks = sorted({match.network for match in exact})
        origins = sorted({match.origin.name for match in exact})
        choices, flag = (networks, "--network") if len(networks) > 1 else (origins, "--origin")
        raise CheckpointError(f"{source} fits {' and '.join(choices)}, whose tensors are alike; choose one by {flag}")

    others = [f"{other.network} ({other.origin.name})" for other in matches if not other.faults]
    instead = f"; it fits {' and '.join(others)}" if others else ""
    closest = max(asked, key=lambda match: match.matched, default=None)
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
class Match:
    """How well a state dict fits a network, read as one origin's.

    Attributes:
        names: Their name -> ours, or None if the tensor is left out.
        num_classes: Rows of the head; None without a head.
        matched: Number of tensors whose name and shape fit.
        faults: What does not fit, with both sides' names.
    """

    network: str
    origin: Origin
    names: dict[str, str | None]
    num_classes: int | None
    matched: int
    faults: list[str]

    def conversion(self, theirs: dict[str, Tensor], source: str) -> Conversion:
        """Return the checkpoint under our names; only for a match without faults."""
        used = [key for key, name in self.names.items() if name is not None]
        unused = [key for key, name in self.names.items() if name is None]
        tensors = convert_tensors({key: theirs[key] for key in used}, self.origin)
        stem = self.origin.bgr_stem
        if stem is not None:
            tensors[stem] = tensors[stem].flip(1)  # our frames are RGB
        left_out = count_by_beginning(unused, apart_from=used)
        return Conversion(source, self.network, self.origin, tensors, self.num_classes, left_out)


def match_checkpoint(theirs: dict[str, Tensor], network: str, origin: Origin) -> Match:
    """Compare a state dict with a network, as if it came from that origin."""
    layout = layout_of(network, origin)
    names = {key: origin.rename(key) for key in theirs}
    names = {key: None if name in layout.aux else name for key, name in names.items()}
    ours = convert_tensors({key: theirs[key] for key, name in names.items() if name is not None}, origin)
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
    return Match(network, origin, names, heads[0] if heads else None, matched, faults)


class Layout(NamedTuple):
    """A network's tensors: shapes by name, the names whose first axis is the classes, those of its auxiliary heads."""

    shapes: dict[str, tuple[int, ...]]
    by_class: frozenset[str]
    aux: frozenset[str]


def layout_of(network: str, origin: Origin) -> Layout:
    """Return the layout of a network built as that origin has it."""
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


def convert_tensors(tensors: dict[str, Tensor], origin: Origin) -> dict[str, Tensor]:
    """Return another code base's tensors under our names.

    The oldest checkpoints lack num_batches_tracked of their norms; it begins at 0.
    """
    renamed = {origin.rename(key): tensor for key, tensor in tensors.items()}
    ours = origin.adapt({key: tensor for key, tensor in renamed.items() if key is not None})
    norms = [name.removesuffix("running_var") for name in ours if name.endswith(".running_var")]
    return {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms} | ours


def count_by_beginning(names: Iterable[str], apart_from: Iterable[str] = ()) -> dict[str, int]:
    """Count names by their shortest dotted beginning that no name in `apart_from` shares."""
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
    """Build the network of a conversion.

    Args:
        conversion: The checkpoint under our names.
        classes: Names of the network's classes.
        colours: Their colours, RGB, 0 to 255.
        operating_scale: Factor by which frames are reduced for the network: 1, 0.75, 0.5.

    Returns:
        The network in evaluation mode, its card, and the number of tensors, by the beginning of their names, that keep
        their initial values. These are the head if the checkpoint has another number of classes, and, for a
        backbone's checkpoint, the rest of the network.
    """
    origin = conversion.origin
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(conversion.network, len(classes), **origin.arguments).eval()
    ours = network.state_dict()
    tensors = {name: tensor for name, tensor in conversion.tensors.items() if tensor.shape == ours[name].shape}
    load_tensors(network, ours | tensors, conversion.source)
    untrained = count_by_beginning(ours.keys() - tensors.keys(), apart_from=tensors)
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
