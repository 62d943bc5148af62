"""Build networks without memory and without initial values, for their shapes or to be filled from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Methods by which networks set their initial values. On the meta device they would change nothing, slowly: PyTorch
# imports its compiler for random numbers there.
INITIAL = frozenset(
    {"normal_", "uniform_", "fill_", "zero_", "mul_", "add_", "clamp_", "erfinv_", "copy_", "random_", "trunc_normal_"}
)


class WithoutValues(TorchFunctionMode):
    """Inside, methods that fill a tensor do nothing."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in INITIAL and args and isinstance(args[0], Tensor):
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def skeletons() -> Iterator[None]:
    """Inside, networks are built on the meta device: all shapes, no values."""
    with torch.device("meta"), WithoutValues():
        yield
