"""Sums over all processes of a run, so that a loss is the whole batch's, however many processes share it."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def sum_over_processes(*counts: float | Tensor) -> list[float]:
    """Return each count's sum over the processes of the run; without torch.distributed, the counts."""
    total = torch.tensor([float(count) for count in counts], dtype=torch.float64)
    if dist.is_available() and dist.is_initialized():
        total = total.cuda() if dist.get_backend() == "nccl" else total
        dist.all_reduce(total)
    sums: list[float] = total.tolist()
    return sums


def mean_over_processes(losses: Tensor, count: int | Tensor) -> Tensor:
    """Return the sum of the losses over the count, both of all processes; 0 if the count is 0.

    Processes average their gradients. So the result is this process's share of that mean, times their number.
    """
    total, processes = sum_over_processes(count, 1)
    return losses.sum() / (max(total, 1) / processes)
