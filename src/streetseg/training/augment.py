"""Augmentation: batched tensor operations on the training device, frame and label at once.

Each sample's view is drawn from a seed of its own. So the samples do not depend on the number of threads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streetseg.data.pairs import IGNORE

Bytes = NDArray[np.uint8]
Uniform = Callable[[float, float], float]  # draws from the range between its two arguments

CROPS_TRIED = 10  # most crops to draw until one fits and has not too much of one class
MAX_NOISE = 0.1  # standard deviation at strength 1, of values of 0 to 1
MAX_SHADE = math.log(2.5)  # largest change of the logarithm of brightness at strength 1
SHADES = (3, 3)  # grid of brightness over the crop, interpolated bilinearly
BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # one pixel standard deviation
BLUR = torch.outer(BINOMIAL, BINOMIAL).expand(3, 1, 5, 5)  # each channel by itself


@dataclass(frozen=True)
class View:
    """The augmentation of one sample: `Views.draw` draws it, `augment` applies it.

    Attributes:
        left: Left edge of the crop in pixels of the scaled source.
        top: Top edge of the crop in pixels of the scaled source.
        scale_x: Crop pixels per source pixel, across.
        scale_y: Crop pixels per source pixel, down.
        flip: Mirror the crop.
        colour: 3 x 3 matrix on the colours, 0 to 1.
        offset: Offset of the colours, 3.
        gamma: Power of the colours.
        blur: 1 blurs the source by a pixel, 0 leaves it, below 0 sharpens.
        noise: Standard deviation of the noise in the source, of values of 0 to 1.
        noise_seed: Seed of the noise.
        shade: Logarithms of brightness on the grid SHADES over the crop; None leaves the brightness even.
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
    """Samples and their views.

    Attributes:
        frames: N x H x W x 3 uint8.
        labels: N x H x W uint8, or N class indices.
        sizes: Height and width of each sample, which lies in the upper left corner of its H x W.
        views: The view of each sample.
    """

    frames: Tensor
    labels: Tensor
    sizes: list[tuple[int, int]]
    views: list[View]


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """Random changes of colours, sharpness, noise and brightness; the fields are the recipe's of the same names."""

    flip: float = 0.0
    jitter: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    shade: float = 0.0

    def view_at(self, uniform: Uniform, left: float, top: float, scale_x: float, scale_y: float) -> View:
        """Return the view of a crop at (left, top), with random flip, colours, blur, noise and shade."""
        flip = uniform(0, 1) < self.flip
        colour, offset = draw_colour(uniform, self.jitter)
        gamma = math.exp(uniform(-0.5, 0.5) * self.jitter)
        blur = uniform(-0.5, 1) * self.blur
        noise = max(0.0, uniform(-1, 1)) * MAX_NOISE * self.noise  # half of the samples stay clean
        noise_seed = int(uniform(0, 2**31))
        shade = draw_shade(uniform, self.shade) if self.shade else None
        return View(left, top, scale_x, scale_y, flip, colour, offset, gamma, blur, noise, noise_seed, shade)


class Views(Protocol):
    """A task's way to draw the views of its samples."""

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of the network's input."""

    def draw(self, seed: int, frame: Bytes, label: Bytes) -> View:
        """Return a random view of a sample: frame H x W x 3 uint8, and its label."""


