"""The graph of an artefact as a PyTorch module, for converters that start from PyTorch.

It computes the artefact itself, whatever was folded, merged or rewritten when that was made. Sizes become constants
when it is traced: an export of it takes one size of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.ao.quantization.fx._decomposed
import torch.nn.functional as F
from torch import Tensor, nn

from streetseg.errors import ArtefactError

Value = Any  # a tensor; a shape as a tuple of int; None for an input that is left out
Attributes = dict[str, Any]


class GraphModule(nn.Module):
    """An artefact's graph: frames, N x H x W x 3, 0 to 255 -> logits, N x h x w x C float32."""

    def __init__(self, artefact: Path) -> None:
        super().__init__()
        graph = onnx.load(artefact).graph
        if unknown := sorted({node.op_type for node in graph.node} - OPERATORS.keys()):
            raise ArtefactError(f"{artefact} has operators that have no form in PyTorch here: {', '.join(unknown)}")
        self.buffers_of: dict[str, str] = {}  # name in the graph -> name of the buffer
        self.constants: dict[str, Value] = {"": None}  # axes and sizes are no tensors, so that a trace holds them
        zeros = {node.input[2] for node in graph.node if node.op_type == "DequantizeLinear"}
        for number, tensor in enumerate(graph.initializer):
            array = onnx.numpy_helper.to_array(tensor)
            if array.dtype == np.int64:
                self.constants[tensor.name] = tuple(array.reshape(-1).tolist())
                continue
            if array.size == 1 and array.ndim == 0:  # scale or zero point of a tensor's 8-bit form
                self.constants[tensor.name] = array
                continue
            self.buffers_of[tensor.name] = name = f"constant{number}"
            kind = np.int64 if tensor.name in zeros else np.float32 if array.dtype.kind == "f" else array.dtype
            self.register_buffer(name, torch.tensor(array.astype(kind)))
        self.steps: list[tuple[Callable[[Sequence[Value], Attributes], Value], list[str], str, Attributes]] = [
            (
                OPERATORS[node.op_type],
                list(node.input),
                node.output[0],
                {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute},
            )
            for node in graph.node
        ]
        self.given, self.result = graph.input[0].name, graph.output[0].name

    def forward(self, frame: Tensor) -> Tensor:
        """Return logits, N x h x w x C, of frames, N x H x W x 3, uint8 or float32."""
        values = {name: getattr(self, buffer) for name, buffer in self.buffers_of.items()}
        values |= self.constants | {self.given: frame}
        for operator, inputs, output, attributes in self.steps:
            values[output] = operator([values[name] for name in inputs], attributes)
        result: Tensor = values[self.result]
        return result


def conv(x: Sequence[Value], attributes: Attributes) -> Tensor:
    """Convolve; the padding is the same on opposite sides."""
    bias = x[2] if len(x) > 2 else None
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    return F.conv2d(x[0], x[1], bias, strides, padding_of(attributes), dilations, attributes.get("group", 1))


def padding_of(attributes: Attributes) -> list[int]:
    """Return the padding of rows and columns; ArtefactError if opposite sides differ."""
    above, left, below, right = attributes.get("pads", [0, 0, 0, 0])
    if (above, left) != (below, right):
        raise ArtefactError(f"a padding of {above, left, below, right} has no form in PyTorch here")
    return [above, left]


def average_pool(x: Sequence[Value], attributes: Attributes) -> Tensor:
    """Average over windows; the padding counts if the attribute says so."""
    return F.avg_pool2d(
        x[0], attributes["kernel_shape"], attributes.get("strides", [1, 1]), padding_of(attributes),
        bool(attributes.get("ceil_mode", 0)), bool(attributes.get("count_include_pad", 0)),
    )  # fmt: skip


def max_pool(x: Sequence[Value], attributes: Attributes) -> Tensor:
    """Take the largest of windows."""
    return F.max_pool2d(
        x[0], attributes["kernel_shape"], attributes.get("strides", [1, 1]), padding_of(attributes),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )  # fmt: skip


