"""Counts over all the processes of a run, so that a loss is the whole batch's whatever the batch is spread over."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def sum_over_processes(*counts: float | Tensor) -> list[float]:
    """Each count's sum over the processes of the run; outside torch.distributed, the counts themselves."""
    total = torch.tensor([float(count) for count in counts], dtype=torch.float64)
    if dist.is_available() and dist.is_initialized():
        total = total.cuda() if dist.get_backend() == "nccl" else total
        dist.all_reduce(total)
    sums: list[float] = total.tolist()
    return sums


def mean_over_processes(losses: Tensor, count: int | Tensor) -> Tensor:
    """The sum of the losses by the count, both over all processes; 0 where the count is 0.

    Gradients are averaged over processes, so this is this process's share of that times their number.
    """
    total, processes = sum_over_processes(count, 1)
    return losses.sum() / (max(total, 1) / processes)
