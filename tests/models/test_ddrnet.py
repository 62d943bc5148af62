"""DDRNet's contexts beyond the contract: SwiftNet's pyramid pooling, and what trains on a single image."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from streetseg.errors import NetworkError
from streetseg.models.ddrnet import ddrnet_23_slim, grid_means


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 16), (13, 17), (16, 9)])
@pytest.mark.parametrize("grid", [8, 4, 2, 1])
def test_grid_means_are_adaptive_average_pooling(size: tuple[int, int], grid: int) -> None:
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(grid_means(x, grid), F.adaptive_avg_pool2d(x, grid))


def test_one_image_trains_only_without_context() -> None:
    image = torch.randn(1, 3, 128, 128)
    with pytest.raises(NetworkError, match="batches of 2"):
        ddrnet_23_slim(3, context="ppm")(image)
    assert ddrnet_23_slim(3, context="none")(image).logits.shape == (1, 3, 16, 16)
