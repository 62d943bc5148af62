"""List a quantised graph's operations: those in int8, and those that stay in float, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# Rounding neither harms nor speeds up these operations: they pass on their inputs, rounded or not.
PASSING_ON = {"Cast", "Concat", "MaxPool", "Relu", "Transpose"}
ROUNDING = {"QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True)
class FloatOperation:
    """An operation that is not computed from rounded values.

    Attributes:
        operation: The ONNX operator, "Conv" for instance.
        place: The module whose weights it has; without weights, "after" the module before it.
        reason: Why it stays in float.
    """

    operation: str
    place: str
    reason: str


def int8_operations(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the operations whose inputs are all rounded to 8 bits."""
    rounded: set[str] = set()
    names = set()
    for node, inputs in frame_operations(graph):
        if node.op_type in ROUNDING or (inputs <= rounded and node.op_type in PASSING_ON):
            rounded.update(node.output)
        elif inputs <= rounded and node.op_type not in PASSING_ON:
            names.add(node.name)
    return names


def float_operations(graph: onnx.GraphProto, once_int8: set[str], places: dict[str, str]) -> tuple[FloatOperation, ...]:
    """Return the other operations, in the graph's order, with the reason.

    once_int8: names of the operations that were in int8 before accuracy control gave some back to float.
    """
    int8 = int8_operations(graph)
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    after_rounding: set[str] = set()
    operations = []
    for node, inputs in frame_operations(graph):
        if node.op_type in ROUNDING or inputs & after_rounding:
            after_rounding.update(node.output)
        if node.op_type in PASSING_ON | ROUNDING or node.name in int8:
            continue
        if node.name in once_int8:
            reason = "accuracy"
        elif not inputs & after_rounding:
            reason = "before the first rounding"
        elif node.op_type == "Conv":
            reason = "not quantised by NNCF"
        else:
            makers = sorted({made_by[name] for name in inputs} - ROUNDING)
            reason = f"takes the result of {' and '.join(makers)} before it is rounded"
        operations.append(FloatOperation(node.op_type, places[node.name], reason))
    return tuple(operations)


def frame_operations(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, set[str]]]:
    """Yield each operation on frames, with its inputs that depend on the frame's pixels."""
    fixed = {tensor.name for tensor in graph.initializer} | {""}
    for node in graph.node:
        inputs = set(node.input) - fixed
        if node.op_type == "Shape" or not inputs:
            fixed.update(node.output)
        else:
            yield node, inputs


def operation_places(graph: onnx.GraphProto) -> dict[str, str]:
    """Return each node's place: the module whose weights it has, else "after" the module before it."""
    weights = {tensor.name for tensor in graph.initializer}
    made_at: dict[str, str] = {}
    places = {}
    for node, _ in frame_operations(graph):
        own = [name.rpartition(".")[0] for name in node.input if name in weights and name.endswith(".weight")]
        before = next((made_at[name] for name in node.input if name in made_at), "input")
        places[node.name] = own[0] if own else f"after {before}"
        made_at.update(dict.fromkeys(node.output, own[0] if own else before))
    return places
