"""OpenVINO: the default engine, for CPUs and for Intel's GPUs and NPUs."""

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
from streetseg.runtime.engines.engine import check_device, check_logits, choose_precision
from streetseg.runtime.engines.forks import keep_in_forked_processes, refuse_after_fork
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import make_folder

# `import openvino` imports its model converter too, which takes as long as the rest, starts a thread and sends
# telemetry. We convert nothing. None in sys.modules makes that import fail; openvino works without its converter.
CONVERTER = "openvino.tools.ovc"
if CONVERTER in sys.modules:
    import openvino as ov
else:
    sys.modules[CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino as ov
    finally:
        del sys.modules[CONVERTER]

# Number of compiled models that are kept, one for each frame size: a video needs one, a folder of photos a few.
COMPILED_SIZES = 4

# Precision -> its OpenVINO names: as a capability of a device, and as a hint.
HINTS = {"float32": ("FP32", "f32"), "bfloat16": ("BF16", "bf16"), "float16": ("FP16", "f16")}
FASTEST_FIRST = ("float16", "bfloat16", "float32")


@dataclass
class Compiled:
    """The artefact compiled for one frame size, and the inference requests that are free."""

    model: ov.CompiledModel
    output_shape: tuple[int, ...]  # without the batch
    idle: list[ov.InferRequest] = field(default_factory=list)


class OpenVINOEngine:
    """An artefact compiled for each frame size it meets: a fixed shape runs faster than a dynamic one."""

    name = "openvino"

    def __init__(self, path: Path, card: ModelCard, options: EngineOptions) -> None:
        self.device = options.device or "cpu"
        if self.device != "cpu":  # searching for other devices takes time
            check_device(self.name, self.device, available_devices())
        self.precision = choose_precision(self.name, self.device, precisions(self.device), options.precision)
        self.settings = settings(self.device, self.precision, options.cpu_threads, options.streams)
        cache = options.cache
        if cache is not None:
            try:
                str(cache).encode()
            except UnicodeEncodeError:
                raise EngineError(f"cache {cache}: OpenVINO takes names in UTF-8 only; choose another") from None
            make_folder(Path(cache))
            self.settings["CACHE_DIR"] = str(cache)
        self.core = core()  # held, so that a forked process keeps it, too
        try:
            self.model = self.core.read_model(path)
        except RuntimeError as error:
            raise ArtefactError(f"{path} cannot be read by OpenVINO: {last_line(error)}") from None
        shape = self.model.output(0).get_partial_shape()
        check_logits(tuple(None if d.is_dynamic else d.get_length() for d in shape), path, card)
        self.path, self.card = path, card
        self.sizes: OrderedDict[tuple[int, ...], Compiled] = OrderedDict()
        self.lock = threading.Lock()
        keep_in_forked_processes(self)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame; see `Engine`."""
        given = self.card.form.taken(frame)
        compiled = self.compiled(given.shape)
        try:
            request = compiled.idle.pop()
        except IndexError:
            request = compiled.model.create_infer_request()
        output = np.empty(compiled.output_shape, np.uint8 if self.card.form.output == "classmap" else np.float32)
        request.set_output_tensor(ov.Tensor(output[None], shared_memory=True))
        request.infer([given], share_inputs=True, share_outputs=True)
        compiled.idle.append(request)
        return self.card.form.logits(output, len(self.card.classes))

    def compiled(self, shape: tuple[int, ...]) -> Compiled:
        """Return the artefact for this input shape, compiled at its first use."""
        with self.lock:
            if shape not in self.sizes:
                try:
                    self.model.reshape(list(shape))
                    model = self.core.compile_model(self.model, self.device.upper(), self.settings)
                except RuntimeError as error:
                    raise EngineError(f"OpenVINO cannot compile {self.path}: {last_line(error)}") from None
                self.sizes[shape] = Compiled(model, tuple(model.output(0).shape)[1:])
                if len(self.sizes) > COMPILED_SIZES:
                    self.sizes.popitem(last=False)
            self.sizes.move_to_end(shape)
            return self.sizes[shape]


def open_artefact(path: Path, card: ModelCard, options: EngineOptions) -> OpenVINOEngine:
    """Return the engine with the artefact loaded; see `open_engine`."""
    return OpenVINOEngine(path, card, options)


def available_devices() -> list[str]:
    """Return our names of the devices that OpenVINO finds here, and "auto", which chooses among them."""
    return [*dict.fromkeys(name.partition(".")[0].lower() for name in core().available_devices), "auto"]


def candidates() -> list[str]:
    """Return OpenVINO's names of the devices that AUTO chooses among by default."""
    return [name for name in core().available_devices if name.startswith(("CPU", "GPU"))]


def precisions(device: str) -> list[str]:
    """Return a device's precisions, the default first: the fastest, for "auto" float32."""
    names = candidates() if device == "auto" else [device.upper()]
    common = set.intersection(*map(capabilities, names))
    fastest_first = [name for name in FASTEST_FIRST if name in common]
    return fastest_first[::-1] if device == "auto" else fastest_first


def capabilities(device: str) -> set[str]:
    """Return the precisions that OpenVINO reports for a device; device: OpenVINO's name."""
    reported = core().get_property(device, "OPTIMIZATION_CAPABILITIES")
    # Not float16 on CPUs: few have it, and the others would silently compute in float32.
    left_out = "float16" if device == "CPU" else None
    return {name for name, (capability, _) in HINTS.items() if capability in reported and name != left_out}


def settings(device: str, precision: str, threads: int, streams: int) -> dict[str, object]:
    """Return OpenVINO's settings to compile for a device."""
    hint = {"PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT"}
    properties = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": HINTS[precision][1],
    }
    if device == "cpu":
        return {**hint, **properties}
    if device == "auto":
        return {**hint, "DEVICE_PROPERTIES": {name: settable(name, properties) for name in candidates()}}
    return {**hint, **settable(device.upper(), properties)}


def settable(device: str, properties: dict[str, object]) -> dict[str, object]:
    """Return the properties that can be set on a device; a GPU has no CPU threads, for example."""
    known = core().get_property(device, "SUPPORTED_PROPERTIES")
    return {name: value for name, value in properties.items() if known.get(name) == "RW"}


def core() -> ov.Core:
    """Return OpenVINO's core; EngineError in a process that was forked from one that used it."""
    refuse_after_fork("openvino")
    return only_core()


@functools.cache
def only_core() -> ov.Core:
    """Return OpenVINO's core: one for the process, never destroyed.

    Each `Core` installs a signal stack. When destroyed, it restores the stack that it replaced, which may be freed by
    then. The next signal, Ctrl-C for example, would crash the process.
    """
    return ov.Core()


def last_line(error: Exception) -> str:
    """Return the last line of an OpenVINO message, which says what is wrong; the others name places in its source."""
    return str(error).strip().splitlines()[-1].strip()
