"""PyTorch: runs a torch.export program (NAME.pt2), on a GPU or to compare other engines with. Knows no network's
code."""

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

from streetseg.errors import ArtefactError, EngineError, MissingExtraError
from streetseg.runtime.card import ModelCard, program_files, read_bytes
from streetseg.runtime.engines.engine import check_logits

try:
    import torch
    from torch.export.passes import move_to_device_pass
except ModuleNotFoundError:
    raise MissingExtraError("PyTorch", "--engine torch", "train") from None

WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
LOG = logging.getLogger("torch.export")
ONE_AT_A_TIME = threading.Lock()  # environment and log level are the whole process's


# What each device computes in, the default first.
PRECISIONS = {"cuda": ("float16", "bfloat16", "float32"), "mps": ("float16", "float32"), "cpu": ("float32", "bfloat16")}


class TorchEngine:
    """A torch.export program on the first device there is: CUDA, MPS, the CPU. Only the CPU is tested.

    In half precision, convolutions and matrix products are, and PyTorch keeps in float32 what needs it (autocast).
    """

    name = "torch"

    def __init__(self, path: Path, card: ModelCard, threads: int, precision: str | None, streams: int) -> None:
        gpus = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        self.device = next((name for name, there in gpus.items() if there), "cpu")
        self.precision = precision or PRECISIONS[self.device][0]
        if self.precision not in PRECISIONS[self.device]:
            there = " or ".join(PRECISIONS[self.device])
            raise EngineError(f"torch computes in {there} on this machine's {self.device}, not in {precision}")
        torch.set_num_threads(max(1, threads // streams))
        program = load(path)
        output = program.graph_signature.user_outputs[0]
        (value,) = (node.meta["val"] for node in program.graph.nodes if node.name == output)
        check_logits(tuple(d if isinstance(d, int) else None for d in value.shape), path, card)
        module = move_to_device_pass(program, self.device).module(check_guards=False)
        self.module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Engine."""
        half = self.precision != "float32"
        with torch.inference_mode(), torch.autocast(self.device, getattr(torch, self.precision), enabled=half):
            pixels = torch.from_numpy(frame if frame.flags.writeable else frame.copy())  # or PyTorch warns
            found = self.module(pixels[None].to(self.device))[0]
        logits: NDArray[np.float32] = found.float().contiguous().cpu().numpy()
        return logits


def load(path: Path) -> torch.export.ExportedProgram:
    """The program in a file; ArtefactError where it is none, or holds more than tensors.

    Where an archive holds pickled objects, torch.export.load unpickles them, which can run any code. Tensors go
    through its weights_only reader; the other kinds have names of their own.
    """
    content = read_bytes(path)
    names = program_files(content, path)
    if any(Path(name).name.startswith(("custom_obj", "opaque_obj")) for name in names):
        raise ArtefactError(f"{path} holds objects other than tensors, which streetseg does not open; export it again")
    try:
        with weights_only():
            return torch.export.load(BytesIO(content))
    except Exception as error:  # PyTorch's reader raises whatever a foreign or damaged archive makes it stumble over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtefactError(f"{path} cannot be read by PyTorch: {reason}") from None


@contextlib.contextmanager
def weights_only() -> Iterator[None]:
    """Inside, PyTorch unpickles nothing but tensors, and logs no tracebacks about what it cannot read."""
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


def open_artefact(
    path: Path, card: ModelCard, threads: int, precision: str | None, streams: int, cache: Path | None
) -> TorchEngine:
    """The engine with the artefact loaded; see engine.open_engine. It compiles nothing that `cache` could keep."""
    return TorchEngine(path, card, threads, precision, streams)
