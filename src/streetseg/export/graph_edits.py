"""Edit an ONNX graph to try what could be wrong with it: its input, upsampling, norms and head. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import onnx
import onnx.numpy_helper
from numpy.typing import NDArray

from streetseg.export.grids import Convention

# ONNX's names of the conventions.
TRANSFORMATIONS: dict[str, Convention] = {
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "half_pixel",
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
}
TRANSFORMATION = "coordinate_transformation_mode"
# Two filters are the same if their directions are this close. Folding a norm scales a filter; halving rounds it.
SAME_FILTER = 0.999
# Operations that move pixels and take any type.
MOVES = ("Transpose", "Identity", "Gather", "Slice", "Reshape", "Squeeze", "Unsqueeze")
# Operations between stored weights and the convolution that uses them.
ON_THE_WAY = ("Cast", "DequantizeLinear", "QuantizeLinear", "Identity", "Mul", "Reshape", "Unsqueeze", "Squeeze")


def with_float_input(content: bytes) -> bytes | None:
    """Return an artefact's graph without the cast of its frame: it takes any float32; None if it has no such cast."""
    model = onnx.load_from_string(content)
    frame = model.graph.input[0]
    pixels, casts = {frame.name}, []
    for node in model.graph.node:
        if node.input and node.input[0] in pixels:
            if node.op_type == "Cast":
                casts.append(node)
            elif node.op_type in MOVES:
                pixels |= set(node.output)
    if frame.type.tensor_type.elem_type != onnx.TensorProto.UINT8 or not casts:
        return None
    frame.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    for cast in casts:
        model.graph.node.remove(cast)
        for node in model.graph.node:
            for at, name in enumerate(node.input):
                if name == cast.output[0]:
                    node.input[at] = cast.input[0]
    serialised: bytes = model.SerializeToString()
    return serialised


def with_other_resizes(content: bytes) -> Iterator[tuple[Convention, Convention, bytes]]:
    """Yield the graph with linear upsampling by another convention: all of it at once, then each alone.

    With each come the convention that the graph had and the other one.
    """
    places = [at for at, node in enumerate(onnx.load_from_string(content).graph.node) if node.op_type == "Resize"]
    choices = [set(places), *({place} for place in places if len(places) > 1)]
    for chosen, other in product(choices, sorted(set(TRANSFORMATIONS.values()))):
        model = onnx.load_from_string(content)
        changed: list[Convention] = []
        for at, node in enumerate(model.graph.node):
            attributes = {attribute.name: attribute for attribute in node.attribute}
            if at not in chosen or getattr(attributes.get("mode"), "s", b"nearest") != b"linear":
                continue
            mode = attributes.get(TRANSFORMATION)
            before = TRANSFORMATIONS.get("half_pixel" if mode is None else mode.s.decode(), other)
            if before != other:
                changed.append(before)
                if mode is not None:
                    node.attribute.remove(mode)
                node.attribute.append(onnx.helper.make_attribute(TRANSFORMATION, other))
        if changed:
            yield changed[0], other, model.SerializeToString()


def with_running_norms(content: bytes) -> tuple[int, bytes]:
    """Return the number of norms in training mode, and the graph with them in evaluation mode."""
    model = onnx.load_from_string(content)
    count = 0
    for node in model.graph.node:
        modes = [one for one in node.attribute if one.name == "training_mode" and one.i]
        if node.op_type == "BatchNormalization" and modes:
            node.attribute.remove(modes[0])
            del node.output[1:]
            count += 1
    return count, model.SerializeToString()


def batch_means(content: bytes) -> int:
    """Return the number of means over the batch and the frame's height and width: norms that were taken apart."""
    graph = onnx.load_from_string(content).graph
    stored = weights(graph)
    count = 0
    for node in graph.node:
        if node.op_type == "ReduceMean":
            axes = [list(one.ints) for one in node.attribute if one.name == "axes"]
            given = [stored[name].tolist() for name in node.input[1:2] if name in stored]
            count += any(0 in one and len(one) > 2 for one in (*axes, *given))
    return count


def heads_of(exported: bytes, artefact: bytes) -> tuple[float, bool]:
    """Compare the convolutions of two graphs.

    Returns:
        The share of the exported graph's convolutions that the artefact has too, 0 to 1; and True if the one that
        makes the exported output is the one that makes the artefact's.
    """
    ours, theirs = (onnx.load_from_string(content).graph for content in (artefact, exported))
    our_filters, their_filters = filters(ours), filters(theirs)
    if not our_filters or not their_filters:
        return 0.0, False
    shared = [any(same_filters(one, other) for other in our_filters.values()) for one in their_filters.values()]
    last, our_last = their_filters.get(last_convolution(theirs)), our_filters.get(last_convolution(ours))
    same_head = last is not None and our_last is not None and same_filters(last, our_last)
    return sum(shared) / len(shared), same_head


def filters(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return the filters of each convolution by the name of its output: one row a filter, of length 1."""
    stored = weights(graph)
    makers = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            name = node.input[1]
            while name not in stored and name in makers and makers[name].op_type in ON_THE_WAY:
                name = makers[name].input[0]
            if name in stored and stored[name].ndim == 4:
                rows = stored[name].reshape(len(stored[name]), -1).astype(np.float32)
                found[node.output[0]] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-20)
    return found


def same_filters(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return True if two convolutions have the same filters, each up to a factor."""
    return one.shape == other.shape and float(np.abs((one * other).sum(axis=1)).mean()) > SAME_FILTER


def last_convolution(graph: onnx.GraphProto) -> str:
    """Return the output of the convolution that is nearest to the graph's first output; "" if there is none."""
    makers = {name: node for node in graph.node for name in node.output}
    names, seen = [graph.output[0].name], set()
    while names:
        node = makers.get(names.pop(0))
        if node is None or node.output[0] in seen:
            continue
        if node.op_type == "Conv":
            return str(node.output[0])
        seen.add(node.output[0])
        names += node.input
    return ""


def weights(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return the stored tensors of a graph by their names."""
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    stored[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    return stored
