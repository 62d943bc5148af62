"""OpenVINO: the default engine on CPUs."""

from __future__ import annotations

import functools
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_logits
from streetseg.runtime.files import make_folder

# Importing openvino imports its model converter as well, which takes as long as all the rest, starts a thread and sends
# telemetry. Nothing is converted here, and openvino does without where that import fails: None makes it fail.
CONVERTER = "openvino.tools.ovc"
if CONVERTER in sys.modules:
    import openvino as ov
else:
    sys.modules[CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino as ov
    finally:
        del sys.modules[CONVERTER]

# Frame sizes whose compiled form is kept: a video has one, a folder of photos a few.
COMPILED_SIZES = 4


@dataclass
class Compiled:
    """The artefact compiled for one frame size, and the inference requests that no thread is using."""

    model: ov.CompiledModel
    logits_shape: tuple[int, ...]  # h x w x C
    idle: list[ov.InferRequest] = field(default_factory=list)


class OpenVINOEngine:
    """An artefact compiled for each frame size it meets: a fixed shape runs faster than a dynamic one."""

    name = "openvino"

    def __init__(
        self, path: Path, card: ModelCard, threads: int, precision: str | None, streams: int, cache: Path | None
    ) -> None:
        native = "bfloat16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "float32"
        self.precision = precision or native
        if precision == "float16":
            raise EngineError("openvino computes in float32 or bfloat16 on CPUs, not in float16")
        if self.precision == "bfloat16" and native != "bfloat16":
            raise EngineError("this CPU has no bfloat16 arithmetic; take --precision float32")
        self.settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bfloat16" else "f32",
        }
        if cache is not None:
            try:
                str(cache).encode()
            except UnicodeEncodeError:
                raise EngineError(f"cache {cache}: OpenVINO takes names in UTF-8 only; choose another") from None
            make_folder(cache)
            self.settings["CACHE_DIR"] = str(cache)
        try:
            self.model = core().read_model(path)
        except RuntimeError as error:
            raise ArtefactError(f"{path} cannot be read by OpenVINO: {last_line(error)}") from None
        shape = self.model.output(0).get_partial_shape()
        check_logits(tuple(None if d.is_dynamic else d.get_length() for d in shape), path, card)
        self.path = path
        self.sizes: OrderedDict[tuple[int, ...], Compiled] = OrderedDict()
        self.lock = threading.Lock()

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Engine."""
        compiled = self.compiled((1, *frame.shape))
        try:
            request = compiled.idle.pop()
        except IndexError:
            request = compiled.model.create_infer_request()
        logits = np.empty(compiled.logits_shape, np.float32)
        request.set_output_tensor(ov.Tensor(logits[None], shared_memory=True))
        request.infer([frame[None]], share_inputs=True, share_outputs=True)
        compiled.idle.append(request)
        return logits

    def compiled(self, shape: tuple[int, ...]) -> Compiled:
        """The artefact for this input shape, compiled at its first use."""
        with self.lock:
            if shape not in self.sizes:
                try:
                    self.model.reshape(list(shape))
                    model = core().compile_model(self.model, "CPU", self.settings)
                except RuntimeError as error:
                    raise EngineError(f"OpenVINO cannot compile {self.path}: {last_line(error)}") from None
                self.sizes[shape] = Compiled(model, tuple(model.output(0).shape)[1:])
                if len(self.sizes) > COMPILED_SIZES:
                    self.sizes.popitem(last=False)
            self.sizes.move_to_end(shape)
            return self.sizes[shape]


def open_artefact(
    path: Path, card: ModelCard, threads: int, precision: str | None, streams: int, cache: Path | None
) -> OpenVINOEngine:
    """The engine with the artefact loaded; see engine.open_engine."""
    return OpenVINOEngine(path, card, threads, precision, streams, cache)


@functools.cache
def core() -> ov.Core:
    """OpenVINO itself: one for the process, never destroyed.

    Each sets up a signal stack and, destroyed, sets up the one that it found, which another may have freed by then: the
    next signal, Ctrl-C say, would crash the process.
    """
    return ov.Core()


def last_line(error: Exception) -> str:
    """The line of an OpenVINO message that says what is wrong; the others say where in its source."""
    return str(error).strip().splitlines()[-1].strip()
