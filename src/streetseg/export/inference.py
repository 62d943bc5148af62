"""The network as an artefact holds it: uint8 frames in, logits out, batch norms folded into convolutions."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from streetseg.models.outputs import Network
from streetseg.runtime.card import ModelCard


class FrameToLogits(nn.Module):
    """Normalise frames, run the network, put the channels last."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: Network, card: ModelCard) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(card.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(card.std).view(3, 1, 1), persistent=False)

    def forward(self, frame: Tensor) -> Tensor:
        """Return logits, N x h x w x C float32, of frames, N x H x W x 3 uint8."""
        x = (frame.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        return self.network(x).logits.permute(0, 2, 3, 1)


def fold_norms(network: Network) -> Network:
    """Return a copy whose batch norms are folded into the convolutions directly before them."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            fold_sequence(module)
    return network


def fold_sequence(sequence: nn.Sequential) -> None:
    """Fold each pair of convolution and norm of a sequence; an identity takes the norm's place."""
    for index in range(len(sequence) - 1):
        conv, norm = sequence[index], sequence[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index] = nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
            sequence[index + 1] = nn.Identity()
