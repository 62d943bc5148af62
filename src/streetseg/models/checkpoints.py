"""Checkpoints of other code bases -> our state dict: strict, every key used or knowingly left out."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from streetseg.errors import ArtefactError
from streetseg.models.origins.origin import Origin
from streetseg.models.outputs import Network
from streetseg.models.table import build
from streetseg.runtime.card import ModelCard, read_card


def convert(tensors: dict[str, Tensor], origin: Origin) -> dict[str, Tensor]:
    """Another code base's tensors under our names."""
    renamed = {origin.rename(key): tensor for key, tensor in tensors.items()}
    return origin.adapt({key: tensor for key, tensor in renamed.items() if key is not None})


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
        raise ArtefactError(f"{path} holds no unfolded weights; it takes NAME.safetensors, as streetseg train writes")
    card = read_card(path)
    network = build(card.network, len(card.classes))
    load(network, load_file(path), str(path))
    return network.eval(), card
