"""A small network as an artefact, and its graph with classic mistakes of an export planted in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from streetseg.export.graph import widen_weights, with_card
from streetseg.export.onnx import to_onnx
from streetseg.models.layers import resize
from streetseg.models.outputs import Network, Outputs
from streetseg.runtime.card import ModelCard

CLASSES = 5
CARD = ModelCard(
    network="small", classes=("road", "building", "sky", "tree", "car"),
    colours=((1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 5)),
    mean=(105.0, 112.0, 98.0), std=(61.0, 55.0, 58.0), output_stride=4, size_multiple=8, align_corners=False,
    native_short_side=96,
)  # fmt: skip


class Small(Network):
    """Three convolutions with norms; one upsampling inside; logits at stride 4."""

    output_stride, size_multiple, align_corners = 4, 8, False

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 5, 4, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.join = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: Tensor) -> Outputs:
        """Return the logits, N x C x H/4 x W/4."""
        fine = self.stem(x)
        coarse = resize(self.down(fine), fine)
        return Outputs(self.head(self.join(fine + coarse)), {})


def small_graph() -> onnx.ModelProto:
    """Return the graph of the small network, with weights of a seed, in float32."""
    torch.manual_seed(0)
    network = Small().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    model = to_onnx(network, CARD)
    widen_weights(model.graph)
    return model


def write(model: onnx.ModelProto, path: Path, card: ModelCard | None = CARD) -> Path:
    """Write a graph with a card inside, or without one."""
    if card is None:
        del model.metadata_props[:]
        path.write_bytes(model.SerializeToString())
    else:
        path.write_bytes(with_card(model, card, "float32")[0])
    return path


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def put_before(model: onnx.ModelProto, operation: str, *inputs: str, **attributes: Any) -> None:
    """Put an operation between the frame and all that takes it."""
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name == "frame":
                node.input[at] = "frame.new"
    model.graph.node.insert(0, helper.make_node(operation, ["frame", *inputs], ["frame.new"], **attributes))


def put_after(model: onnx.ModelProto, operation: str, *inputs: str, **attributes: Any) -> None:
    """Put an operation between the logits and the output."""
    inner = f"inner.{len(model.graph.node)}"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == "logits":
                    names[at] = inner
    model.graph.node.append(helper.make_node(operation, [inner, *inputs], ["logits"], **attributes))
    number_of_dims = len(model.graph.output[0].type.tensor_type.shape.dim)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for place in range(number_of_dims):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = f"d{place}"


def store(model: onnx.ModelProto, name: str, values: NDArray[np.generic]) -> str:
    """Store a tensor in the graph; return its name."""
    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def node_of(model: onnx.ModelProto, operation: str) -> onnx.NodeProto:
    """Return the last operation of a kind."""
    return [node for node in model.graph.node if node.op_type == operation][-1]


def replace_stored(
    model: onnx.ModelProto, name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> None:
    """Replace a stored tensor."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))


def without_normalisation(model: onnx.ModelProto) -> None:
    """Take mean and scale out of the graph."""
    subtract, multiply = node_of(model, "Sub"), node_of(model, "Mul")
    replace_stored(model, subtract.input[1], np.zeros_like)
    replace_stored(model, multiply.input[1], np.ones_like)


def with_float_nchw_input(model: onnx.ModelProto) -> None:
    """Let the graph take normalised float32, N x 3 x H x W, as most exporters have it."""
    multiply = node_of(model, "Mul")
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name == multiply.output[0]:
                node.input[at] = "image"
    while True:  # drop what nothing takes
        needed = {name for node in model.graph.node for name in node.input} | {model.graph.output[0].name}
        unused = [node for node in model.graph.node if not needed & set(node.output)]
        if not unused:
            break
        for node in unused:
            model.graph.node.remove(node)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h_in", "w_in"]))


def with_whole_output(model: onnx.ModelProto, convention: str) -> None:
    """Upsample the logits to the input's size, N x C x H x W."""
    put_after(model, "Transpose", perm=[0, 3, 1, 2])
    scales = store(model, "scales", np.array([1, 1, 4, 4], np.float32))
    put_after(model, "Resize", "", scales, mode="linear", coordinate_transformation_mode=convention)


def with_training_norm(model: onnx.ModelProto, *, training: bool) -> None:
    """Put a norm before the head that does nothing with its learned statistics, and in training mode does much."""
    head = node_of(model, "Conv")
    mean, variance = np.linspace(-1, 2, 16, dtype=np.float32), np.linspace(0.5, 4, 16, dtype=np.float32)
    names = [
        store(model, "norm.scale", np.sqrt(variance + np.float32(1e-5))), store(model, "norm.bias", mean),
        store(model, "norm.mean", mean), store(model, "norm.var", variance),
    ]  # fmt: skip
    taken = head.input[0]
    head.input[0] = "normed"
    outputs = ["normed", "norm.new_mean", "norm.new_var"] if training else ["normed"]
    norm = helper.make_node("BatchNormalization", [taken, *names], outputs, training_mode=int(training))
    model.graph.node.insert(list(model.graph.node).index(head), norm)


def with_auxiliary_head(model: onnx.ModelProto, *, alone: bool) -> None:
    """Put another head's logits out: alone, or before the main head's."""
    head = node_of(model, "Conv")
    weight = np.random.default_rng(0).normal(size=(CLASSES, 16, 1, 1)).astype(np.float32)
    store(model, "auxiliary.weight", weight)
    if alone:
        head.input[1] = "auxiliary.weight"
        return
    model.graph.node.append(helper.make_node("Conv", [head.input[0], "auxiliary.weight"], ["auxiliary"]))
    output = helper.make_tensor_value_info("auxiliary", TensorProto.FLOAT, ["n", CLASSES, "h", "w"])
    model.graph.output.insert(0, output)
