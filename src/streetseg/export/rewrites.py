"""Rewrite the exported graph so that engines run it faster: the same function, other operators.

Rewrites take graphs as PyTorch's exporter leaves them, norms folded. Each one changes the patterns that it knows, in
any network, and returns their number. docs/performance.md says how much each gains, and which others gained nothing.
"""

from __future__ import annotations

import numpy as np
import onnx_ir
from numpy.typing import NDArray
from onnx_ir import Graph, Model, Node, Value
from onnx_ir.passes.common import RemoveUnusedNodesPass


def rewrite_graph(model: Model) -> None:
    """Apply all rewrites, in place."""
    project_before_resizing(model.graph)
    part_expansions(model.graph)
    RemoveUnusedNodesPass()(model)


def project_before_resizing(graph: Graph) -> int:
    """Turn conv1x1(concat(resize(deep), skip)), as in FC-HarDNet's fusions, into resize(conv1x1(deep)) + conv1x1(skip).

    A 1x1 convolution mixes channels and a bilinear resize mixes pixels, so their order is free. With the convolution
    first, it reads a quarter of the pixels, the resize often has fewer channels, and nothing is concatenated.
    """
    count = 0
    for conv in list(graph):
        concat = maker(conv.inputs[0], "Concat") if conv.op_type == "Conv" else None
        resized = maker(concat.inputs[0], "Resize") if concat and len(concat.inputs) == 2 else None
        if concat is None or resized is None:
            continue
        weight, (deep, *roi_scale_size), skip = values(conv.inputs[1]), resized.inputs, concat.inputs[1]
        channels = deep.shape[1] if deep and deep.shape else None
        if weight.shape[2:] != (1, 1) or not isinstance(channels, int):
            continue
        of_deep = node("Conv", [deep, constant(graph, conv, "deep", weight[:, :channels])], conv)
        enlarged = node("Resize", [of_deep.outputs[0], *roi_scale_size], resized)
        of_skip = node("Conv", [skip, constant(graph, conv, "skip", weight[:, channels:]), *conv.inputs[2:]], conv)
        total = onnx_ir.node("Add", [of_skip.outputs[0], enlarged.outputs[0]])
        replace(graph, conv, [of_deep, enlarged, of_skip, total])
        count += 1
    return count


def part_expansions(graph: Graph) -> int:
    """Turn a grouped convolution that makes m channels of each channel into m depthwise ones, concatenated.

    BiSeNetV2's gather-and-expansion layers have such convolutions. Engines have fast kernels for depthwise convolutions
    only. The channels change their order; the weights of the convolutions that read them are reordered to match.
    """
    count = 0
    for conv in list(graph):
        groups = conv.attributes["group"].as_int() if "group" in conv.attributes else 1
        if conv.op_type != "Conv" or groups == 1:
            continue
        weight = values(conv.inputs[1])
        parts = len(weight) // groups
        if weight.shape[1] != 1 or parts == 1:
            continue
        branches = [
            node(
                "Conv",
                [
                    conv.inputs[0],
                    *(
                        constant(graph, conv, f"{name}_{part}", array[part::parts])
                        for name, array in parameters(conv).items()
                    ),
                ],
                conv,
            )
            for part in range(parts)
        ]
        order = np.arange(len(weight)).reshape(groups, parts).T.reshape(-1)
        reorder_readers(graph, conv.outputs[0], order)
        concat = onnx_ir.node("Concat", [branch.outputs[0] for branch in branches], attributes={"axis": 1})
        replace(graph, conv, [*branches, concat])
        count += 1
    return count


def reorder_readers(graph: Graph, value: Value, order: NDArray[np.int64]) -> None:
    """Make the readers of `value` expect its channels in `order`.

    The order passes through activations and depthwise convolutions and ends at the next full convolution.
    """
    for reader in value.consumers():
        if reader.op_type == "Relu":
            reorder_readers(graph, reader.outputs[0], order)
            continue
        assert reader.op_type == "Conv", reader.op_type
        weight = values(reader.inputs[1])
        if weight.shape[1] == 1:
            for index, (name, array) in enumerate(parameters(reader).items(), 1):
                reader.replace_input_with(index, constant(graph, reader, name, array[order]))
            reorder_readers(graph, reader.outputs[0], order)
        else:
            reader.replace_input_with(1, constant(graph, reader, "weight", weight[:, order]))


def maker(value: Value | None, op: str) -> Node | None:
    """Return the node that computes a value if it is of that operator, else None."""
    node = value.producer() if value else None
    return node if node and node.op_type == op else None


def parameters(conv: Node) -> dict[str, NDArray[np.float32]]:
    """Return the weight, and the bias unless the exporter left it out as all zeros."""
    return {name: values(given) for name, given in zip(("weight", "bias"), conv.inputs[1:], strict=False)}


def values(constant: Value | None) -> NDArray[np.float32]:
    assert constant is not None
    assert constant.const_value is not None
    return constant.const_value.numpy()


def constant(graph: Graph, owner: Node, role: str, array: NDArray[np.float32]) -> Value:
    """Add an initialiser that is named after the node that it comes from."""
    tensor = onnx_ir.tensor(np.ascontiguousarray(array), name=f"{owner.outputs[0].name}_{role}")
    value = onnx_ir.Value(name=tensor.name, const_value=tensor)
    graph.register_initializer(value)
    return value


def node(op: str, inputs: list[Value | None], like: Node) -> Node:
    """Return a node with the attributes of another."""
    return onnx_ir.node(op, inputs, attributes=dict(like.attributes))


def replace(graph: Graph, old: Node, new: list[Node]) -> None:
    """Replace a node by others; the output of the last one takes over."""
    onnx_ir.convenience.replace_nodes_and_values(graph, old, [old], new, old.outputs, new[-1].outputs)
