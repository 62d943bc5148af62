"""Rename the tensors of other code bases' checkpoints, strictly: each tensor is used, or left out on purpose."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NoReturn

import torch
from torch import Tensor

from streetseg.errors import CheckpointError, NetworkError
from streetseg.models.matching import Match, convert_tensors, count_by_beginning, count_left_out, match_checkpoint
from streetseg.models.networks import MODELS, build
from streetseg.models.origins import ORIGINS
from streetseg.models.origins.origin import Origin
from streetseg.models.origins.unsupported import unsupported_network
from streetseg.models.outputs import Network
from streetseg.models.parts import Part, below, beside, places, unnamed_averages, without_copies, without_wrappers
from streetseg.models.skeleton import skeletons
from streetseg.models.weights import load_tensors
from streetseg.runtime.card import ModelCard

# Cityscapes' height: the published weights were trained on it.
NATIVE_SHORT_SIDE = 1024
# Names that only our networks have.
OURS = re.compile(r"(?:^|\.)(?:trunk\.stem|encoder\.(?:stem|transitions)|backbone\.stage3|detail\.stage1)\.\d")


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
        part: The part of the file that was taken; empty for a file that holds one network.
        not_taken: Parts of the file that hold the same network with other values.
        remark: What is to be known of the part; empty if there is nothing.
        averaged: True if the part holds averaged weights.
    """

    source: str
    network: str
    origin: Origin
    tensors: dict[str, Tensor]
    num_classes: int | None
    left_out: dict[str, int]
    part: str = ""
    not_taken: tuple[str, ...] = ()
    remark: str = ""
    averaged: bool = False


def recognise_checkpoint(
    theirs: Mapping[str, Tensor],
    source: str,
    network: str | None = None,
    origin: str | None = None,
    part: str | None = None,
) -> Conversion:
    """Find the one network and origin that a checkpoint fits, with every tensor of both sides accounted for.

    Args:
        theirs: The tensors of another code base's checkpoint, by their paths.
        source: The file's name, for messages.
        network: A name in MODELS; None: recognised by names and shapes.
        origin: A code base, "owner/repository"; None: recognised by names and shapes.
        part: The part of the file to take, if it holds several networks; None: the averaged weights, or the only ones.

    Returns:
        The checkpoint under our names.

    Raises:
        CheckpointError: Nothing fits (the message has both sides), or several networks, origins or parts fit.
        NetworkError: `network` does not exist.
    """
    if network is not None and network not in MODELS:
        raise NetworkError(f"no network {network!r}; there are {', '.join(MODELS)}")
    bases = sorted({name for known in ORIGINS for name in (known.name, *known.also)})
    if origin is not None and origin not in bases:
        raise CheckpointError(f"no origin {origin!r}; there are {', '.join(bases)}")

    def asked(match: Match) -> bool:
        return network in (None, match.network) and origin in (None, match.origin.name, *match.origin.also)

    theirs, readings = read_unwrapped(theirs)
    fitting = [reading for reading in readings if any(asked(match) for match in reading.exact)]
    if not fitting:
        refuse_unknown(theirs, source, network, [m for one in readings for m in one.matches], asked)
    # mmengine keeps the average in state_dict and the last step's weights, with its counter, in ema_state_dict.
    swapped = any(name.endswith("ema_state_dict.steps") for name in theirs)
    averages, unread = unnamed_averages(theirs, [reading.part for reading in fitting])
    fitting += [Reading.of(average) for average in averages]
    fitting = [one for one in fitting if any(map(asked, one.exact))]
    reading = choose_part(fitting, source, part, unread, swapped=swapped)
    exact = [match for match in reading.exact if asked(match)]
    if len(exact) > 1:
        networks = sorted({match.network for match in exact})
        origins = sorted({match.origin.name for match in exact})
        choices, flag = (networks, "--network") if len(networks) > 1 else (origins, "--origin")
        raise CheckpointError(f"{source} fits {' and '.join(choices)}, whose tensors are alike; choose one by {flag}")
    others = [one.part for one in fitting if one is not reading]
    apart = beside(theirs, reading.part, [one.part for one in fitting])
    conversion = converted(exact[0], reading.part.tensors, source, apart)
    if not others and not reading.part.averaged:
        return conversion
    remark = reading.part.remark or ("mmengine keeps the averaged weights there" if swapped and others else "")
    return dataclasses.replace(
        conversion,
        part=reading.part.name,
        not_taken=tuple(one.name for one in others),
        remark=remark,
        averaged=reading.part.averaged or bool(swapped and others),
    )


