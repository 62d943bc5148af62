"""OpenVINO: the default engine on CPUs."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_logits

# Frame sizes whose compiled form is kept: a video has one, a folder of photos a few.
COMPILED_SIZES = 4


class OpenVINOEngine:
    """An artefact compiled for each frame size it meets: a fixed shape runs faster than a dynamic one."""

    name = "openvino"

    def __init__(self, path: Path, card: ModelCard, threads: int | None, precision: str | None) -> None:
        self.core = ov.Core()
        native = "bfloat16" if "BF16" in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "float32"
        self.precision = precision or native
        if self.precision == "bfloat16" and native != "bfloat16":
            raise EngineError("this CPU has no bfloat16 arithmetic; take --precision float32")
        self.settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bfloat16" else "f32",
        }
        if threads is not None:
            self.settings["INFERENCE_NUM_THREADS"] = threads
        try:
            self.model = self.core.read_model(path)
        except RuntimeError as error:
            raise ArtefactError(f"{path} cannot be read by OpenVINO: {last_line(error)}") from None
        shape = self.model.output(0).get_partial_shape()
        check_logits(tuple(None if d.is_dynamic else d.get_length() for d in shape), path, card)
        self.requests: OrderedDict[tuple[int, ...], ov.InferRequest] = OrderedDict()

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Engine."""
        request = self.request((1, *frame.shape))
        request.infer([frame[None]], share_inputs=True, share_outputs=True)
        logits: NDArray[np.float32] = request.get_output_tensor(0).data[0]
        return logits

    def request(self, shape: tuple[int, ...]) -> ov.InferRequest:
        """An inference request for this input shape, compiled at its first use."""
        if shape not in self.requests:
            self.model.reshape(list(shape))
            self.requests[shape] = self.core.compile_model(self.model, "CPU", self.settings).create_infer_request()
            if len(self.requests) > COMPILED_SIZES:
                self.requests.popitem(last=False)
        self.requests.move_to_end(shape)
        return self.requests[shape]


def open_artefact(path: Path, card: ModelCard, threads: int | None, precision: str | None) -> OpenVINOEngine:
    """The engine with the artefact loaded; see engine.open_engine."""
    return OpenVINOEngine(path, card, threads, precision)


def last_line(error: Exception) -> str:
    """The line of an OpenVINO message that says what is wrong; the others say where in its source."""
    return str(error).strip().splitlines()[-1].strip()
