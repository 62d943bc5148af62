"""PyTorch: an engine for torch.export programs (NAME.pt2), on a GPU or to compare other engines with.

It needs no network's code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, MissingExtraError
from streetseg.runtime.artefact import program_files, read_bytes
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_device, check_logits, choose_precision
from streetseg.runtime.engines.forks import refuse_after_fork
from streetseg.runtime.engines.options import EngineOptions

try:
    import torch
    from torch.export.passes import move_to_device_pass
except ModuleNotFoundError:
    raise MissingExtraError("PyTorch", "--engine torch", "train") from None

WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
LOG = logging.getLogger("torch.export")
ONE_AT_A_TIME = threading.Lock()  # the environment and the log level belong to the whole process

# Precisions of each device, the default first.
PRECISIONS = {"cuda": ("float16", "bfloat16", "float32"), "mps": ("float16", "float32"), "cpu": ("float32", "bfloat16")}


class TorchEngine:
    """A torch.export program on CUDA, MPS or the CPU: on the first available, unless the options name one.

    With float16 or bfloat16, convolutions and matrix products run in it. PyTorch keeps operations that need float32 in
    float32 (autocast).
    """

    name = "torch"

    def __init__(self, path: Path, card: ModelCard, options: EngineOptions) -> None:
        available = available_devices()
        self.device = options.device or available[0]
        self.kind = self.device.partition(":")[0]
        check_device(self.name, self.device, available)
        self.precision = choose_precision(self.name, self.kind, PRECISIONS[self.kind], options.precision)
        torch.set_num_threads(options.threads_per_stream)
        program = load(path)
        output = program.graph_signature.user_outputs[0]
        (value,) = (node.meta["val"] for node in program.graph.nodes if node.name == output)
        check_logits(tuple(d if isinstance(d, int) else None for d in value.shape), path, card)
        module = move_to_device_pass(program, self.device).module(check_guards=False)
        self.module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame; see `Engine`."""
        half = self.precision != "float32"
        with torch.inference_mode(), torch.autocast(self.kind, getattr(torch, self.precision), enabled=half):
            pixels = torch.from_numpy(frame if frame.flags.writeable else frame.copy())  # or PyTorch warns
            output = self.module(pixels[None].to(self.device))[0]
        logits: NDArray[np.float32] = output.float().contiguous().cpu().numpy()
        return logits


def load(path: Path) -> torch.export.ExportedProgram:
    """Return the program in a file; ArtefactError if it is not a program, or holds other objects than tensors.

    torch.export.load unpickles the objects of an archive, which can run any code. Tensors go through its weights_only
    reader; other objects have recognisable names and are refused.
    """
    content = read_bytes(path)
    names = program_files(content, path)
    if any(Path(name).name.startswith(("custom_obj", "opaque_obj")) for name in names):
        raise ArtefactError(f"{path} holds objects other than tensors, which streetseg does not open; export it again")
    try:
        with weights_only():
            return torch.export.load(BytesIO(content))
    except Exception as error:  # PyTorch's reader raises errors of any kind on a foreign or damaged archive
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtefactError(f"{path} cannot be read by PyTorch: {reason}") from None


@contextlib.contextmanager
def weights_only() -> Iterator[None]:
    """Let PyTorch unpickle only tensors in the block, and log no tracebacks about files that it cannot read."""
    with ONE_AT_A_TIME:
        before, level = os.environ.get(WEIGHTS_ONLY), LOG.level
        os.environ[WEIGHTS_ONLY] = "1"
        LOG.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            LOG.setLevel(level)
            if before is None:
                del os.environ[WEIGHTS_ONLY]
            else:
                os.environ[WEIGHTS_ONLY] = before


def open_artefact(path: Path, card: ModelCard, options: EngineOptions) -> TorchEngine:
    """Return the engine with the artefact loaded; see `open_engine`."""
    refuse_after_fork("torch")
    return TorchEngine(path, card, options)


def available_devices() -> list[str]:
    """Return the devices that PyTorch finds here, the fastest first."""
    several = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*["cuda"] * bool(several), *several, *["mps"] * torch.backends.mps.is_available(), "cpu"]
