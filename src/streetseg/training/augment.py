"""Augmentation: batched tensor operations on the training device, image and label in one go.

A sample's view is drawn from its own seed, so the stream does not depend on who works when.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streetseg.data.pairs import IGNORE
from streetseg.training.recipe import Recipe

Bytes = NDArray[np.uint8]

CROPS_TRIED = 10  # of those more than max_category_ratio of which is one class, or that do not fit into the image
MAX_NOISE = 0.1  # standard deviation at strength 1, of values of 0 to 1
MAX_SHADE = math.log(2.5)  # of the logarithm of a place's brightness at strength 1, up and down
SHADES = (3, 3)  # places of the crop with a brightness of their own, bilinear between them
BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # one pixel standard deviation
BLUR = torch.outer(BINOMIAL, BINOMIAL).expand(3, 1, 5, 5)  # of each channel by itself


@dataclass(frozen=True)
class View:
    """What one sample is to look like: drawn by `draw_view` or `draw_classifier_view`, applied by `augment`.

    left, top: the crop's corner in pixels of the scaled source. scale_x, scale_y: crop pixels per source pixel.
    blur: 1 blurs the source by a pixel, 0 leaves it, below 0 sharpens. noise: its standard deviation in the source, of
    values of 0 to 1, drawn from noise_seed. shade: logarithm of the brightness of places of the crop, SHADES; None
    leaves it even.
    """

    left: float
    top: float
    scale_x: float
    scale_y: float
    flip: bool
    colour: Tensor
    offset: Tensor
    gamma: float
    blur: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0
    shade: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """What `augment` takes.

    frames: N x H x W x 3 uint8; labels: N x H x W uint8, or N class indices. sizes: height and width of each sample,
    which lies in the upper left corner of its H x W.
    """

    frames: Tensor
    labels: Tensor
    sizes: list[tuple[int, int]]
    views: list[View]


def draw_view(seed: int, label: Bytes, recipe: Recipe) -> View:
    """A random scale, aspect, crop position, flip and colour change by the recipe.

    label: H x W of the source, uint8. A crop larger than the scaled source is filled up with IGNORE on random sides.
    """
    uniform = uniform_from(seed)
    if recipe.scale_list:
        zoom = recipe.scale_list[int(uniform(0, len(recipe.scale_list)))]
    else:
        zoom = math.exp(uniform(math.log(recipe.scale[0]), math.log(recipe.scale[1])))
    zoom *= recipe.operating_scale
    stretch = math.exp(uniform(-math.log(recipe.aspect), math.log(recipe.aspect)) / 2)
    scale_y, scale_x = zoom / stretch, zoom * stretch
    for _ in range(CROPS_TRIED):
        top = uniform(0, 1) * (label.shape[0] * scale_y - recipe.crop[0])
        left = uniform(0, 1) * (label.shape[1] * scale_x - recipe.crop[1])
        rows, columns = window(top, scale_y, recipe.crop[0]), window(left, scale_x, recipe.crop[1])
        if recipe.max_category_ratio >= 1 or largest_share(label[rows, columns]) <= recipe.max_category_ratio:
            break
    return view_at(uniform, left, top, scale_x, scale_y, recipe)


def draw_classifier_view(seed: int, size: tuple[int, int], recipe: Recipe) -> View:
    """A random part of the image as the crop: a share `crop_area` of its area, sides of a ratio up to `crop_aspect`.

    size: H x W of the source, whose middle is taken where no such part fits.
    """
    uniform = uniform_from(seed)
    for _ in range(CROPS_TRIED):
        area = uniform(*recipe.crop_area) * size[0] * size[1]
        shape = math.exp(uniform(-math.log(recipe.crop_aspect), math.log(recipe.crop_aspect)))
        height, width = math.sqrt(area / shape), math.sqrt(area * shape)
        if height <= size[0] and width <= size[1]:
            top, left = uniform(0, 1) * (size[0] - height), uniform(0, 1) * (size[1] - width)
            break
    else:
        height = width = float(min(size))
        top, left = (size[0] - height) / 2, (size[1] - width) / 2
    scale_y, scale_x = recipe.crop[0] / height, recipe.crop[1] / width
    return view_at(uniform, left * scale_x, top * scale_y, scale_x, scale_y, recipe)


Uniform = Callable[[float, float], float]  # draws from the range between its two arguments


def uniform_from(seed: int) -> Uniform:
    generator = torch.Generator().manual_seed(seed)
    return lambda low, high: low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def view_at(uniform: Uniform, left: float, top: float, scale_x: float, scale_y: float, recipe: Recipe) -> View:
    """The view there, its flip, colours, blur, noise and shade drawn."""
    flip = uniform(0, 1) < recipe.flip
    colour, offset = draw_colour(uniform, recipe.jitter)
    gamma = math.exp(uniform(-0.5, 0.5) * recipe.jitter)
    blur = uniform(-0.5, 1) * recipe.blur
    noise = max(0.0, uniform(-1, 1)) * MAX_NOISE * recipe.noise  # half of the samples stay clean
    noise_seed = int(uniform(0, 2**31))
    shade = draw_shade(uniform, recipe.shade) if recipe.shade else None
    return View(left, top, scale_x, scale_y, flip, colour, offset, gamma, blur, noise, noise_seed, shade)


def draw_colour(uniform: Uniform, jitter: float) -> tuple[Tensor, Tensor]:
    """A 3 x 3 matrix and an offset (in units of 0 to 1): exposure, white balance, saturation, contrast."""
    exposure = math.exp(uniform(-0.6, 0.6) * jitter)
    contrast = math.exp(uniform(-0.6, 0.6) * jitter)
    saturation = math.exp(uniform(-1.0, 0.6) * jitter)
    balance = torch.tensor([math.exp(uniform(-0.2, 0.2) * jitter) for _ in range(3)])
    grey = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)
    matrix = torch.eye(3) * saturation + grey * (1 - saturation)
    matrix = torch.diag(balance) @ matrix * exposure * contrast
    return matrix, torch.full((3,), 0.45 * (1 - contrast))


def draw_shade(uniform: Uniform, strength: float) -> Tensor:
    """Logarithms of brightness, SHADES: light falls unevenly on a street, and a wet road is as bright as the sky."""
    most = uniform(0, 1) * strength * MAX_SHADE
    return torch.tensor([[uniform(-most, most) for _ in range(SHADES[1])] for _ in range(SHADES[0])])


def window(start: float, scale: float, length: int) -> slice:
    """The rows or columns of the source that a crop of that start and length is interpolated from."""
    return slice(max(0, math.floor(start / scale) - 1), max(0, math.ceil((start + length) / scale) + 1))


def largest_share(label: Bytes) -> float:
    """The share of the most frequent class in a label map, of what is not void; 0 where all is."""
    counts = np.bincount(label.ravel(), minlength=IGNORE + 1)[:IGNORE]
    return float(counts.max() / max(counts.sum(), 1))


def cut_out(view: View, frame: Bytes, crop: tuple[int, int]) -> tuple[slice, slice, View]:
    """The rows and columns of the source (H x W x 3) that the view needs, and the view as seen from there."""
    rows, columns = window(view.top, view.scale_y, crop[0]), window(view.left, view.scale_x, crop[1])
    left, top = view.left - columns.start * view.scale_x, view.top - rows.start * view.scale_y
    return rows, columns, dataclasses.replace(view, left=left, top=top)


def worsen(frame: Tensor, view: View) -> None:
    """Blurs or sharpens a source, 3 x H x W, and adds noise, in place: what lens and sensor do before all else."""
    if view.blur:
        padded = F.pad(frame.unsqueeze(0), (2, 2, 2, 2), mode="replicate")
        frame.lerp_(F.conv2d(padded, BLUR.to(frame), groups=3)[0], view.blur)
    if view.noise:
        generator = torch.Generator(frame.device).manual_seed(view.noise_seed)
        frame.add_(torch.randn(frame.shape, generator=generator, device=frame.device), alpha=view.noise)


def augment(batch: Batch, crop: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The crops of a batch, on its device: frames N x 3 x h x w float32, 0 to 1; labels N x h x w uint8.

    A classifier's labels stay as they are. Outside the source the label is IGNORE, and the frame mid-grey before its
    colours change.
    """
    frames = batch.frames.permute(0, 3, 1, 2).float().div_(255).sub_(0.5)
    for n, ((height, width), view) in enumerate(zip(batch.sizes, batch.views, strict=True)):
        worsen(frames[n, :, :height, :width], view)
        frames[n, :, height:] = 0
        frames[n, :, :, width:] = 0
    height, width = frames.shape[-2:]
    grid = torch.empty(len(batch.views), *crop, 2)
    for n, view in enumerate(batch.views):
        # Source position of each crop pixel, in grid_sample's units: -1 and 1 are the outer edges.
        y = (torch.arange(crop[0]) + 0.5 + view.top) / (view.scale_y * height) * 2 - 1
        x = (torch.arange(crop[1]) + 0.5 + view.left) / (view.scale_x * width) * 2 - 1
        grid[n, :, :, 0] = x.flip(0) if view.flip else x
        grid[n, :, :, 1] = y.unsqueeze(1)
    grid = grid.to(frames.device)

    labels = batch.labels
    if labels.ndim == 3:
        # Void is stored as 0 and classes from 1 for sampling, so that grid_sample's zero padding means void.
        shifted = (labels + 1).unsqueeze(1).float()
        labels = (F.grid_sample(shifted, grid, mode="nearest", align_corners=False).squeeze(1) - 1).to(torch.int16)
        labels = labels.where(labels >= 0, IGNORE).to(torch.uint8)

    frames = F.grid_sample(frames, grid, mode="bilinear", align_corners=False) + 0.5
    for frame, view in zip(frames, batch.views, strict=True):
        if view.shade is not None:
            places = view.shade.to(frame)[None, None]
            frame.mul_(F.interpolate(places, crop, mode="bilinear", align_corners=True)[0].exp_())
    colour = torch.stack([view.colour for view in batch.views]).to(frames)
    offset = torch.stack([view.offset for view in batch.views]).to(frames)
    gamma = torch.tensor([view.gamma for view in batch.views]).to(frames)
    frames = (colour @ frames.flatten(2) + offset.unsqueeze(2)).clamp_(0, 1)
    return (frames ** gamma[:, None, None]).view(-1, 3, *crop), labels
