"""Augmentation: batched tensor operations on the training device, image and label in one go.

Every sample's parameters come from its own seed, so the stream does not depend on the order of execution.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streetseg.data.pairs import IGNORE


@dataclass(frozen=True)
class View:
    """What one sample is to look like: drawn by `draw_view`, applied by `augment`."""

    left: float
    top: float
    scale_x: float
    scale_y: float
    flip: bool
    colour: Tensor
    offset: Tensor
    gamma: float


def draw_view(
    seed: int, size: tuple[int, int], crop: tuple[int, int], scale: tuple[float, float], aspect: float, jitter: float
) -> View:
    """A random scale, aspect, crop position, flip and colour change.

    size, crop: H x W of the source and of the crop. scale: log-uniform range. aspect: up to this ratio between
    the two axes' scales. A crop larger than the scaled source is filled up with IGNORE on random sides.
    """
    g = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=g, dtype=torch.float64).item()

    zoom = math.exp(uniform(math.log(scale[0]), math.log(scale[1])))
    stretch = math.exp(uniform(-math.log(aspect), math.log(aspect)) / 2)
    scale_y, scale_x = zoom / stretch, zoom * stretch
    top = uniform(0, 1) * (size[0] * scale_y - crop[0])
    left = uniform(0, 1) * (size[1] * scale_x - crop[1])
    flip = uniform(0, 1) < 0.5
    colour, offset = draw_colour(uniform, jitter)
    return View(left, top, scale_x, scale_y, flip, colour, offset, gamma=math.exp(uniform(-0.5, 0.5) * jitter))


def draw_colour(uniform: Callable[[float, float], float], jitter: float) -> tuple[Tensor, Tensor]:
    """A 3 x 3 matrix and an offset (in units of 0 to 1): exposure, white balance, saturation, contrast.

    uniform: draws from the range between its two arguments.
    """
    exposure = math.exp(uniform(-0.6, 0.6) * jitter)
    contrast = math.exp(uniform(-0.6, 0.6) * jitter)
    saturation = math.exp(uniform(-1.0, 0.6) * jitter)
    balance = torch.tensor([math.exp(uniform(-0.2, 0.2) * jitter) for _ in range(3)])
    grey = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)
    matrix = torch.eye(3) * saturation + grey * (1 - saturation)
    matrix = torch.diag(balance) @ matrix * exposure * contrast
    return matrix, torch.full((3,), 0.45 * (1 - contrast))


def augment(frames: Tensor, labels: Tensor, views: list[View], crop: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """frames: N x 3 x H x W float32, 0 to 1; labels: N x H x W uint8. Returns crops of the same kinds.

    Outside the source the label is IGNORE, and the frame mid-grey before its colours change.
    """
    height, width = frames.shape[-2:]
    grid = torch.empty(len(views), *crop, 2, device=frames.device)
    for n, view in enumerate(views):
        # Source position of each crop pixel, in grid_sample's units: -1 and 1 are the outer edges.
        y = (torch.arange(crop[0]) + 0.5 + view.top) / (view.scale_y * height) * 2 - 1
        x = (torch.arange(crop[1]) + 0.5 + view.left) / (view.scale_x * width) * 2 - 1
        grid[n, :, :, 0] = x.flip(0) if view.flip else x
        grid[n, :, :, 1] = y.unsqueeze(1)

    # Void is stored as 0 and classes from 1 for sampling, so that grid_sample's zero padding means void.
    shifted = (labels + 1).unsqueeze(1).float()
    labels = (F.grid_sample(shifted, grid, mode="nearest", align_corners=False).squeeze(1) - 1).to(torch.int16)
    labels = labels.where(labels >= 0, IGNORE).to(torch.uint8)

    frames = F.grid_sample(frames - 0.5, grid, mode="bilinear", align_corners=False) + 0.5
    colour = torch.stack([view.colour for view in views]).to(frames)
    offset = torch.stack([view.offset for view in views]).to(frames)
    gamma = torch.tensor([view.gamma for view in views]).to(frames)
    frames = (colour @ frames.flatten(2) + offset.unsqueeze(2)).clamp_(0, 1)
    return (frames ** gamma[:, None, None]).view(-1, 3, *crop), labels
