"""Rebuild the PyTorch network of an artefact: the network of its card with the artefact's tensors."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.numpy_helper import to_array
from torch import Tensor

from streetseg.errors import ArtefactError, NetworkError
from streetseg.export.folding import fold_norms
from streetseg.export.graph import widen_weights
from streetseg.export.onnx import logits_of_frame, to_onnx
from streetseg.export.unfold import initialisers
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.skeleton import skeletons
from streetseg.models.weights import load_tensors
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions

LARGEST_WHOLE = 2**24  # the first whole number after which float32 has not all of them


def rebuild_network(artefact: Path, card: ModelCard) -> Network:
    """Return the network of an artefact, in evaluation mode, norms folded.

    Args:
        artefact: NAME.onnx with float weights.
        card: Its card.

    Raises:
        ArtefactError: It is int8, or the card's network does not have these tensors or computes something else.
    """
    if card.precision == "int8":
        raise ArtefactError(f"{artefact} is int8, which no PyTorch network computes; give the float artefact")
    try:
        with skeletons():
            network = fold_norms(build(card.network, len(card.classes), **card.network_arguments))
    except (NetworkError, TypeError) as error:
        raise ArtefactError(f"{artefact} has no network of this package: {error}; give NAME.safetensors") from None
    tensors = initialisers(artefact)
    tensors |= {name: torch.tensor(0) for name in network.state_dict() if name.endswith("num_batches_tracked")}
    if network.state_dict().keys() != tensors.keys():
        tensors = traced_tensors(artefact, network, card)
    load_tensors(network, tensors, str(artefact))
    check_same(artefact, network.eval(), card)
    return network


def traced_tensors(artefact: Path, network: Network, card: ModelCard) -> dict[str, Tensor]:
    """Return a network's tensors from an artefact whose graph holds them cut, reordered or without zeros.

    The network is exported once with numbers for weights, 1, 2, 3 and so on. Where a number stands in that graph, the
    artefact has the value of the weight of that number.

    Raises:
        ArtefactError: The artefact's graph is not the network's, or has more weights than float32 can number.
    """
    names = [name for name, tensor in network.state_dict().items() if tensor.is_floating_point()]
    shapes = {name: network.state_dict()[name].shape for name in names}
    sizes = [shapes[name].numel() for name in names]
    unlike = ArtefactError(f"the graph of {artefact} is not what {card.network} is exported to; give NAME.safetensors")
    if sum(sizes) >= LARGEST_WHOLE:
        raise unlike
    numbers = torch.split(torch.arange(1, sum(sizes) + 1, dtype=torch.float32), sizes)
    numbered = {name: part.reshape(shapes[name]) for name, part in zip(names, numbers, strict=True)}
    counters = {name: torch.tensor(0) for name in network.state_dict() if name.endswith("num_batches_tracked")}
    probe = copy.deepcopy(network)
    load_tensors(probe, numbered | counters, str(artefact))
    drawn, stored = to_onnx(probe.eval(), card, halved=False).graph, onnx.load(artefact).graph
    widen_weights(stored)
    if [node.op_type for node in drawn.node] != [node.op_type for node in stored.node]:
        raise unlike
    values = torch.zeros(sum(sizes) + 1)
    where, what = ({one.name: to_array(one) for one in graph.initializer} for graph in (drawn, stored))
    for ours, theirs in zip(drawn.node, stored.node, strict=True):
        for at, name in enumerate(ours.input):
            if name in where and where[name].dtype == np.float32 and name not in ("mean", "scale"):
                given = what.get(theirs.input[at]) if at < len(theirs.input) else np.zeros_like(where[name])
                places = where[name].astype(np.int64)
                if given is None or given.shape != places.shape or (places != where[name]).any() or places.min() < 1:
                    raise unlike
                values[torch.from_numpy(places)] = torch.from_numpy(np.array(given, np.float32))
    parts = torch.split(values[1:], sizes)
    return {name: part.reshape(shapes[name]) for name, part in zip(names, parts, strict=True)} | counters


def check_same(artefact: Path, network: Network, card: ModelCard) -> None:
    """Raise ArtefactError if a rebuilt network does not compute what its artefact does."""
    size = (3 * card.size_multiple, 2 * card.size_multiple, 3)
    frame = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    ours = logits_of_frame(network, card, frame)
    theirs = open_engine(artefact, card, EngineOptions("openvino", threads=1, precision="float32"))(frame)
    if ours.shape != theirs.shape or np.abs(ours - theirs).max() > 1e-3 * theirs.std():
        raise ArtefactError(f"{artefact} is not what {card.network} computes with its tensors; give NAME.safetensors")
