"""Compare another code base's state dict with a network: which tensor is which, and what does not fit."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from streetseg.models.networks import build
from streetseg.models.origins.origin import Origin
from streetseg.models.parts import NO_WEIGHTS
from streetseg.models.skeleton import skeletons

# The last words of names that a counter of operations (thop) leaves at every module.
COUNTED = ("total_ops", "total_params")


@dataclass(frozen=True)
class Match:
    """How well a state dict fits a network, read as one origin's.

    Attributes:
        names: Their name -> ours, or None if the tensor is left out.
        num_classes: Rows of the head; None without a head.
        matched: Number of tensors whose name and shape fit.
        faults: What does not fit, with both sides' names.
        complete: True if nothing of the network is missing or of another shape; there may be more.
        used: Their names of the tensors that the network takes.
    """

    network: str
    origin: Origin
    names: dict[str, str | None]
    num_classes: int | None
    matched: int
    faults: list[str]
    complete: bool
    used: frozenset[str]

    def if_alone(self, apart: Sequence[str]) -> Match:
        """Return the match; with a fault if it is a backbone beside which there is more than a loss.

        Other networks contain such a backbone; it would not be what the user has.
        """
        unknown = [name for name in apart if not NO_WEIGHTS.search(name)] if self.origin.parts else []
        if not unknown:
            return self
        fault = f"{len(unknown)} beside the backbone ({'; '.join(unknown[:2])}{'; ...' if len(unknown) > 2 else ''})"
        return dataclasses.replace(self, faults=[*self.faults, fault])


def match_checkpoint(theirs: Mapping[str, Tensor], network: str, origin: Origin) -> Match:
    """Compare a state dict with a network, as if it came from that origin."""
    names = {key: origin.rename(key) for key in theirs}
    layout = layout_of(network, origin, {name: tuple(theirs[key].shape) for key, name in names.items() if name})
    wanted = {name: shape for name, shape in layout.shapes.items() if not origin.parts or name.startswith(origin.parts)}
    names = {
        # A network's own tensors are never left out by their names or sizes.
        key: None if name in (layout.aux or ()) or (name not in wanted and is_no_weight(key, theirs[key])) else name
        for key, name in names.items()
    }
    ours = convert_tensors({key: theirs[key] for key, name in names.items() if name is not None}, origin)
    heads = [len(ours[name]) for name in layout.by_class & wanted.keys() & ours.keys() if ours[name].ndim]

    keys = {name: key for key, name in names.items() if name is not None}
    missing = sorted(wanted.keys() - ours.keys())
    left_over = sorted(key for key, name in names.items() if name is not None and keys[name] != key)
    left_over += sorted(key for name, key in keys.items() if name not in wanted)
    left_over = left_over if layout.aux is not None else []
    shapes = []
    for name, shape in wanted.items():
        if layout.aux is None and name.startswith("head."):
            continue  # their number of classes is unknown
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
    used = frozenset(key for name, key in keys.items() if name in wanted)
    return Match(
        network,
        origin,
        names,
        heads[0] if heads else None,
        matched,
        faults,
        complete=not missing and not shapes and not origin.parts,
        used=used,
    )


def is_no_weight(key: str, tensor: Tensor) -> bool:
    """Return True for a loss's or a profiler's tensor, or a single number, such as a count of steps."""
    return tensor.numel() == 1 or bool(NO_WEIGHTS.search(key))


class Layout(NamedTuple):
    """A network's tensors: shapes by name, the names whose first axis is the classes, those of its auxiliary heads.

    `aux` is None if they were not looked at.
    """

    shapes: dict[str, tuple[int, ...]]
    by_class: frozenset[str]
    aux: frozenset[str] | None


def layout_of(network: str, origin: Origin, theirs: Mapping[str, tuple[int, ...]]) -> Layout:
    """Return the layout of a network built as that origin has it.

    A network of which less than half fits another code base's shapes is not built a second time for its heads.
    """
    arguments = tuple(origin.arguments.items())
    shapes = cached_shapes(network, arguments)
    wanted = [name for name in shapes if not origin.parts or name.startswith(origin.parts)]
    if 2 * sum(theirs.get(name) == shapes[name] for name in wanted) < len(wanted):
        return Layout(shapes, frozenset(), None)
    return cached_layout(network, arguments, tuple(origin.aux_arguments.items()))


@functools.cache
def cached_shapes(network: str, arguments: tuple[tuple[str, Any], ...]) -> dict[str, tuple[int, ...]]:
    with skeletons():
        return shapes_of(build(network, 2, **dict(arguments)))


@functools.cache
def cached_layout(
    network: str, arguments: tuple[tuple[str, Any], ...], aux_arguments: tuple[tuple[str, Any], ...]
) -> Layout:
    two = cached_shapes(network, arguments)
    with skeletons():
        three = shapes_of(build(network, 3, aux=True, **dict(arguments), **dict(aux_arguments)))
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


def count_left_out(names: Iterable[str], apart_from: Iterable[str]) -> dict[str, int]:
    """Count names by their beginning; those of a counter of operations, which stand everywhere, by their end."""
    names = list(names)
    counters = Counter(name.rpartition(".")[2] for name in names if name.endswith(COUNTED))
    return count_by_beginning([name for name in names if not name.endswith(COUNTED)], apart_from) | dict(counters)
