"""Give an artefact's graph another input, output, size or precision: the same function. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
from numpy.typing import NDArray
from onnx import TensorProto, helper

from streetseg.errors import ArtefactError
from streetseg.export.graph import widen_weights
from streetseg.runtime.interface import Interface

TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
FRAME, LOGITS = "frame", "logits"
WHOLE_NUMBERS = {"Concat", "Gather", "Slice", "Cast", "Add", "Sub", "Mul", "Div", "Squeeze", "Unsqueeze", "Identity"}


def give_form(model: onnx.ModelProto, form: Interface, classes: int, *, align_corners: bool) -> None:
    """Give the graph of an artefact of the usual form another one, in place.

    Args:
        model: Input "frame", N x H x W x 3 uint8; output "logits", N x h x w x C float32.
        form: What it shall take and give.
        classes: C.
        align_corners: The convention by which a class map is upsampled.

    Raises:
        ArtefactError: The graph is not of the usual form.
    """
    graph = model.graph
    if [one.name for one in graph.input] != [FRAME] or [one.name for one in graph.output] != [LOGITS]:
        raise ArtefactError("the graph is no artefact of the usual form: its input must be frame, its output logits")
    if form.input == "float32":
        leave_out_cast(graph)
    if form.layout == "nchw":
        take_planar(graph)
    if form.output != "logits" or form.layout == "nchw":
        give_output(graph, planar_logits(graph), form, align_corners=align_corners)
    set_shapes(graph, form, classes)
    if form.size is not None:
        fold_sizes(model)


def leave_out_cast(graph: onnx.GraphProto) -> None:
    """Let the graph take float32 where it casts uint8 to float32 first."""
    pixels = {FRAME}
    for node in list(graph.node):
        if node.input and node.input[0] in pixels:
            if node.op_type == "Cast":
                rename_readers(graph, node.output[0], node.input[0])
                graph.node.remove(node)
            elif node.op_type == "Transpose":
                pixels |= set(node.output)


def take_planar(graph: onnx.GraphProto) -> None:
    """Let the graph take its frame with channels first."""
    readers = [node for node in graph.node if FRAME in node.input]
    if len(readers) == 1 and readers[0].op_type == "Transpose" and perm_of(readers[0]) == TO_NCHW:
        rename_readers(graph, readers[0].output[0], FRAME)
        graph.node.remove(readers[0])
        return
    rename_readers(graph, FRAME, "frame.nhwc")
    graph.node.insert(0, helper.make_node("Transpose", [FRAME], ["frame.nhwc"], name="frame_nhwc", perm=TO_NHWC))


def planar_logits(graph: onnx.GraphProto) -> str:
    """Take the logits off the graph's output; return their name with classes first."""
    (last,) = (node for node in graph.node if LOGITS in node.output)
    if last.op_type == "Transpose" and perm_of(last) == TO_NHWC:
        graph.node.remove(last)
        return str(last.input[0])
    last.output[list(last.output).index(LOGITS)] = "logits.nhwc"
    turn = helper.make_node("Transpose", ["logits.nhwc"], ["logits.nchw"], name="logits_nchw", perm=TO_NCHW)
    graph.node.append(turn)
    return "logits.nchw"


def give_output(graph: onnx.GraphProto, logits: str, form: Interface, *, align_corners: bool) -> None:
    """Add the operations from the logits, classes first, to the form's output."""
    if form.output == "classmap":
        upsample_to_classes(graph, logits, 2 if form.layout == "nchw" else 1, align_corners=align_corners)
        return
    if form.output == "probabilities":
        inner = "probabilities" if form.layout == "nchw" else "probabilities.nchw"
        graph.node.append(helper.make_node("Softmax", [logits], [inner], name="softmax", axis=1))
        logits = inner
    if form.layout == "nhwc":
        graph.node.append(helper.make_node("Transpose", [logits], [form.output], name="nhwc", perm=TO_NHWC))
    elif form.output == "logits":
        rename(graph, logits, LOGITS)


def upsample_to_classes(graph: onnx.GraphProto, logits: str, height_axis: int, *, align_corners: bool) -> None:
    """Add the operations from the logits, classes first, to the class map of the input's size.

    height_axis: The axis of the frame's height; its width is the next one.
    """
    for name, axis in (("classmap.begin", height_axis), ("classmap.end", height_axis + 2)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([axis], np.int64), name))
    convention = "align_corners" if align_corners else "half_pixel"
    upsampling: dict[str, Any] = {"axes": [2, 3], "mode": "linear", "coordinate_transformation_mode": convention}
    graph.node.extend(
        [
            helper.make_node("Shape", [FRAME], ["classmap.shape"], name="classmap_shape"),
            helper.make_node(
                "Slice", ["classmap.shape", "classmap.begin", "classmap.end"], ["classmap.size"], name="classmap_size"
            ),
            helper.make_node(
                "Resize", [logits, "", "", "classmap.size"], ["classmap.logits"], name="classmap_upsample", **upsampling
            ),
            helper.make_node(
                "ArgMax", ["classmap.logits"], ["classmap.index"], name="classmap_index", axis=1, keepdims=0
            ),
            helper.make_node("Cast", ["classmap.index"], ["classmap"], name="classmap_cast", to=TensorProto.UINT8),
        ]
    )


