"""What is exported as a PyTorch module of one form and one size of frames, for converters that start from PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.export.source import Source
from streetseg.runtime.card import ModelCard
from streetseg.runtime.interface import Interface


class InForm(nn.Module):
    """A module with the input and the output of a form around it.

    module: frames, N x H x W x 3, 0 to 255 -> logits, N x h x w x C. indices: the type of a class map.
    """

    def __init__(self, module: nn.Module, form: Interface, card: ModelCard, indices: torch.dtype) -> None:
        super().__init__()
        self.module, self.form, self.align_corners, self.indices = module, form, card.align_corners, indices

    def forward(self, frame: Tensor) -> Tensor:
        """Return what the form says, of frames as it says."""
        first = self.form.layout == "nchw"
        logits: Tensor = self.module(frame.permute(0, 2, 3, 1) if first else frame)
        if self.form.output == "classmap":
            assert self.form.size is not None
            x = logits.permute(0, 3, 1, 2)
            x = F.interpolate(x, size=self.form.size, mode="bilinear", align_corners=self.align_corners)
            return x.argmax(1).to(self.indices)
        return logits.permute(0, 3, 1, 2) if first else logits


def module_in_form(source: Source, form: Interface, indices: torch.dtype = torch.uint8) -> nn.Module:
    """Return what is exported as a module.

    Unfolded weights are their network with its norms folded; an artefact is its own graph, whatever was rewritten in
    it.
    """
    if source.trained:
        from streetseg.export.folding import fold_norms
        from streetseg.export.onnx import FrameToLogits

        module: nn.Module = FrameToLogits(fold_norms(source.network), source.card)
    else:
        from streetseg.export.graph_module import GraphModule

        module = GraphModule(source.artefact)
    return InForm(module, form, source.card, indices).eval()


def example_frame(form: Interface) -> Tensor:
    """Return a black frame as the form takes it."""
    assert form.size is not None
    height, width = form.size
    shape = (1, 3, height, width) if form.layout == "nchw" else (1, height, width, 3)
    return torch.zeros(shape, dtype=torch.uint8 if form.input == "uint8" else torch.float32)
