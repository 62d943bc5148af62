"""ONNX Runtime: an engine for CPUs, and for NVIDIA's GPUs by its CUDA and TensorRT providers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError, MissingExtraError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_device, check_logits, choose_precision
from streetseg.runtime.engines.forks import keep_in_forked_processes
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import make_folder

try:
    import onnxruntime as ort
except ModuleNotFoundError:
    raise MissingExtraError("onnxruntime", "--engine onnxruntime", "onnxruntime") from None

# Device -> the provider that runs on it.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
# Precisions of each device, the default first.
PRECISIONS = {"cpu": ("float32",), "cuda": ("float32",), "tensorrt": ("float16", "float32")}


class ONNXRuntimeEngine:
    """An artefact in one session; operations that the first provider lacks run on the next one."""

    name = "onnxruntime"

    def __init__(self, path: Path, card: ModelCard, options: EngineOptions) -> None:
        self.device = options.device or "cpu"
        kind = options.device_kind or "cpu"
        available = ort.get_available_providers()
        check_device(self.name, kind, [device for device, provider in PROVIDERS.items() if provider in available])
        self.precision = choose_precision(self.name, kind, PRECISIONS[kind], options.precision)
        session_options = ort.SessionOptions()
        session_options.log_severity_level = (
            3  # errors only: its warnings would mix with the output of the command line
        )
        session_options.intra_op_num_threads = options.threads_per_stream
        # Threads that spin for work take the cores from decoding and the class maps of other frames.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = providers(options, self.precision)
        try:
            # The file's content, for ONNX Runtime takes no path that is not UTF-8.
            self.session = ort.InferenceSession(path.read_bytes(), session_options, providers=wanted)
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise ArtefactError(f"{path} cannot be read by ONNX Runtime: {str(error).splitlines()[0]}") from None
        if (used := self.session.get_providers()[0]) != PROVIDERS[
            kind
        ]:  # ONNX Runtime goes on without a provider that it cannot load
            raise EngineError(
                f"onnxruntime cannot start {PROVIDERS[kind]} and would run on {used}; its libraries, CUDA, cuDNN or "
                "TensorRT, are missing or of another version"
            )
        shape = self.session.get_outputs()[0].shape
        check_logits(tuple(d if isinstance(d, int) else None for d in shape), path, card)
        self.input, self.card = self.session.get_inputs()[0].name, card
        keep_in_forked_processes(self)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame; see `Engine`."""
        output = self.session.run(None, {self.input: self.card.form.taken(frame)})[0][0]
        return self.card.form.logits(output, len(self.card.classes))


def open_artefact(path: Path, card: ModelCard, options: EngineOptions) -> ONNXRuntimeEngine:
    """Return the engine with the artefact loaded; see `open_engine`."""
    return ONNXRuntimeEngine(path, card, options)


def providers(options: EngineOptions, precision: str) -> list[str | tuple[str, dict[str, object]]]:
    """Return the providers of a session with their settings, the wanted one first."""
    kind = options.device_kind or "cpu"
    if kind == "cpu":
        return [PROVIDERS["cpu"]]
    number = (options.device or "").partition(":")[2] or "0"
    # TF32, the default, keeps only 10 bits of each factor, fewer than float32.
    cuda: tuple[str, dict[str, object]] = PROVIDERS["cuda"], {"device_id": number, "use_tf32": "0"}
    if kind == "cuda":
        return [cuda, PROVIDERS["cpu"]]
    settings: dict[str, object] = {"device_id": number, "trt_fp16_enable": str(precision == "float16")}
    if options.cache is not None:
        make_folder(Path(options.cache))
        settings |= {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(options.cache)}
    return [(PROVIDERS["tensorrt"], settings), cuda, PROVIDERS["cpu"]]