def converted(match: Match, theirs: Mapping[str, Tensor], source: str, apart: Sequence[str]) -> Conversion:
    """Return a checkpoint under our names.

    Args:
        match: Its match, without faults.
        theirs: The state dict that was matched.
        source: The file's name.
        apart: Names of tensors beside the network, which are left out too.
    """
    used = [key for key, name in match.names.items() if name is not None]
    unused = [key for key, name in match.names.items() if name is None]
    tensors = convert_tensors({key: theirs[key] for key in used}, match.origin)
    stem = match.origin.bgr_stem
    if stem is not None:
        tensors[stem] = tensors[stem].flip(1)  # our frames are RGB
    left_out = count_left_out([*unused, *apart], apart_from=used)
    return Conversion(source, match.network, match.origin, tensors, match.num_classes, left_out)


@dataclass(frozen=True)
class Reading:
    """A part of a checkpoint with its matches, those without faults apart."""

    part: Part
    matches: tuple[Match, ...]

    @classmethod
    def of(cls, part: Part) -> Reading:
        """Compare a part with all networks of its origins."""
        return cls(
            part,
            tuple(
                match_checkpoint(part.tensors, name, origin)
                for origin in part.origins
                for name in origin.networks
                if name in MODELS
            ),
        )

    @property
    def exact(self) -> list[Match]:
        """The matches without faults."""
        return [match for match in self.matches if not match.faults]


def read_unwrapped(theirs: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], list[Reading]]:
    """Read a checkpoint, or the same without "module" in its names where more fits then.

    Returns:
        The tensors by the names that were read, and what they fit.
    """
    freed = without_wrappers(theirs)
    read = [(names, read_parts(names)) for names in ([theirs] if freed is theirs else [theirs, freed])]

    def fit(one: tuple[Mapping[str, Tensor], list[Reading]]) -> tuple[int, int]:
        used = sum(max((len(match.used) for match in reading.exact), default=0) for reading in one[1])
        return used, max((match.matched for reading in one[1] for match in reading.matches), default=0)

    return max(read, key=fit)


def read_parts(theirs: Mapping[str, Tensor]) -> list[Reading]:
    """Return the places of a checkpoint at which known names stand, the outer first, with what they fit."""
    found = places(theirs, ORIGINS)
    readings: list[Reading] = []
    whole: list[str] = []  # prefixes of networks that need all that is below them
    for prefix, origins in found.items():
        if prefix.startswith(tuple(whole)):
            continue
        inner = [other for other in found if other != prefix and other.startswith(prefix)]
        reading = Reading.of(Part(prefix, below(theirs, prefix), origins))
        if reading.exact:
            whole.append(prefix)
        elif inner:
            alone = Reading.of(Part(prefix, below(theirs, prefix, inner), origins))
            reading = alone if alone.exact else reading
        readings.append(reading)
    return [
        dataclasses.replace(
            reading, matches=tuple(match.if_alone(beside(theirs, reading.part, parts)) for match in reading.matches)
        )
        for parts in [[one.part for one in readings if one.exact]]
        for reading in readings
    ]


