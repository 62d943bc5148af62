"""An artefact of one convolution, which runs within a millisecond."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streetseg.runtime.artefact import METADATA_KEY, onnx_content_hash
from tests.support.cards import CARD


def tiny_graph() -> onnx.ModelProto:
    """Return a graph that runs, without a card: frames to logits of three classes at stride 4, by one convolution."""
    weights = np.random.default_rng(0).normal(size=(3, 3, 4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "weights"], ["y"], strides=[4, 4]),
        helper.make_node("Transpose", ["y"], ["logits"], perm=[0, 2, 3, 1]),
    ]
    inputs = [helper.make_tensor_value_info("frame", TensorProto.UINT8, ["n", "H", "W", 3])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "h", "w", 3])]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write_tiny(path: Path, **changes: Any) -> Path:
    """Write the artefact; changes: fields of its card."""
    model = tiny_graph()
    content_hash = onnx_content_hash(model.SerializeToString(), path)
    text = dataclasses.replace(CARD, content_hash=content_hash, **changes).to_json()
    model.metadata_props.append(onnx.StringStringEntryProto(key=METADATA_KEY, value=text))
    path.write_bytes(model.SerializeToString())
    return path
