"""PyTorch: runs a torch.export program (NAME.pt2), to compare other engines with. Knows no network's code."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError, MissingExtraError
from streetseg.runtime.card import ModelCard, program_files, read_bytes
from streetseg.runtime.engines.engine import check_logits

try:
    import torch
except ModuleNotFoundError:
    raise MissingExtraError("PyTorch", "--engine torch", "train") from None

WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
LOG = logging.getLogger("torch.export")


class TorchEngine:
    """A torch.export program on the CPU, in float32."""

    name = "torch"
    precision = "float32"

    def __init__(self, path: Path, card: ModelCard, threads: int, precision: str | None, streams: int) -> None:
        if precision not in (None, "float32"):
            raise EngineError(
                f"torch computes in float32 here, not in {precision}; take NAME.onnx and --engine openvino"
            )
        torch.set_num_threads(max(1, threads // streams))
        program = load(path)
        output = program.graph_signature.user_outputs[0]
        (value,) = (node.meta["val"] for node in program.graph.nodes if node.name == output)
        check_logits(tuple(d if isinstance(d, int) else None for d in value.shape), path, card)
        self.module = program.module(check_guards=False)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Engine."""
        with torch.inference_mode():
            logits: NDArray[np.float32] = self.module(torch.from_numpy(frame)[None])[0].contiguous().numpy()
        return logits


def load(path: Path) -> torch.export.ExportedProgram:
    """The program in a file; ArtefactError where it is none, or holds more than tensors.

    Where an archive holds pickled objects, torch.export.load unpickles them, which can run any code. Tensors go
    through its weights_only reader; the other kinds have names of their own.
    """
    names = program_files(read_bytes(path), path)
    if any(Path(name).name.startswith(("custom_obj", "opaque_obj")) for name in names):
        raise ArtefactError(f"{path} holds objects other than tensors, which streetseg does not open; export it again")
    try:
        with weights_only():
            return torch.export.load(path)
    except Exception as error:  # PyTorch's reader raises whatever a foreign or damaged archive makes it stumble over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtefactError(f"{path} cannot be read by PyTorch: {reason}") from None


@contextlib.contextmanager
def weights_only() -> Iterator[None]:
    """Inside, PyTorch unpickles nothing but tensors, and logs no tracebacks about what it cannot read."""
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
