"""The base class of tasks: data, views, network, loss, validation and weights file."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import Dataset, readable
from streetseg.errors import RecipeError
from streetseg.models.outputs import Network
from streetseg.runtime.provenance import Ancestor
from streetseg.training.augment import Appearance, Views
from streetseg.training.dataset import Samples
from streetseg.training.losses.losses import Loss
from streetseg.training.recipe import Recipe

Logits = Callable[[Tensor], Tensor]  # frames N x 3 x H x W, 0 to 1, on the device -> logits


@dataclass(frozen=True)
class Validation:
    """An evaluation of the weights in training.

    Attributes:
        figures: Figures by name, 0 to 1; the first one decides which weights are the best.
        classes: IoU of each class that occurs, 0 to 1; empty if the task has none.
        pictures: Pictures, H x W x 3, by name.
    """

    figures: dict[str, float]
    classes: dict[str, float] = field(default_factory=dict)
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


class Task(ABC):
    """A task on a dataset, by a recipe. A subclass says what its labels mean.

    Attributes:
        recipe: The resolved recipe.
        classes: Names of the classes, in the order of their indices.
        views: Draws the view of each sample.
        note: Decisions about the data that its folder leaves open; "" if there are none.
        mapping: Class -> class of the initial weights that gives its row of the head, before all other rules.
        ancestors: The weights that the training started from, the nearest first, for the card.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    views: Views
    note: str = ""
    mapping: Mapping[str, str] = MappingProxyType({})
    ancestors: tuple[Ancestor, ...] = ()

    @classmethod
    @abstractmethod
    def open_data(cls, root: Path | str, dataset: str | None) -> Dataset | LabelledImages:
        """Return the data in a folder; DatasetError if it holds none for the task."""

    @classmethod
    @abstractmethod
    def open(
        cls,
        recipe: Recipe,
        data: Dataset | LabelledImages | Path | str,
        *,
        dataset: str | None = None,
        cache: Path | None = None,
    ) -> Task:
        """Return the task on a dataset or a folder; see `open_task`."""

    @abstractmethod
    def open_samples(self) -> Samples:
        """Return the samples of the split to train on; DatasetError if one cannot be used."""

    def warnings(self) -> list[str]:
        """Return what is doubtful about the labels to train on; DatasetError if training would be senseless."""
        return []

    @abstractmethod
    def build_network(self, num_classes: int, *, aux: bool = False) -> Network:
        """Return a new network, channels last.

        Args:
            num_classes: Number of classes.
            aux: With the heads that only training uses.

        Raises:
            NetworkError: There is no such network, or it does not take the recipe's arguments.
        """

    @abstractmethod
    def least_side(self, network: Network) -> int:
        """Return a small side of a square frame, in pixels, that the network takes."""

    @abstractmethod
    def make_loss(self, samples: Samples, network: Network, device: torch.device) -> Loss:
        """Return the loss; DatasetError if the samples hold no class that counts."""

    @abstractmethod
    def open_validation(self) -> None:
        """Open the samples of `validate`; DatasetError if they cannot be used."""

    @abstractmethod
    def validate(self, network: Network, logits: Logits, device: torch.device) -> Validation:
        """Evaluate a network on the recipe's evaluate_split.

        Args:
            network: The network in evaluation mode.
            logits: Runs it, normalisation included.
            device: The device of `logits`.

        Returns:
            The figures of the split.
        """

    @abstractmethod
    def save_weights(self, path: Path, network: Network) -> None:
        """Write a network's weights with their card or origin."""

    def origin(self) -> dict[str, Any]:
        """Return the recipe, seed and version of the weights, for their card."""
        recipe = {
            name: readable(value) if isinstance(value, str) else value
            for name, value in dataclasses.asdict(self.recipe).items()
        }
        return {"recipe": recipe, "seed": self.recipe.seed, "package_version": version("streetseg")}


def appearance(recipe: Recipe) -> Appearance:
    """Return the part of the augmentation that all tasks share."""
    return Appearance(flip=recipe.flip, jitter=recipe.jitter, blur=recipe.blur, noise=recipe.noise, shade=recipe.shade)


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of a network that training sets."""
    if taken := [name for name in ("num_classes", "in_channels", "aux") if name in arguments]:
        raise RecipeError(f"network_arguments cannot hold {taken[0]}, which training sets itself; leave it out")
