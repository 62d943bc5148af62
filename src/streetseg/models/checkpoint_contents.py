"""Find tensors and class names in the content of a checkpoint, however deep they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from streetseg.errors import CheckpointError
from streetseg.models.stand_ins import Ignored

OF_A_RUN = {"step", "recipe", "network", "average"}  # keys in the checkpoint of our own training
DEEPEST = 32  # levels; a file may contain itself
MOST = 100_000  # containers; one that stands in many places counts each time
# Modules that PyTorch and its trainers put around others, at any depth of a name. No network has parts of these names.
AROUND = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
# Words in the names of what an optimiser or a schedule keeps: such tensors have the parameters' shapes or names.
STATE = re.compile(
    r"optim(?!al)|sched|scaler|^(?:grads?|gradients?|momentum|momentum_buffer|velocity|exp_avg\w*|rng\w*|callbacks?_state)$",
    re.IGNORECASE,
)
CLASS_KEYS = ("classes", "class_names", "classnames", "names", "categories", "label_names", "labels", "id2label")
PALETTE_KEYS = ("palette", "colors", "colours", "color_map", "colormap")


@dataclass(frozen=True)
class NamedClasses:
    """Class names that a checkpoint carries.

    Attributes:
        names: The names, in the order of their indices.
        colours: Their colours, RGB, 0 to 255; None without a palette that fits.
        place: Where they stand, for messages.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] | None
    place: str


def tensors_in(content: object, path: Path) -> dict[str, Tensor]:
    """Return all tensors in a checkpoint's content, without what an optimiser keeps.

    Args:
        content: What `read_checkpoint` returned.
        path: The file, for messages; no tensor may be larger than it.

    Returns:
        Tensors by their dotted path: the keys of the dictionaries that they are in, then their name.

    Raises:
        CheckpointError: The content is a run of ours, holds no tensors by name, or such as cannot be weights.
    """
    if isinstance(content, Mapping) and content.keys() >= OF_A_RUN:
        raise CheckpointError(
            f"{path} is the checkpoint of a streetseg run; streetseg train --resume goes on from it and writes "
            "NAME.safetensors, which streetseg export takes"
        )
    size = path.stat().st_size if path.exists() else 1 << 62
    found: dict[str, Tensor] = {}
    for keys, tensor in leaves(content):
        name = ".".join(part for part in ".".join(keys).split(".") if part not in AROUND)
        if not name or any(map(STATE.search, keys[:-1])):
            continue
        if name in found:
            raise CheckpointError(f"{path} holds {name} twice; save the network's state_dict() alone")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise CheckpointError(
                f"{path} holds {name}, which is sparse, quantised or empty; convert the float weights"
            )
        if tensor.numel() * tensor.element_size() > size:
            raise CheckpointError(f"{path} is refused: {name} claims to be larger than the file")
        found[name] = tensor.detach()
    if not found:
        raise CheckpointError(f"{path} holds no tensors by name; save the network's state_dict()")
    return found


def leaves(content: object) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Yield each tensor in nested dictionaries, lists and objects, with the keys that lead to it."""
    above: set[int] = set()
    visits = 0

    def walk(content: object, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
        if isinstance(content, Tensor):
            yield keys, content
            return
        nonlocal visits
        inner = entries(content)
        if inner is None or id(content) in above or len(keys) > DEEPEST or visits > MOST:
            return
        visits += 1
        above.add(id(content))
        for key, value in inner:
            yield from walk(value, (*keys, key) if key else keys)
        above.discard(id(content))

    yield from walk(content, ())


def entries(content: object) -> list[tuple[str, object]] | None:
    """Return what a container holds, by keys; an empty key adds nothing to the names. None if it is no container."""
    if isinstance(content, Mapping):
        return [(str(key), value) for key, value in content.items()]
    if isinstance(content, list | tuple):
        return [(str(index), value) for index, value in enumerate(content)]
    if not isinstance(content, Ignored):
        return None
    own = content.attributes
    if "_parameters" not in own:
        return list(own.items())
    # A module that was saved whole: its state_dict's names, as torch.nn.Module makes them.
    unsaved = own.get("_non_persistent_buffers_set")
    unsaved = unsaved if isinstance(unsaved, set) else set()
    return [
        (name, value)
        for place in ("_parameters", "_buffers", "_modules")
        for name, value in entries(own.get(place)) or []
        if place != "_buffers" or name not in unsaved
    ]


def classes_in(content: object, count: int | None) -> NamedClasses | None:
    """Return the class names that a checkpoint carries: mmsegmentation's `meta`, or a list under a telling key.

    Args:
        content: What `read_checkpoint` returned.
        count: The number of classes that the network has; None if it has none.

    Returns:
        The first names of that number, else the first of another number, else None.
    """
    found = list(named_classes(content))
    return next((names for names in found if len(names.names) == count), found[0] if found else None)


def named_classes(content: object, place: str = "", depth: int = 0) -> Iterator[NamedClasses]:
    """Yield all lists of class names in dictionaries and objects."""
    inner = {key: value for key, value in (entries(content) or ()) if not isinstance(value, Tensor)}
    if isinstance(content, list | tuple) or depth > DEEPEST // 4:
        return
    by_key = {key.lower(): value for key, value in inner.items()}
    palette = next((by_key[key] for key in PALETTE_KEYS if key in by_key), None)
    for key in CLASS_KEYS:
        names = texts(by_key.get(key))
        if names and len(set(names)) == len(names):
            yield NamedClasses(names, colours(palette, len(names)), f"{place}{key}")
    for key, value in inner.items():
        if isinstance(value, Mapping | Ignored):
            yield from named_classes(value, f"{place}{key}.", depth + 1)


def texts(value: object) -> tuple[str, ...] | None:
    """Return a list of texts, or a dictionary from 0, 1, ... to texts, as a tuple; None for anything else."""
    if isinstance(value, Mapping):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except (TypeError, ValueError):
            return None
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(item.strip() for item in value)
    return None


def colours(palette: object, count: int) -> tuple[tuple[int, int, int], ...] | None:
    """Return a palette of so many colours, RGB, 0 to 255; None if it is something else."""
    if not isinstance(palette, list | tuple) or len(palette) != count:
        return None
    triples = [tuple(colour) for colour in palette if isinstance(colour, list | tuple) and len(colour) == 3]
    if len(triples) < count or not all(type(value) is int and 0 <= value <= 255 for one in triples for value in one):
        return None
    return tuple((red, green, blue) for red, green, blue in triples)
