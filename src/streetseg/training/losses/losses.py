"""A recipe's losses, all heads together."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from streetseg.data.pairs import IGNORE
from streetseg.errors import RecipeError
from streetseg.models.outputs import Outputs
from streetseg.training.losses.bootstrapped import bootstrapped_cross_entropy
from streetseg.training.losses.cross_entropy import cross_entropy
from streetseg.training.losses.detail import detail_losses, detail_target
from streetseg.training.losses.ohem import ohem_cross_entropy
from streetseg.training.losses.upsampled_cross_entropy import upsampled_cross_entropy
from streetseg.training.losses.upsampling import interpolation_matrix
from streetseg.training.recipe import Recipe

Loss = Callable[[Outputs, Tensor, Generator], dict[str, Tensor]]


def make_loss(recipe: Recipe, class_weights: Tensor, align_corners: bool) -> Loss:
    """The recipe's loss: (outputs, labels, generator) -> its terms by name.

    The terms: "main"; one for each head in aux_weights, under its name; two for each in detail_weights, under its
    name with "_bce" and "_dice"; and "total", their sum as the recipe weighs them, of which the gradient is taken.
    Averaged over processes they are the whole batch's.

    class_weights: of each class. align_corners: the network's. labels: N x H x W, class indices or 255, at full size;
    in classification N, class indices. generator: draws where a loss_stride's grid begins; the same in every process.
    """

    def classification(outputs: Outputs, labels: Tensor, generator: Generator) -> dict[str, Tensor]:
        main = F.cross_entropy(outputs.logits.float(), labels.long(), label_smoothing=recipe.label_smoothing)
        return {"main": main, "total": main}

    def segmentation(outputs: Outputs, labels: Tensor, generator: Generator) -> dict[str, Tensor]:
        check_heads(recipe, outputs)
        size = (labels.shape[1], labels.shape[2])

        def sampled(logits: Tensor, full: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """Logits, labels (or targets) on every stride-th row and column, and what interpolates the first there."""
            row, column = torch.randint(stride, (2,), generator=generator).tolist()
            rows, columns = torch.arange(row, size[0], stride), torch.arange(column, size[1], stride)
            logits = logits.float()
            down = interpolation_matrix(rows, size[0], logits.shape[-2], align_corners).to(logits)
            across = interpolation_matrix(columns, size[1], logits.shape[-1], align_corners).to(logits)
            return logits, full[..., row::stride, column::stride], down, across

        terms = {"main": pixel_loss(recipe, class_weights, *sampled(outputs.logits, labels, recipe.loss_stride))}
        total = terms["main"]
        for name, weight in recipe.aux_weights.items():
            head = sampled(outputs.aux[name], labels, recipe.aux_loss_stride)
            terms[name] = pixel_loss(recipe, class_weights, *head)
            total = total + weight * terms[name]
        for name, weight in recipe.detail_weights.items():
            logits, target, down, across = sampled(outputs.aux[name], detail_target(labels), recipe.aux_loss_stride)
            terms[f"{name}_bce"], terms[f"{name}_dice"] = detail_losses(down @ logits @ across.mT, target)
            total = total + weight * (terms[f"{name}_bce"] + terms[f"{name}_dice"])
        return terms | {"total": total}

    return classification if recipe.task == "classification" else segmentation


def check_heads(recipe: Recipe, outputs: Outputs) -> None:
    """Refuse weights for heads that the network does not have."""
    for name in (*recipe.aux_weights, *recipe.detail_weights):
        if name not in outputs.aux:
            raise RecipeError(
                f"{recipe.network} has no auxiliary head {name!r} to weigh (aux_weights, detail_weights); "
                f"it has {', '.join(outputs.aux) or 'none'}"
            )


def pixel_loss(
    recipe: Recipe, class_weights: Tensor, logits: Tensor, label: Tensor, down: Tensor, across: Tensor
) -> Tensor:
    """The recipe's loss of one head. logits: N x C x h x w; label: N x H x W; down, across: the interpolation."""
    if recipe.loss == "cross_entropy":
        losses = upsampled_cross_entropy(logits, label, down, across, class_weights, recipe.label_smoothing)
        return cross_entropy(losses, label)
    if recipe.loss == "bootstrapped":
        losses = upsampled_cross_entropy(logits, label, down, across, class_weights)
        min_kept = max(1, int(recipe.bootstrap_min_kept * label[0].numel()))
        return bootstrapped_cross_entropy(losses, threshold=recipe.bootstrap_threshold, min_kept=min_kept)
    pixels = label.numel() if recipe.ohem_min_kept_of == "all" else (label != IGNORE).sum().item()
    return ohem_cross_entropy(
        upsampled_cross_entropy(logits, label, down, across),
        label,
        threshold=recipe.ohem_threshold,
        min_kept=recipe.ohem_min_kept * pixels,
        class_weights=class_weights,
    )