@dataclass(frozen=True, kw_only=True)
class SegmentationViews:
    """Views at a random scale, aspect and place; the fields are the recipe's of the same names."""

    crop: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    scale_list: tuple[float, ...] = ()
    operating_scale: float = 1.0
    aspect: float = 1.0
    max_category_ratio: float = 1.0
    appearance: Appearance = Appearance()

    def draw(self, seed: int, frame: Bytes, label: Bytes) -> View:
        """Return a random view of a sample whose label is H x W uint8.

        A crop larger than the scaled source is filled up with IGNORE on random sides.
        """
        uniform = uniform_from(seed)
        if self.scale_list:
            zoom = self.scale_list[int(uniform(0, len(self.scale_list)))]
        else:
            zoom = math.exp(uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        zoom *= self.operating_scale
        stretch = math.exp(uniform(-math.log(self.aspect), math.log(self.aspect)) / 2)
        scale_y, scale_x = zoom / stretch, zoom * stretch
        for _ in range(CROPS_TRIED):
            top = uniform(0, 1) * (label.shape[0] * scale_y - self.crop[0])
            left = uniform(0, 1) * (label.shape[1] * scale_x - self.crop[1])
            rows, columns = window(top, scale_y, self.crop[0]), window(left, scale_x, self.crop[1])
            if self.max_category_ratio >= 1 or largest_share(label[rows, columns]) <= self.max_category_ratio:
                break
        return self.appearance.view_at(uniform, left, top, scale_x, scale_y)


@dataclass(frozen=True, kw_only=True)
class ClassifierViews:
    """Views of a random part of the frame; the fields are the recipe's of the same names."""

    crop: tuple[int, int]
    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_aspect: float = 1.0
    appearance: Appearance = Appearance()

    def draw(self, seed: int, frame: Bytes, label: Bytes) -> View:
        """Return a random part of the frame, H x W x 3, as the crop; the middle where no such part fits."""
        uniform = uniform_from(seed)
        size = frame.shape[:2]
        for _ in range(CROPS_TRIED):
            area = uniform(*self.crop_area) * size[0] * size[1]
            shape = math.exp(uniform(-math.log(self.crop_aspect), math.log(self.crop_aspect)))
            height, width = math.sqrt(area / shape), math.sqrt(area * shape)
            if height <= size[0] and width <= size[1]:
                top, left = uniform(0, 1) * (size[0] - height), uniform(0, 1) * (size[1] - width)
                break
        else:
            height = width = float(min(size))
            top, left = (size[0] - height) / 2, (size[1] - width) / 2
        scale_y, scale_x = self.crop[0] / height, self.crop[1] / width
        return self.appearance.view_at(uniform, left * scale_x, top * scale_y, scale_x, scale_y)


def uniform_from(seed: int) -> Uniform:
    """Return a function that draws numbers from a range; they depend on the seed only."""
    generator = torch.Generator().manual_seed(seed)
    return lambda low, high: low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def draw_colour(uniform: Uniform, jitter: float) -> tuple[Tensor, Tensor]:
    """Return a random colour matrix (3 x 3) and offset: exposure, white balance, saturation, contrast."""
    exposure = math.exp(uniform(-0.6, 0.6) * jitter)
    contrast = math.exp(uniform(-0.6, 0.6) * jitter)
    saturation = math.exp(uniform(-1.0, 0.6) * jitter)
    balance = torch.tensor([math.exp(uniform(-0.2, 0.2) * jitter) for _ in range(3)])
    grey = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)
    matrix = torch.eye(3) * saturation + grey * (1 - saturation)
    matrix = torch.diag(balance) @ matrix * exposure * contrast
    return matrix, torch.full((3,), 0.45 * (1 - contrast))


def draw_shade(uniform: Uniform, strength: float) -> Tensor:
    """Return random logarithms of brightness, SHADES: light is uneven, and a wet road is as bright as the sky."""
    most = uniform(0, 1) * strength * MAX_SHADE
    return torch.tensor([[uniform(-most, most) for _ in range(SHADES[1])] for _ in range(SHADES[0])])


def window(start: float, scale: float, length: int) -> slice:
    """Return the source's rows or columns from which a crop of that start and length is interpolated."""
    return slice(max(0, math.floor(start / scale) - 1), max(0, math.ceil((start + length) / scale) + 1))


def largest_share(label: Bytes) -> float:
    """Return the share of the most frequent class among the pixels that are not void; 0 if all are."""
    counts = np.bincount(label.ravel(), minlength=IGNORE + 1)[:IGNORE]
    return float(counts.max() / max(counts.sum(), 1))


def cut_out(view: View, frame: Bytes, crop: tuple[int, int]) -> tuple[slice, slice, View]:
    """Return the source's rows and columns that the view needs, and the view in coordinates of that part."""
    rows, columns = window(view.top, view.scale_y, crop[0]), window(view.left, view.scale_x, crop[1])
    left, top = view.left - columns.start * view.scale_x, view.top - rows.start * view.scale_y
    return rows, columns, dataclasses.replace(view, left=left, top=top)


def add_lens_and_sensor(frame: Tensor, view: View) -> None:
    """Blur or sharpen a source, 3 x H x W, then add noise; in place."""
    if view.blur:
        padded = F.pad(frame.unsqueeze(0), (2, 2, 2, 2), mode="replicate")
        frame.lerp_(F.conv2d(padded, BLUR.to(frame), groups=3)[0], view.blur)
    if view.noise:
        generator = torch.Generator(frame.device).manual_seed(view.noise_seed)
        frame.add_(torch.randn(frame.shape, generator=generator, device=frame.device), alpha=view.noise)


def augment(batch: Batch, crop: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the crops of a batch, on the batch's device.

    Outside the source the label is IGNORE, and the frame is mid-grey before its colours change.

    Args:
        batch: Samples and their views.
        crop: Height h and width w of the result.

    Returns:
        Frames, N x 3 x h x w float32, 0 to 1, and labels, N x h x w uint8. Class indices stay as they are.
    """
    frames = batch.frames.permute(0, 3, 1, 2).float().div_(255).sub_(0.5)
    for n, ((height, width), view) in enumerate(zip(batch.sizes, batch.views, strict=True)):
        add_lens_and_sensor(frames[n, :, :height, :width], view)
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
