"""The exported graph written differently is the same function. That whole networks are, at any size, is asserted where
they are exported (tests/models/test_contract.py)."""

from __future__ import annotations

from collections import Counter
from typing import cast

import numpy as np
import onnx
import onnx_ir
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streetseg.export.folding import fold_norms
from streetseg.export.onnx import OPSET, quiet
from streetseg.export.rewrites import part_expansions, project_before_resizing, rewrite_graph
from streetseg.models.bisenetv2 import Design, GatherExpansionLayer
from streetseg.models.hardnet import Fusion
from streetseg.models.outputs import Network

pytestmark = pytest.mark.slow

INPUT = (2, 4, 12, 20)


class Blocks(nn.Module):
    """Three expansions, of either stride and with either depthwise form, and a fusion of a deep map with a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.to_skip = nn.Sequential(
            GatherExpansionLayer(4, 8, 2, Design()), GatherExpansionLayer(8, 8, 1, Design(expansion=3))
        )
        self.deeper = GatherExpansionLayer(8, 6, 2, Design(double_depthwise=False))
        self.fusion = Fusion(6 + 8)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.to_skip(x)
        fused: Tensor = self.fusion(self.deeper(skip), skip)
        return fused


@pytest.fixture(scope="module")
def exported() -> onnx.ModelProto:
    torch.manual_seed(0)
    blocks = Blocks()
    for module in blocks.modules():
        if isinstance(module, nn.BatchNorm2d):  # no two channels alike
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    with quiet():
        program = torch.onnx.export(
            fold_norms(cast(Network, blocks)), (torch.zeros(INPUT),), opset_version=OPSET, dynamo=True
        )
    assert program is not None
    return program.model_proto


@pytest.fixture
def model(exported: onnx.ModelProto) -> onnx_ir.Model:
    return onnx_ir.from_proto(exported)


def run(model: onnx_ir.Model) -> NDArray[np.float32]:
    proto = onnx_ir.to_proto(model)
    onnx.checker.check_model(proto)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=INPUT).astype(np.float32)
    output: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: x})[0]
    return output


def test_the_same_function_from_other_operators(model: onnx_ir.Model) -> None:
    before, operators = run(model), Counter(node.op_type for node in model.graph)
    rewrite_graph(model)
    assert before.std() > 0.1
    np.testing.assert_allclose(run(model), before, atol=1e-5 * before.std())
    # For the expansions 6, 3 and 6 convolutions and a concatenation instead of one convolution, for the fusion two
    # convolutions and a sum instead of one and a concatenation.
    change = Counter(node.op_type for node in model.graph)
    change.subtract(operators)
    assert {name: n for name, n in change.items() if n} == {"Conv": 5 + 2 + 5 + 1, "Concat": 3 - 1, "Add": 1}


def test_each_finds_its_places_once(model: onnx_ir.Model) -> None:
    assert (project_before_resizing(model.graph), part_expansions(model.graph)) == (1, 3)
    assert (project_before_resizing(model.graph), part_expansions(model.graph)) == (0, 0)
