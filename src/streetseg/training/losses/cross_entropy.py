"""Cross entropy over the pixels that are not void."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from streetseg.data.pairs import IGNORE
from streetseg.training.losses.pixels import Pixels
from streetseg.training.losses.processes import mean_over_processes


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of one head.

    Attributes:
        label_smoothing: Share of the target that goes to all classes alike, 0 to 1.
    """

    label_smoothing: float = 0.0

    def __call__(self, pixels: Pixels, class_weights: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        return cross_entropy(pixels.cross_entropy(class_weights, self.label_smoothing), pixels.label)


def cross_entropy(losses: Tensor, label: Tensor) -> Tensor:
    """Return the mean cross entropy of the counted pixels of all processes; 0 if there are none.

    Class weights in the losses do not divide the mean.

    Args:
        losses: N x H x W, each pixel's cross entropy, 0 where void.
        label: N x H x W, class indices or 255.
    """
    return mean_over_processes(losses, (label != IGNORE).sum())