def choose_part(
    readings: Sequence[Reading], source: str, part: str | None, unread: Sequence[str], *, swapped: bool
) -> Reading:
    """Return the part to take: the one that was asked for, else the averaged one of the network's versions.

    Args:
        readings: The parts, each with an exact match.
        source: The file's name.
        part: What the user asked for.
        unread: Averages that fit no network.
        swapped: True if the average stands in state_dict, as mmengine has it.
    """
    names = ", ".join(describe_part(one) for one in readings)
    if part is not None:
        called = [one for one in readings if one.part.name == part] or [
            one for one in readings if one.part.is_called(part)
        ]
        if len(called) != 1:
            found = f"fits {len(called)} parts" if called else "is not a part"
            raise CheckpointError(f"--part {part} {found} of {source}; its parts are {names}")
        return called[0]
    if unread:
        raise CheckpointError(
            f"{source} holds averaged weights under names that fit no network ({', '.join(unread)}); choose the others "
            f"by --part: {names}"
        )
    if len(readings) > 1:
        kinds = {frozenset((match.network, match.num_classes) for match in one.exact) for one in readings}
        averaged = without_copies([one.part for one in readings if one.part.averaged and not swapped])
        if len(kinds) > 1:
            raise CheckpointError(f"{source} holds several networks; choose one by --part: {names}")
        plain = [one.part for one in readings if not (swapped and one.part.averaged)]
        parts = averaged or without_copies(plain or [one.part for one in readings])
        if len(parts) > 1:
            raise CheckpointError(f"{source} holds several versions of its network; choose one by --part: {names}")
        return next(one for one in readings if one.part is parts[0])
    return readings[0]


def describe_part(reading: Reading) -> str:
    """Return a part's name with its network, for a choice."""
    return f"{reading.part.name} ({reading.exact[0].network})"


def refuse_unknown(
    theirs: Mapping[str, Tensor],
    source: str,
    network: str | None,
    matches: Sequence[Match],
    asked: Callable[[Match], bool],
) -> NoReturn:
    """Raise the error about a checkpoint that fits no network, with what is nearest to it."""
    if any(OURS.search(name) for name in theirs):
        raise CheckpointError(
            f"{source} has tensors under the names that streetseg gives them, without a card; take the "
            "NAME.safetensors that streetseg train wrote"
        )
    fits = list(dict.fromkeys(f"{match.network} ({match.origin.name})" for match in matches if not match.faults))
    instead = f"; it fits {' and '.join(fits)}" if fits else ""
    closest = max(filter(asked, matches), key=lambda match: match.matched, default=None)
    unsupported = None if fits else unsupported_network(theirs)
    if unsupported:
        raise CheckpointError(
            f"{source} is a checkpoint of {unsupported}, which is not supported yet; streetseg converts those of "
            f"{', '.join(MODELS)}"
        )
    if closest is None or not closest.matched:
        first = ", ".join(short_names(theirs)[:3])
        bases = sorted({name for known in ORIGINS for name in (known.name, *known.also)})
        raise CheckpointError(
            f"{source} has names ({first}, ...) of no code base that is known for {network or 'any network'}; "
            f"known are {', '.join(bases)}{instead}"
        )
    complete = {match.network: match for match in matches if match.complete}
    mixed = [
        (one, other)
        for one in complete.values()
        for other in complete.values()
        if one.network < other.network and not one.used & other.used
    ]
    if mixed:
        raise CheckpointError(
            f"{source} mixes the tensors of two networks, {mixed[0][0].network} ({len(mixed[0][0].used)}) and "
            f"{mixed[0][1].network} ({len(mixed[0][1].used)}); save each network's state_dict() under a key of its own"
        )
    raise CheckpointError(
        f"{source} does not fit {closest.network} as {closest.origin.name} has it: {'; '.join(closest.faults)}{instead}"
    )


def short_names(names: Iterable[str]) -> list[str]:
    """Return names without the beginning that all of them share."""
    split = [name.split(".") for name in names]
    while len(split) > 1 and len({parts[0] for parts in split}) == 1 and min(map(len, split)) > 1:
        split = [parts[1:] for parts in split]
    return [".".join(parts) for parts in split]


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
    with skeletons():
        network = build(conversion.network, len(classes), **origin.arguments)
    ours = network.state_dict()
    tensors = {name: tensor for name, tensor in conversion.tensors.items() if tensor.shape == ours[name].shape}
    untrained = count_by_beginning(ours.keys() - tensors.keys(), apart_from=tensors)
    if untrained:  # only then are initial values needed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = build(conversion.network, len(classes), **origin.arguments)
        tensors = network.state_dict() | tensors
    load_tensors(network, tensors, conversion.source)
    network.eval()
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
