"""Turn torch's errors of a run into errors that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from streetseg.errors import TrainingError
from streetseg.training.distributed import lost_another, world


@contextmanager
def explained(*, network: str, compiled: bool, batch: int, accumulate: int, crop: tuple[int, int]) -> Iterator[None]:
    """Raise the error of `explain` in place of torch's, if there is one."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        known = explain(error, network=network, compiled=compiled, batch=batch, accumulate=accumulate, crop=crop)
        if known is None:
            raise
        raise known from None


def explain(
    error: Exception, *, network: str, compiled: bool, batch: int, accumulate: int, crop: tuple[int, int]
) -> TrainingError | None:
    """Return an error that says what the user can do about one of torch's; None if the error is unknown.

    Args:
        error: An error of a run.
        network: Name of the run's network.
        compiled: True if torch.compile compiles it.
        batch: Samples a step.
        accumulate: Parts of a process's share of the batch.
        crop: Height and width that the network sees.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        return TrainingError(
            f"out of memory with batch {batch} in {accumulate} parts on {world()} processes and crop "
            f"{crop[0]} x {crop[1]}; lower batch or crop, or raise accumulate"
        )
    if compiled and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        cause = str(error).strip().splitlines()[0]
        return TrainingError(
            f"PyTorch cannot compile {network} here ({cause}); install a C++ compiler that it finds (g++, or "
            "what CXX names), or train without: --set compile=false"
        )
    if lost_another(error):
        return TrainingError("another process of the run has ended; mend its cause, then go on with --resume")
    return None
