"""The device of a run, and its precision and memory."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from streetseg.errors import TrainingError, UsageError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
KINDS = "cpu, cuda, cuda:N or mps"


def choose_device(requested: str | None = None) -> torch.device:
    """Return the device of this process.

    Args:
        requested: "cpu", "cuda", "cuda:N" or "mps"; None takes a CUDA GPU if there is one, otherwise the CPU. Each
            process that torchrun has started takes the GPU of its own number.

    Raises:
        UsageError: This machine does not have the device.
        TrainingError: There are more processes than GPUs.
    """
    gpus = torch.cuda.device_count()
    kind, colon, number = (requested or ("cuda" if gpus else "cpu")).partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not (kind == "cuda" and number.isdecimal())):
        raise UsageError(f"no device {requested!r}; name {KINDS}; here are {', '.join(devices_here())}")
    if kind == "cuda" and not colon:
        local = int(os.environ.get("LOCAL_RANK", 0))
        if gpus and local >= gpus:
            raise TrainingError(f"process {local + 1} on a machine with {gpus} GPUs; start at most as many processes")
        number = str(local)
    if (f"cuda:{number}" if kind == "cuda" else kind) not in devices_here():
        raise UsageError(f"device {requested} is not here; here are {', '.join(devices_here())}")
    if colon and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError(f"device {requested} is one GPU, and each process needs its own; ask for cuda")
    return torch.device("cuda", int(number)) if kind == "cuda" else torch.device(kind)


def use_threads(number: int | None) -> None:
    """Let PyTorch compute with a number of CPU threads; None leaves its own choice. UsageError below 1."""
    if number is None:
        return
    if number < 1:
        raise UsageError(f"threads must be 1 or more, got {number}")
    torch.set_num_threads(number)


def devices_here() -> list[str]:
    """Return the devices of this machine, as `choose_device` takes them."""
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def precision_on(device: torch.device, requested: str) -> torch.dtype:
    """Return the precision of the network's arithmetic.

    Args:
        device: The run's device.
        requested: The recipe's precision; "auto" is bfloat16 where it runs in hardware, because elsewhere it is slower.

    Raises:
        TrainingError: float16 without a GPU.
    """
    if requested == "float16" and device.type != "cuda":
        raise TrainingError("precision float16 needs a GPU; take float32 or bfloat16")
    if requested != "auto":
        precision: torch.dtype = getattr(torch, requested)
        return precision
    if device.type == "cuda":
        bfloat16: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        bfloat16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    else:
        bfloat16 = False
    return torch.bfloat16 if bfloat16 else torch.float32


def keep_freed_memory() -> None:
    """Let glibc keep the memory of large tensors for the next step, in the whole process.

    Otherwise it returns all blocks above 32 MB at once, and the kernel clears every page again: up to a seventh of a
    step's time.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
