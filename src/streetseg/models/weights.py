"""Read and write our own weights files: unfolded weights with their card (NAME.safetensors)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from safetensors.torch import load_file, save
from torch import Tensor, nn

from streetseg.errors import ArtefactError, NetworkError
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.skeleton import skeletons
from streetseg.runtime.artefact import (
    CHECKPOINT_SUFFIXES,
    METADATA_KEY,
    convert_first,
    read_card,
    safetensors_content_hash,
)
from streetseg.runtime.card import ModelCard
from streetseg.runtime.files import write_file

RGB = 3  # channels


def open_weights(path: Path) -> tuple[Network, ModelCard]:
    """Open a weights file of ours.

    Args:
        path: NAME.safetensors, as `streetseg train` and `streetseg convert` write it.

    Returns:
        The network, in evaluation mode and without auxiliary heads, and its card.

    Raises:
        ArtefactError: The file is damaged, is not one of ours, or does not fit the network that its card names.
    """
    if path.suffix in CHECKPOINT_SUFFIXES:
        raise ArtefactError(f"{path} is not a weights file of streetseg; {convert_first(path)}")
    if path.suffix != ".safetensors":
        raise ArtefactError(
            f"{path} holds no unfolded weights; give NAME.safetensors, as streetseg train and convert write it"
        )
    card = read_card(path)
    try:
        with skeletons():
            network = build(card.network, len(card.classes), **card.network_arguments)
    except (NetworkError, TypeError) as error:
        if not card.network_arguments:
            raise
        raise ArtefactError(
            f"{path} has a card with network_arguments that {card.network} does not take ({error}); get the file again"
        ) from None
    for name in ("output_stride", "size_multiple", "align_corners"):
        stated, built = getattr(card, name), getattr(network, name)
        if stated != built:
            raise ArtefactError(
                f"{path} has a card of {name} {stated}, where {card.network} has {built}; get the file again"
            )
    if (channels := card.network_arguments.get("in_channels", RGB)) != RGB:
        raise ArtefactError(
            f"{path} is a network for {channels} channels; artefacts take RGB frames, which have 3 channels"
        )
    load_tensors(network, load_file(path), str(path))
    return network.eval(), card


def save_weights(
    path: Path,
    weights: dict[str, Tensor],
    card: ModelCard,
    *,
    precision: Literal["float16", "float32"] = "float16",
) -> ModelCard:
    """Write unfolded weights with their card.

    Args:
        path: The file to write; it takes its name once it is complete.
        weights: A network's state dict.
        card: Its card; title, date, package version, precision and content hash are filled in here.
        precision: Precision of convolutions and matrices; norms and biases stay as they are. "float16" moves the logits
            by less than bfloat16 arithmetic does. "float32" keeps all weights as they are.

    Returns:
        The card as written, with the content hash.

    Raises:
        OutputError: The file cannot be written.
    """
    halved = precision == "float16"
    tensors = {
        name: (tensor.half() if halved and tensor.is_floating_point() and tensor.ndim > 1 else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in weights.items()
    }
    card = dataclasses.replace(card.written(path.stem), precision=precision)
    card = dataclasses.replace(card, content_hash=safetensors_content_hash(save(tensors), path))
    content = save(tensors, {METADATA_KEY: card.to_json()})
    write_file(path, content, durable=True)
    return card


def load_tensors(network: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Load tensors under our names into a network; an ArtefactError names both sides if they do not fit.

    A skeleton gets tensors of its own, of its types. A network with values has them overwritten.
    """
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
    if not any(tensor.is_meta for tensor in ours.values()):
        network.load_state_dict(tensors)
        return
    own = {key: tensor.to(ours[key].dtype, copy=True).contiguous() for key, tensor in tensors.items()}
    network.load_state_dict(own, assign=True)
    empty = [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]
    assert not empty, f"without values: {empty}"
