"""An artefact's graph as a PyTorch module computes what the artefact does, in float and in int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from streetseg.errors import ArtefactError
from streetseg.export.graph_module import GraphModule
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render
from tests.support.paths import ROOT
from tests.support.tiny import tiny_graph

FRAME = render(3, (64, 96)).frame
WEIGHTS = ROOT / "weights"


@pytest.mark.parametrize(
    ("artefact", "tolerance"),
    [
        (DEFAULT_WEIGHTS, 1e-4),
        (WEIGHTS / "fassd_net_l2_camvid.onnx", 1e-4),
        (WEIGHTS / "bisenetv2_camvid.onnx", 1e-4),
        (WEIGHTS / "stdc1_camvid.onnx", 1e-4),
        # Two engines round other values on the way.
        (WEIGHTS / "ddrnet_23_slim_camvid_int8.onnx", 0.3),
    ],
    ids=lambda value: getattr(value, "stem", None),
)
def test_it_computes_what_onnx_runtime_does(artefact: Path, tolerance: float) -> None:
    expected = Segmenter.open(artefact, engine="onnxruntime", threads=1).engine(FRAME)
    with torch.inference_mode():
        logits = GraphModule(artefact).eval()(torch.from_numpy(FRAME)[None])[0].numpy()
    assert np.abs(logits - expected).max() <= tolerance * expected.std()


def changed(path: Path, change: Callable[[onnx.NodeProto], None]) -> Path:
    """Write a tiny artefact whose convolution is changed."""
    model = tiny_graph()
    (node,) = (node for node in model.graph.node if node.op_type == "Conv")
    change(node)
    path.write_bytes(model.SerializeToString())
    return path


def test_an_operator_without_a_form_is_named(tmp_path: Path) -> None:
    def change(node: onnx.NodeProto) -> None:
        node.op_type = "ConvInteger"

    with pytest.raises(ArtefactError, match=r"a\.onnx has operators that have no form in PyTorch here: ConvInteger"):
        GraphModule(changed(tmp_path / "a.onnx", change))


def test_a_padding_of_unequal_sides_is_refused(tmp_path: Path) -> None:
    module = GraphModule(
        changed(tmp_path / "a.onnx", lambda node: node.attribute.append(helper.make_attribute("pads", [0, 0, 2, 2])))
    )
    with pytest.raises(ArtefactError, match="a padding of"):
        module(torch.from_numpy(FRAME)[None])
