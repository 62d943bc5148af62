"""Give an artefact's network its batch norms back, so that training can go on from it.

An artefact's convolutions have the norms after them folded in. Its function is whole, but training needs the norms
themselves: with the folded weights alone, the first training step would compute another function. The four vectors of
each norm take a hundredth of the network's size. They stand in NAME.norms.safetensors beside an artefact that ships.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from streetseg.errors import ArtefactError
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.skeleton import skeletons
from streetseg.models.weights import load_tensors, save_weights
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard

VECTORS = ("weight", "bias", "running_mean", "running_var")


def folded_pairs(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d, str, nn.BatchNorm2d]]:
    """Yield each convolution and the norm that `fold_norms` folds into it, with their names."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential):
            for index, (conv, norm) in enumerate(zip(module, list(module)[1:], strict=False)):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield f"{name}.{index}", conv, f"{name}.{index + 1}", norm


def write_norms(network: Network, path: Path) -> None:
    """Write the vectors of a network's norms, folded or not: an export merges those that are equal."""
    state = network.state_dict()
    norms = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    save_file(
        {f"{norm}.{vector}": state[f"{norm}.{vector}"].contiguous() for norm in norms for vector in VECTORS}, path
    )


def unfold(artefact: Path, norms: Path, out: Path) -> ModelCard:
    """Write the unfolded weights of an artefact.

    Args:
        artefact: NAME.onnx whose graph has the network's own convolutions.
        norms: What `write_norms` wrote for the same network.
        out: NAME.safetensors.

    Returns:
        The card of the weights.

    Raises:
        ArtefactError: The files do not belong together, or the graph has other convolutions than the network.
    """
    card = read_card(artefact)
    folded, vectors = initialisers(artefact), load_file(norms)
    with skeletons():
        network = build(card.network, len(card.classes), **card.network_arguments)
    tensors = {name: folded[name] for name in network.state_dict() if name in folded} | vectors
    for conv, module, norm, statistics in folded_pairs(network):
        try:
            scale, shift, mean, var = (vectors[f"{norm}.{vector}"] for vector in VECTORS)
            weight, bias = folded[f"{conv}.weight"], folded[f"{conv}.bias"]
        except KeyError as error:
            raise ArtefactError(f"{norms} does not belong to {artefact}: {error} is missing; get both again") from None
        # A channel of scale 0 is constant, whatever its weights.
        factor = torch.where(scale == 0, 0, (var + statistics.eps).sqrt() / torch.where(scale == 0, 1, scale))
        tensors[f"{conv}.weight"] = weight * factor.view(-1, 1, 1, 1)
        if module.bias is not None:
            tensors[f"{conv}.bias"] = (bias - shift) * factor + mean
        else:
            # The bias is rounded, too: the norm's shift takes the artefact's.
            shift = bias + mean * torch.where(scale == 0, 0, 1 / torch.where(scale == 0, 1, factor))
        tensors |= {f"{norm}.{name}": one for name, one in zip(VECTORS, (scale, shift, mean, var), strict=True)}
    tensors |= {name: torch.tensor(0) for name in network.state_dict() if name.endswith("num_batches_tracked")}
    load_tensors(network, tensors, str(artefact))
    return save_weights(out, network.state_dict(), card, precision="float32")


def initialisers(artefact: Path) -> dict[str, Tensor]:
    """Return an artefact's constants by the network's names, in single precision."""
    import onnx
    import onnx.numpy_helper

    graph = onnx.load(artefact).graph
    return {
        tensor.name.removeprefix("network.").removesuffix(".half"): torch.tensor(
            onnx.numpy_helper.to_array(tensor)
        ).float()
        for tensor in graph.initializer
        if tensor.name.startswith("network.")
    }
