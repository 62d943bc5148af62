"""Export to the artefact that runs: an ONNX graph with its card in the metadata.

Input "frame": N x H x W x 3 uint8 RGB, H and W multiples of size_multiple. Output "logits": N x h x w x C float32 at
the output stride. Cast, normalisation and network are inside; norms are folded into the convolutions before them;
weights are stored in half precision and widened when an engine loads them.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import onnx
import onnx_ir
import torch
from torch import Tensor, nn

from streetseg.errors import UsageError
from streetseg.export.graph import halve_weights, strip, with_card
from streetseg.export.rewrites import rewrite
from streetseg.export.verify import write_verified
from streetseg.models.outputs import Network
from streetseg.models.weights import open_weights
from streetseg.runtime.card import Accuracy, ModelCard

OPSET = 20


def export_onnx(
    weights: Path, out: Path, accuracy: Sequence[Accuracy] = (), training_time: str = ""
) -> tuple[ModelCard, float]:
    """Unfolded weights (NAME.safetensors) -> the artefact `out` (NAME.onnx); returns its card and how far it differs.

    accuracy, training_time: measured figures to put on the card. The artefact is run and compared with the network
    before it takes its name; VerificationError otherwise.
    """
    network, card = open_measured(weights, accuracy, training_time)
    model = to_onnx(network, card)
    content, card = with_card(model, card, "float16")
    return card, write_verified(out, content, network, card, "onnxruntime")


def open_measured(weights: Path, accuracy: Sequence[Accuracy], training_time: str) -> tuple[Network, ModelCard]:
    """`open_weights`, with these figures in place of those that the card has, where there are any; UsageError where
    they are of other classes."""
    network, card = open_weights(weights)
    for name in (name for one in accuracy for name in one.iou if name not in card.classes):
        raise UsageError(f"--accuracy has figures of {name!r}, no class of {weights}; give evaluations of its classes")
    return network, dataclasses.replace(
        card, accuracy=tuple(accuracy) or card.accuracy, training_time=training_time or card.training_time
    )


class FrameToLogits(nn.Module):
    """The network as the artefact has it: uint8 frames in, logits out, channels last."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: Network, card: ModelCard) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(card.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(card.std).view(3, 1, 1), persistent=False)

    def forward(self, frame: Tensor) -> Tensor:
        """N x H x W x 3 uint8 -> N x h x w x C float32."""
        x = (frame.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        return self.network(x).logits.permute(0, 2, 3, 1)


def to_onnx(network: Network, card: ModelCard) -> onnx.ModelProto:
    """The network's graph, norms folded, weights halved, without a card."""
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
        rewrite(program.model)
    model = program.model_proto
    model.producer_name, model.producer_version = "streetseg", version("streetseg")
    strip(model.graph)
    halve_weights(model.graph)
    onnx.checker.check_model(model)
    return model


def forget_sizes(model: onnx_ir.Model) -> None:
    """Make batch, height and width dynamic. The networks' operators hold no size (see layers.resize); what is left is
    what the exporter noted of the example's, which its optimiser would take for constants."""
    (frame,), (logits,) = model.graph.inputs, model.graph.outputs
    assert logits.shape is not None
    shape = onnx_ir.Shape(["batch", "h", "w", logits.shape[3]])
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    frame.shape, logits.shape = onnx_ir.Shape(["batch", "height", "width", 3]), shape


def fold_norms(network: Network) -> Network:
    """A copy whose batch norms are folded into the convolutions directly before them."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            fold_sequence(module)
    return network


def fold_sequence(sequence: nn.Sequential) -> None:
    """Fold each (convolution, norm) neighbours of a sequence; the norm's place is left empty."""
    for index in range(len(sequence) - 1):
        conv, norm = sequence[index], sequence[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index] = nn.utils.fusion.fuse_conv_bn_eval(conv, norm)
            sequence[index + 1] = nn.Identity()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """torch's exporter tells its own developers much that is none of our user's business."""
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
