"""Round a graph to 8 bits with NNCF.

NNCF decides which values to round, and how: symmetric ranges, one a channel for weights and one a tensor for
activations (docs/performance.md says why), with corrected biases. The rounded graph has 8-bit weights, and a pair of
QuantizeLinear and DequantizeLinear wherever activations are rounded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from streetseg.data.pairs import Pair
from streetseg.export.accuracy_control import AccuracyControl
from streetseg.export.graph import halve_weights, strip_graph
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import Segmenter

# nncf reports its use to a server unless this package is missing. None makes its import fail.
TELEMETRY = "openvino_telemetry"
kept = {TELEMETRY: sys.modules.pop(TELEMETRY)} if TELEMETRY in sys.modules else {}
sys.modules[TELEMETRY] = None  # type: ignore[assignment]
try:
    import nncf
    from nncf.quantization.advanced_parameters import QuantizationParameters
finally:
    del sys.modules[TELEMETRY]
    sys.modules.update(kept)

RANKING_FRAMES = 20  # on these, accuracy control ranks the operations by the mIoU that their rounding costs


def round_graph(
    model: onnx.ModelProto,
    segmenter: Segmenter,
    calibration: Sequence[Pair],
    control: AccuracyControl,
    max_drop: float,
    keep_float: Sequence[str] = (),
) -> onnx.ModelProto:
    """Return the graph with 8-bit weights and activations.

    calibration: the frames that show the ranges of the values. max_drop: mIoU points that the graph may lose; if it
    loses more, the operations that cost most return to float. keep_float: names of nodes that stay in float from the
    beginning.
    """
    with quiet():
        rounded: onnx.ModelProto = nncf.quantize_with_accuracy_control(
            model,
            calibration_dataset=nncf.Dataset(calibration, partial(network_input, segmenter)),
            validation_dataset=nncf.Dataset(control.pairs),
            validation_fn=control,
            max_drop=max_drop / 100,
            ignored_scope=nncf.IgnoredScope(names=list(keep_float)),
            subset_size=len(calibration),
            # NNCF would give depthwise convolutions' activations a range a channel, which ONNX Runtime cannot run.
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
                activations_quantization_params=QuantizationParameters(per_channel=False)
            ),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=RANKING_FRAMES, num_ranking_workers=1
            ),
        )
    strip_graph(rounded.graph)
    give_all_sizes(rounded.graph)
    halve_weights(rounded.graph)
    onnx.checker.check_model(rounded)
    return rounded


def network_input(segmenter: Segmenter, pair: Pair) -> dict[str, NDArray[np.uint8]]:
    """Return a frame as the segmenter gives it to the network."""
    return {"frame": segmenter.prepare(read_frame(pair.image)).input[None]}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep standard output for results: nncf's progress bars go to stderr if it is a terminal, its log nowhere."""
    nncf.set_log_level(logging.ERROR)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else nowhere),
    ):
        yield


def give_all_sizes(graph: onnx.GraphProto) -> None:
    """Give each Resize all four sizes instead of height and width with their axes.

    ONNX Runtime turns quantised convolutions to channels last, and then mistakes the two sizes for four.
    """
    nodes = []
    for node in graph.node:
        axes = [attribute for attribute in node.attribute if attribute.name == "axes"]
        if node.op_type == "Resize" and axes:
            assert list(axes[0].ints) == [2, 3]
            x, size, name = node.input[0], node.input[3], node.output[0]
            nodes += [
                onnx.helper.make_node("Shape", [x], [f"{name}.batch_and_channels"], start=0, end=2),
                onnx.helper.make_node("Concat", [f"{name}.batch_and_channels", size], [f"{name}.sizes"], axis=0),
            ]
            node.input[3] = f"{name}.sizes"
            node.attribute.remove(axes[0])
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
