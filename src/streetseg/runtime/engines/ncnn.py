"""ncnn: an engine for small ARM boards and phones, also on other CPUs. It runs NAME.param with NAME.bin beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, MissingExtraError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_logits, choose_precision
from streetseg.runtime.engines.forks import refuse_after_fork
from streetseg.runtime.engines.options import EngineOptions

try:
    import ncnn
except ModuleNotFoundError:
    raise MissingExtraError("ncnn", "--engine ncnn", "ncnn") from None

INPUT, OUTPUT = "in0", "out0"  # pnnx's names


class NCNNEngine:
    """An exported network in ncnn, on the CPU."""

    name = "ncnn"

    def __init__(self, path: Path, card: ModelCard, options: EngineOptions) -> None:
        self.precision = choose_precision(self.name, "cpu", precisions(), options.precision)
        self.path, self.card = path, card
        self.net = ncnn.Net()
        settings = self.net.opt
        settings.num_threads = options.threads_per_stream
        settings.use_vulkan_compute = False
        for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(settings, half, self.precision == "float16")
        settings.use_bf16_storage = self.precision == "bfloat16"
        weights = path.with_suffix(".bin")
        if self.net.load_param(str(path)) or self.net.load_model(str(weights)):
            raise ArtefactError(f"{path} with {weights.name} cannot be read by ncnn; export it again")

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame; see `Engine`."""
        height, width = frame.shape[:2]
        extractor = self.net.create_extractor()
        extractor.input(INPUT, ncnn.Mat.from_pixels(frame, ncnn.Mat.PixelType.PIXEL_RGB, width, height))
        failed, logits = extractor.extract(OUTPUT)
        if failed:
            raise ArtefactError(f"{self.path} does not run in ncnn on a frame of {height} x {width}; export it again")
        values = np.asarray(logits)
        check_logits((1, *values.shape[1:], values.shape[0]), self.path, self.card)
        return np.ascontiguousarray(values.transpose(1, 2, 0))


def open_artefact(path: Path, card: ModelCard, options: EngineOptions) -> NCNNEngine:
    """Return the engine with the artefact loaded; see `open_engine`."""
    refuse_after_fork("ncnn")
    return NCNNEngine(path, card, options)


def precisions() -> tuple[str, ...]:
    """Return the precisions of this CPU, the default first: ncnn computes in float16 on ARM only."""
    half = ("float16",) if ncnn.cpu_support_arm_asimdhp() else ()
    return (*half, "float32", "bfloat16")
