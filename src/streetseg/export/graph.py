"""Finish an artefact's ONNX graph: strip it, halve its weights, attach its card. Needs no PyTorch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper

from streetseg.runtime.artefact import METADATA_KEY, onnx_content_hash
from streetseg.runtime.card import ModelCard

# Smaller tensors belong to norms and biases: half precision would save nothing there.
SMALLEST_HALVED = 1024


def strip_graph(graph: onnx.GraphProto) -> None:
    """Remove the exporter's notes: stack traces with this machine's paths, and the sizes of intermediate values.

    These sizes hold for the example only. Engines compute their own.
    """
    del graph.value_info[:]
    for item in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.ClearField("doc_string")


def halve_weights(graph: onnx.GraphProto) -> None:
    """Store the large float32 initialisers as float16, each followed by a cast back that engines fold away."""
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST_HALVED:
            continue
        with np.errstate(over="ignore"):  # `verify_artefact` refuses infinite values
            name, half = tensor.name, onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def widen_weights(graph: onnx.GraphProto) -> None:
    """Undo halve_weights: float32 initialisers, no casts."""
    halves = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for cast in casts:
        tensor = halves[cast.input[0]]
        wide = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(wide, cast.output[0]))
        graph.node.remove(cast)


def with_card(model: onnx.ModelProto, card: ModelCard, precision: str, title: str = "") -> tuple[bytes, ModelCard]:
    """Return the serialised model with the card inside, and that card with the artefact's own hash and precision.

    title: The artefact's title; "" keeps the card's.
    """
    del model.metadata_props[:]
    content_hash = onnx_content_hash(model.SerializeToString(), Path("the exported graph"))
    card = dataclasses.replace(card.written(title), content_hash=content_hash, precision=precision)
    model.metadata_props.append(onnx.StringStringEntryProto(key=METADATA_KEY, value=card.to_json()))
    return model.SerializeToString(), card