def resize(x: Sequence[Value], attributes: Attributes) -> Tensor:
    """Resize to the last two sizes of a shape."""
    size = list(x[3])[-2:]
    grid = attributes["coordinate_transformation_mode"].decode()
    if attributes["mode"] == b"nearest" and grid == "asymmetric":
        return F.interpolate(x[0], size, mode="nearest")
    if attributes["mode"] != b"linear" or grid not in ("pytorch_half_pixel", "half_pixel", "align_corners"):
        raise ArtefactError(f"a resize of mode {attributes['mode'].decode()}, {grid} has no form in PyTorch here")
    return F.interpolate(x[0], size, mode="bilinear", align_corners=grid == "align_corners")


def batch_norm(x: Sequence[Value], attributes: Attributes) -> Tensor:
    """Normalise by constant statistics, as one factor and one shift a channel."""
    values, weight, bias, mean, var = x
    factor = weight / torch.sqrt(var + attributes.get("epsilon", 1e-5))
    normalised: Tensor = values * factor.view(-1, 1, 1) + (bias - mean * factor).view(-1, 1, 1)
    return normalised


def mean(x: Sequence[Value], attributes: Attributes) -> Tensor:
    """Average over axes."""
    averaged: Tensor = x[0].mean(x[1], keepdim=bool(attributes.get("keepdims", 1)))
    return averaged


def concat(x: Sequence[Value], attributes: Attributes) -> Value:
    """Concatenate tensors, or the parts of a shape."""
    if any(isinstance(one, tuple) for one in x):
        return sum(x, ())
    return torch.cat(list(x), attributes["axis"])


def cast(x: Sequence[Value], attributes: Attributes) -> Value:
    """Cast to float32; other types do not occur between a frame and its logits."""
    return x[0].float()


def quantise(x: Sequence[Value], attributes: Attributes) -> Value:
    """Round values to 8 bits, one scale for all."""
    return torch.ops.quantized_decomposed.quantize_per_tensor(x[0], *rounding(x[1], x[2]))


def widen(x: Sequence[Value], attributes: Attributes) -> Value:
    """Return values of 8 bits in float32; one scale for all, or one for each part along an axis."""
    if x[1].ndim == 0:
        return torch.ops.quantized_decomposed.dequantize_per_tensor(x[0], *rounding(x[1], x[2]))
    low, high = (-128, 127) if x[0].dtype == torch.int8 else (0, 255)
    return torch.ops.quantized_decomposed.dequantize_per_channel(
        x[0], x[1], x[2], attributes.get("axis", 1), low, high, x[0].dtype
    )


def rounding(scale: Any, zero_point: Any) -> tuple[float, int, int, int, torch.dtype]:
    """Return scale, zero point, lowest and highest value and type of a tensor of 8 bits."""
    signed = zero_point.dtype == np.int8
    low, high, kind = (-128, 127, torch.int8) if signed else (0, 255, torch.uint8)
    return float(scale), int(zero_point), low, high, kind


OPERATORS: dict[str, Callable[[Sequence[Value], Attributes], Value]] = {
    "Add": lambda x, _: x[0] + x[1],
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Cast": cast,
    "Concat": concat,
    "Conv": conv,
    "DequantizeLinear": widen,
    "MaxPool": max_pool,
    "Mul": lambda x, _: x[0] * x[1],
    "PRelu": lambda x, _: torch.where(x[0] > 0, x[0], x[0] * x[1]),
    "QuantizeLinear": quantise,
    "ReduceMean": mean,
    "Relu": lambda x, _: F.relu(x[0]),
    "Resize": resize,
    "Shape": lambda x, attributes: tuple(x[0].shape[attributes.get("start", 0) : attributes.get("end")]),
    "Sigmoid": lambda x, _: x[0].sigmoid(),
    "Sub": lambda x, _: x[0] - x[1],
    "Transpose": lambda x, attributes: x[0].permute(attributes["perm"]),
}
