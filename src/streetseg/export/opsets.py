"""Write a graph in another version of ONNX's operators: the same function. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import helper

from streetseg.errors import UsageError

OLDEST = 13
# Operators whose later versions only allow further types, or attributes that our graphs do not set: the node means the
# same from this version on.
SAME_SINCE = {
    "Add": 13, "ArgMax": 13, "AveragePool": 13, "BatchNormalization": 13, "Cast": 13, "Clip": 13, "Concat": 13,
    "Conv": 13, "DequantizeLinear": 13, "Div": 13, "GlobalAveragePool": 13, "Identity": 13, "MaxPool": 13, "Mul": 13,
    "PRelu": 13, "QuantizeLinear": 13, "Relu": 13, "Sigmoid": 13, "Slice": 13, "Softmax": 13, "Sub": 13,
    "Transpose": 13,
}  # fmt: skip
# Attributes that must have these values, or be absent, for the node to mean the same: what they are without.
UNSET: dict[str, dict[str, object]] = {
    "AveragePool": {"dilations": [1, 1]},
    "BatchNormalization": {"training_mode": 0},
    "Cast": {"saturate": 1, "round_mode": b"up"},
    "QuantizeLinear": {"saturate": 1, "block_size": 0, "output_dtype": 0, "precision": 0},
    "DequantizeLinear": {"block_size": 0, "output_dtype": 0},
    "Resize": {"antialias": 0, "keep_aspect_ratio_policy": b"stretch"},
}


def give_opset(model: onnx.ModelProto, opset: int) -> None:
    """Write a graph in another version of ONNX's operators, in place.

    Args:
        model: The graph.
        opset: The version, 13 or more.

    Raises:
        UsageError: The version is too old, unknown, or an operator has no such form.
    """
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= opset <= newest:
        raise UsageError(f"--opset {opset} is not possible; give {OLDEST} to {newest}")
    (current,) = (one.version for one in model.opset_import if one.domain == "")
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += rewritten(node, model.graph, current, opset)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for one in model.opset_import:
        if one.domain == "":
            one.version = opset
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))


def rewritten(node: onnx.NodeProto, graph: onnx.GraphProto, current: int, opset: int) -> list[onnx.NodeProto]:
    """Return a node in the other version; UsageError if there is no such form."""
    if node.domain:
        raise UsageError(f"operator {node.domain}.{node.op_type} forbids another opset: it is none of ONNX's own")
    now = onnx.defs.get_schema(node.op_type, current).since_version
    if now <= opset and now == onnx.defs.get_schema(node.op_type, opset).since_version:
        return [node]
    for name, value in UNSET.get(node.op_type, {}).items():
        given = [one for one in node.attribute if one.name == name]
        if given and helper.get_attribute_value(given[0]) != value:
            raise UsageError(f"operator {node.op_type} forbids opset {opset}: its {name} needs opset {now}")
        for one in given:
            node.attribute.remove(one)
    for operator, since, rewrite in REWRITES:
        if operator == node.op_type:
            return rewrite(node, graph) if opset < since else [node]
    if opset >= SAME_SINCE.get(node.op_type, max(now, opset + 1)):
        return [node]
    raise UsageError(f"operator {node.op_type} forbids opset {opset}: its form here is of opset {now}")


def shape_by_slice(node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Shape with start and end, of opset 15: the whole shape, then a slice of it."""
    marks = {one.name: one.i for one in node.attribute}
    if not marks:
        return [node]
    name = node.output[0]
    begin = store(graph, f"{name}.begin", [marks.get("start", 0)])
    end = store(graph, f"{name}.end", [marks.get("end", np.iinfo(np.int64).max)])
    whole = helper.make_node("Shape", [node.input[0]], [f"{name}.whole"], name=f"{name}.whole")
    return [whole, helper.make_node("Slice", [f"{name}.whole", begin, end], [name], name=f"{name}.part")]


def resize_all_axes(node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Resize of some axes, of opset 18: the sizes of all four."""
    axes = [one for one in node.attribute if one.name == "axes"]
    if not axes:
        return [node]
    if list(axes[0].ints) != [2, 3] or len(node.input) < 4 or not node.input[3]:
        raise UsageError("operator Resize forbids opsets before 18: its form here has axes other than height and width")
    name, taken = node.output[0], node.input[0]
    zero, two = store(graph, f"{name}.zero", [0]), store(graph, f"{name}.two", [2])
    node.attribute.remove(axes[0])
    before = [
        helper.make_node("Shape", [taken], [f"{name}.shape"], name=f"{name}.shape"),
        helper.make_node("Slice", [f"{name}.shape", zero, two], [f"{name}.first"], name=f"{name}.first"),
        helper.make_node("Concat", [f"{name}.first", node.input[3]], [f"{name}.sizes"], name=f"{name}.sizes", axis=0),
    ]
    node.input[3] = f"{name}.sizes"
    return [*before, node]


def reduce_by_attribute(node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """ReduceMean with its axes as an input, of opset 18: as an attribute."""
    if len(node.input) > 1:
        stored = {one.name: one for one in graph.initializer}
        if node.input[1] not in stored:
            raise UsageError("operator ReduceMean forbids opsets before 18: its axes here are computed")
        axes = onnx.numpy_helper.to_array(stored[node.input[1]]).tolist()
        del node.input[1:]
        node.attribute.append(helper.make_attribute("axes", axes))
    for one in [one for one in node.attribute if one.name == "noop_with_empty_axes"]:
        node.attribute.remove(one)
    return [node]


Rewrite = Callable[[onnx.NodeProto, onnx.GraphProto], list[onnx.NodeProto]]
# Operator, the opset from which its form here is right, and what to write before it.
REWRITES: tuple[tuple[str, int, Rewrite], ...] = (
    ("Shape", 15, shape_by_slice),
    ("Resize", 18, resize_all_axes),
    ("ReduceMean", 18, reduce_by_attribute),
)


def store(graph: onnx.GraphProto, name: str, values: list[int]) -> str:
    """Store whole numbers in the graph; return their name."""
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
    return name
