"""Rebuild the PyTorch network of an artefact: the network of its card with the artefact's tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from streetseg.errors import ArtefactError, NetworkError
from streetseg.export.folding import fold_norms
from streetseg.export.onnx import logits_of_frame
from streetseg.export.unfold import initialisers
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.skeleton import skeletons
from streetseg.models.weights import load_tensors
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions


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
    names = network.state_dict()
    tensors = initialisers(artefact)
    tensors |= {name: torch.tensor(0) for name in names if name.endswith("num_batches_tracked")}
    load_tensors(network, tensors, str(artefact))
    check_same(artefact, network.eval(), card)
    return network


def check_same(artefact: Path, network: Network, card: ModelCard) -> None:
    """Raise ArtefactError if a rebuilt network does not compute what its artefact does."""
    size = (3 * card.size_multiple, 2 * card.size_multiple, 3)
    frame = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    ours = logits_of_frame(network, card, frame)
    theirs = open_engine(artefact, card, EngineOptions("openvino", threads=1, precision="float32"))(frame)
    if ours.shape != theirs.shape or np.abs(ours - theirs).max() > 1e-3 * theirs.std():
        raise ArtefactError(f"{artefact} is not what {card.network} computes with its tensors; give NAME.safetensors")