def set_shapes(graph: onnx.GraphProto, form: Interface, classes: int) -> None:
    """Declare input and output of the graph."""
    batch: list[int | str] = ["batch"] if form.size is None else [1]
    size: list[int | str] = ["height", "width"] if form.size is None else list(form.size)
    planar = form.layout == "nchw"
    kind = TensorProto.UINT8 if form.input == "uint8" else TensorProto.FLOAT
    shape = [*batch, 3, *size] if planar else [*batch, *size, 3]
    axes = "N x 3 x H x W" if planar else "N x H x W x 3"
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info(FRAME, kind, shape, doc_string=f"{axes} {form.input}, RGB, 0 to 255")
    )
    if form.output == "classmap":
        made = helper.make_tensor_value_info(
            "classmap", TensorProto.UINT8, [*batch, *size], doc_string="N x H x W uint8, class indices"
        )
    else:
        grid: list[int | str] = ["h", "w"]
        outputs = [*batch, classes, *grid] if planar else [*batch, *grid, classes]
        axes = "N x C x h x w" if planar else "N x h x w x C"
        made = helper.make_tensor_value_info(form.output, TensorProto.FLOAT, outputs, doc_string=f"{axes} float32")
    graph.output[0].CopyFrom(made)


def fold_sizes(model: onnx.ModelProto) -> None:
    """Replace what is computed from the fixed size of the frame, the sizes of upsampling for instance, by constants."""
    from onnx.reference import ReferenceEvaluator

    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        for one in (*inferred.value_info, *inferred.input, *inferred.output)
        if all(dim.HasField("dim_value") for dim in one.type.tensor_type.shape.dim)
    }
    known: dict[str, NDArray[np.generic]] = {
        one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer if one.data_type == TensorProto.INT64
    }
    constant = set(known)
    for node in list(graph.node):
        if node.op_type == "Shape" and node.input[0] in shapes:
            marks = {one.name: one.i for one in node.attribute}
            shape = shapes[node.input[0]]
            known[node.output[0]] = np.array(shape[marks.get("start", 0) : marks.get("end", len(shape))], np.int64)
        elif node.op_type in WHOLE_NUMBERS and all(name in known for name in node.input if name):
            evaluator = ReferenceEvaluator(node)
            given: dict[str, Any] = {name: known[name] for name in node.input if name}
            results: Any = evaluator.run(None, given)
            known[node.output[0]] = np.asarray(results[0])
        else:
            continue
        graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for name in sorted(read & (set(known) - constant)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(known[name]), name))
    for one in [one for one in graph.initializer if one.name in constant - read]:
        graph.initializer.remove(one)
    graph.output[0].CopyFrom(inferred.output[0])


def compute_in_half(graph: onnx.GraphProto) -> None:
    """Let the graph compute in float16 between the normalised frame and its float32 output, in place."""
    widen_weights(graph)
    first = next(node for node in graph.node if node.op_type == "Conv")
    start = first.input[0]
    before = {tensor for node in nodes_before(graph, start) for tensor in node.input}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in before:
            with np.errstate(over="ignore"):  # the comparison with the source refuses infinite values
                half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    rename_readers(graph, start, f"{start}.half")
    places = [at for at, node in enumerate(graph.node) if start in node.output]
    cast = helper.make_node("Cast", [start], [f"{start}.half"], name="to_half", to=TensorProto.FLOAT16)
    graph.node.insert(places[0] + 1 if places else 0, cast)
    (last,) = (node for node in graph.node if LOGITS in node.output)
    last.output[list(last.output).index(LOGITS)] = "logits.half"
    graph.node.append(helper.make_node("Cast", ["logits.half"], [LOGITS], name="from_half", to=TensorProto.FLOAT))


def nodes_before(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    """Return the nodes that a value is computed by."""
    makers = {output: node for node in graph.node for output in node.output}
    found, names = [], [name]
    while names:
        node = makers.get(names.pop())
        if node is not None:
            found.append(node)
            names += node.input
    return found


def perm_of(node: onnx.NodeProto) -> Sequence[int]:
    """Return the order of the axes of a transposition."""
    return next((list(one.ints) for one in node.attribute if one.name == "perm"), [])


def rename_readers(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let all that read a value read another one."""
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a value where it is made and read."""
    for node in graph.node:
        for at, name in enumerate(node.output):
            if name == old:
                node.output[at] = new
    rename_readers(graph, old, new)
