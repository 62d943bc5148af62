"""The machine's description and ceilings, and the work of a network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from streetseg.bench.machine import Ceilings, count_work, describe_machine, highest_ceilings


def test_work_is_counted_by_hand(tmp_path: Path) -> None:
    """A 3 x 3 convolution to 4 channels at stride 2."""
    weights = onnx.numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "weights")
    nodes = [
        onnx.helper.make_node("Transpose", ["frame"], ["x"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Conv", ["x", "weights"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    frame, y = (
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, None, None, c])
        for n, c in (("frame", 3), ("y", None))
    )
    graph = onnx.helper.make_graph(nodes, "one", [frame], [y], [weights])
    path = tmp_path / "one.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    outputs = 4 * 16 * 20
    assert count_work(path, (32, 40)) == pytest.approx((outputs * 27 / 1e9, (3 * 32 * 40 + 4 * 27 + outputs) / 1e9))


def test_ceilings_are_the_highest_that_were_measured() -> None:
    measured = [
        Ceilings(copy, {"bfloat16": fast, "float32": slow})
        for copy, fast, slow in ((20.0, 180.0, 99.0), (25.0, 210.0, 90.0), (22.0, 200.0, 95.0))
    ]
    assert highest_ceilings(measured) == Ceilings(25.0, {"bfloat16": 210.0, "float32": 99.0})


def test_a_busy_machine_says_so() -> None:
    machine = describe_machine()
    assert json.loads(json.dumps(machine.facts()))["versions"].keys() >= {"python", "streetseg", "numpy", "openvino"}
    busy = dataclasses.replace(machine, load=machine.cores / 2 + 0.1)
    quiet = dataclasses.replace(machine, load=machine.cores / 2)
    unknown = dataclasses.replace(machine, load=None)
    assert busy.load_text().endswith("(busy: do not trust the times)")
    assert [quiet.load_text(), unknown.load_text()] == [f"load {machine.cores / 2}", "load None"]
