"""The processes of a run, and sums over all of them. Without torchrun there is one process."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from streetseg.errors import TrainingError
from streetseg.models.outputs import Network


def join(device: torch.device) -> None:
    """Join the other processes of a run that torchrun has started.

    Args:
        device: This process's device.

    Raises:
        TrainingError: The environment sets WORLD_SIZE, but lacks the other variables of torchrun.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        except ValueError as error:  # a variable is missing: batch systems set WORLD_SIZE, too
            raise TrainingError(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {error}; start by torchrun, or unset WORLD_SIZE"
            ) from None


def leave() -> None:
    """Wait for the other processes, then leave them."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def summed(x: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, without gradient; in place."""
    if dist.is_initialized():
        dist.all_reduce(x)
    return x


def check_shares(samples: int, batch: int, accumulate: int) -> None:
    """Refuse a batch that the processes cannot share equally.

    Args:
        samples: Number of samples of the split.
        batch: Samples a step, over all processes.
        accumulate: Parts in which a process takes its share.
    """
    if world() > samples:
        raise TrainingError(f"{world()} processes for {samples} samples; start at most {samples}")
    if batch % (world() * accumulate):
        raise TrainingError(
            f"batch {batch} cannot be shared equally by {world()} processes that take it in {accumulate} "
            f"parts each; make it a multiple of {world() * accumulate}"
        )


def share_buffers(network: nn.Module) -> None:
    """Copy the first process's buffers, which hold the norms' statistics, to every process."""
    if dist.is_initialized():
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


def lost_another(error: Exception) -> bool:
    """Return True if the error shows that another process has ended."""
    return world() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error))


class SummedWithGradient(torch.autograd.Function):
    """The sum of a tensor over all processes, whose gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return summed(x.clone())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return summed(gradient.clone(memory_format=torch.contiguous_format))


class SyncNorm(nn.BatchNorm2d):
    """Batch norm over all processes' equal shares, for CPUs, which torch's own refuses."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x, N x C x h x w, normalised."""
        if not self.training:
            return super().forward(x)
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(exact, (0, 2, 3), correction=0)
        own = torch.zeros(world(), 2, x.shape[1], dtype=exact.dtype, device=x.device)
        own = own.index_put((torch.tensor(rank()),), torch.stack([mean, variance]))
        means, variances = SummedWithGradient.apply(own).unbind(1)  # type: ignore[no-untyped-call]
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        with torch.no_grad():
            pixels = world() * x.numel() // x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (pixels / (pixels - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        normalised: Tensor = exact * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
        return normalised.to(x.dtype)


def sync_norms(network: Network, device: torch.device) -> Network:
    """Return the network with batch norms over all processes; its parameters and buffers stay."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call,no-any-return]
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncNorm  # in place, so that parameters, buffers and layout stay
    return network
