"""The losses by name, and the loss of all heads together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Generator, Tensor

from streetseg.models.outputs import Outputs
from streetseg.training.losses.bootstrapped import Bootstrapped
from streetseg.training.losses.cross_entropy import CrossEntropy
from streetseg.training.losses.detail import detail_losses, detail_target
from streetseg.training.losses.ohem import Ohem
from streetseg.training.losses.pixels import Pixels, sample_pixels
from streetseg.training.recipe import Recipe

PixelLoss = Callable[[Pixels, Tensor], Tensor]  # (pixels of a head, class weights) -> scalar
Loss = Callable[[Outputs, Tensor, Generator], dict[str, Tensor]]  # (outputs, labels, generator) -> terms by name

# Recipe.loss -> the loss of one head, with the recipe's values for it.
LOSSES: dict[str, Callable[[Recipe], PixelLoss]] = {
    "ohem": lambda recipe: Ohem(recipe.ohem_threshold, recipe.ohem_min_kept, recipe.ohem_min_kept_of),
    "cross_entropy": lambda recipe: CrossEntropy(recipe.label_smoothing),
    "bootstrapped": lambda recipe: Bootstrapped(recipe.bootstrap_threshold, recipe.bootstrap_min_kept),
}


@dataclass(frozen=True)
class SegmentationLoss:
    """The loss of all heads of a segmentation network.

    Attributes:
        pixel_loss: Loss of the main head and of each auxiliary head.
        class_weights: One weight a class.
        align_corners: The network's convention of upsampling.
        aux_weights: Auxiliary head -> weight of its loss.
        detail_weights: Detail head -> weight of its two losses.
        stride: The main loss is taken on every stride-th row and column.
        aux_stride: The same for the other heads.
    """

    pixel_loss: PixelLoss
    class_weights: Tensor
    align_corners: bool
    aux_weights: Mapping[str, float]
    detail_weights: Mapping[str, float]
    stride: int = 1
    aux_stride: int = 1

    def __call__(self, outputs: Outputs, labels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return the terms of the loss; averaged over processes they are the whole batch's.

        Args:
            outputs: The network's, with every head that has a weight.
            labels: N x H x W, class indices or 255, at full size.
            generator: Draws the offset of the strides; the same in every process.

        Returns:
            "main"; a term for each head in aux_weights, under its name; two for each in detail_weights, under its name
            with "_bce" and "_dice"; and "total", their weighted sum, whose gradient trains the network.
        """

        def sampled(logits: Tensor, full: Tensor, stride: int) -> Pixels:
            return sample_pixels(logits, full, stride, self.align_corners, generator)

        terms = {"main": self.pixel_loss(sampled(outputs.logits, labels, self.stride), self.class_weights)}
        total = terms["main"]
        for name, weight in self.aux_weights.items():
            pixels = sampled(outputs.aux[name], labels, self.aux_stride)
            terms[name] = self.pixel_loss(pixels, self.class_weights)
            total = total + weight * terms[name]
        for name, weight in self.detail_weights.items():
            pixels = sampled(outputs.aux[name], detail_target(labels), self.aux_stride)
            terms[f"{name}_bce"], terms[f"{name}_dice"] = detail_losses(pixels.upsampled(), pixels.label)
            total = total + weight * (terms[f"{name}_bce"] + terms[f"{name}_dice"])
        return terms | {"total": total}
