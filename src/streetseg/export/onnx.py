"""The artefact that runs, an ONNX graph with its card in the metadata (NAME.onnx), made of a network.

Input "frame": N x H x W x 3 uint8 RGB, H and W multiples of size_multiple. Output "logits": N x h x w x C float32 at
the output stride. Cast and normalisation are inside the graph. Batch norms are folded into the convolutions before
them. Weights are stored in half precision, and engines widen them when they load the graph.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streetseg.export.folding import fold_norms
from streetseg.export.graph import halve_weights, strip_graph, with_card
from streetseg.export.rewrites import rewrite_graph
from streetseg.models.outputs import Network
from streetseg.runtime.card import ModelCard
from streetseg.runtime.files import write_file

OPSET = 20


class FrameToLogits(nn.Module):
    """Normalise frames, run the network, put the channels last.

    A torch.export program holds this class's module and name, so its content hash changes where they change.
    """

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


def write_onnx(network: Network, card: ModelCard, out: Path) -> ModelCard:
    """Write a network as the artefact `out`; return its card."""
    content, card = with_card(to_onnx(network, card), card, "float16", out.stem)
    write_file(out, content)
    return card


def logits_of_frame(network: Network, card: ModelCard, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a network's logits, h x w x C float32, of a frame, H x W x 3 uint8 RGB."""
    mean, std = torch.tensor(card.mean), torch.tensor(card.std)
    x = ((torch.from_numpy(frame) - mean) / std).permute(2, 0, 1).unsqueeze(0)
    with torch.inference_mode():
        logits: NDArray[np.float32] = network(x).logits[0].permute(1, 2, 0).contiguous().numpy()
    return logits


def to_onnx(network: Network, card: ModelCard, *, halved: bool = True) -> onnx.ModelProto:
    """Return the network's graph, norms folded, without a card; halved: store the weights in half precision."""
    module = FrameToLogits(fold_norms(network), card).eval()
    size = 2 * card.size_multiple, 3 * card.size_multiple
    with quiet():
        program = torch.onnx.export(
            module,
            (torch.zeros(2, *size, 3, dtype=torch.uint8),),
            input_names=["frame"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=True,
            optimize=False,
        )
        assert program is not None
        forget_sizes(program.model)
        program.optimize()
        rewrite_graph(program.model)
    model = program.model_proto
    model.producer_name, model.producer_version = "streetseg", version("streetseg")
    strip_graph(model.graph)
    if halved:
        halve_weights(model.graph)
    onnx.checker.check_model(model)
    return model


def forget_sizes(model: onnx_ir.Model) -> None:
    """Make batch, height and width dynamic.

    The networks' operators hold no size (see `layers.resize`). The exporter still notes the example's sizes, and its
    optimiser would take them for constants.
    """
    (frame,), (logits,) = model.graph.inputs, model.graph.outputs
    assert logits.shape is not None
    shape = onnx_ir.Shape(["batch", "h", "w", logits.shape[3]])
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    frame.shape, logits.shape = onnx_ir.Shape(["batch", "height", "width", 3]), shape


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence torch's exporter: its output is of use to its own developers only."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
