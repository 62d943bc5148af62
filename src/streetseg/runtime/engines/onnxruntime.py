"""ONNX Runtime: the second engine, for machines where OpenVINO does not run or is not wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError, MissingExtraError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_logits

try:
    import onnxruntime as ort
except ModuleNotFoundError:
    raise MissingExtraError("onnxruntime", "--engine onnxruntime", "onnxruntime") from None


class ONNXRuntimeEngine:
    """An artefact in one session; its CPU provider computes in float32 only."""

    name = "onnxruntime"
    precision = "float32"

    def __init__(self, path: Path, card: ModelCard, threads: int, precision: str | None, streams: int) -> None:
        if precision not in (None, "float32"):
            raise EngineError(f"onnxruntime computes in float32 on CPUs, not in {precision}; take --engine openvino")
        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors: its warnings would mingle with what the command line says
        options.intra_op_num_threads = max(1, threads // streams)
        # Threads that spin for work take the cores from decoding and the class maps of other frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # Its content, for it takes no path that is not UTF-8.
            self.session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise ArtefactError(f"{path} cannot be read by ONNX Runtime: {str(error).splitlines()[0]}") from None
        shape = self.session.get_outputs()[0].shape
        check_logits(tuple(d if isinstance(d, int) else None for d in shape), path, card)
        self.input = self.session.get_inputs()[0].name

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Engine."""
        logits: NDArray[np.float32] = self.session.run(None, {self.input: frame[None]})[0][0]
        return logits


def open_artefact(
    path: Path, card: ModelCard, threads: int, precision: str | None, streams: int, cache: Path | None
) -> ONNXRuntimeEngine:
    """The engine with the artefact loaded; see engine.open_engine. It compiles nothing that `cache` could keep."""
    return ONNXRuntimeEngine(path, card, threads, precision, streams)
