"""Segmentation: a class map a frame."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streetseg.data.cache import open_cache
from streetseg.data.datasets import open_dataset
from streetseg.data.doubts import quick_warnings
from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import IGNORE, Dataset, read_ahead, readable
from streetseg.data.stats import class_weights
from streetseg.errors import DatasetError
from streetseg.measure.metrics import confusion_matrix, scores
from streetseg.models.networks import build
from streetseg.models.outputs import Network
from streetseg.models.weights import save_weights
from streetseg.runtime.card import ModelCard
from streetseg.runtime.segmenter import Segmenter
from streetseg.training.augment import SegmentationViews
from streetseg.training.dataset import Decoded, Samples
from streetseg.training.distributed import rank, summed, world
from streetseg.training.losses.losses import LOSSES, Loss, SegmentationLoss
from streetseg.training.recipe import Recipe
from streetseg.training.tasks.task import Logits, Task, Validation, appearance, check_arguments

PICTURES = 4  # for TensorBoard, of an evaluation


class Segmentation(Task):
    """Training on a dataset of frames and class maps.

    Attributes:
        dataset: The dataset.
        cache: Folder of a memory-mapped cache of the decoded samples; None keeps them in memory.
    """

    def __init__(self, recipe: Recipe, dataset: Dataset, cache: Path | None = None) -> None:
        self.recipe, self.dataset, self.cache = recipe, dataset, cache
        self.classes, self.note = dataset.labels.names, dataset.note
        self.views = SegmentationViews(
            crop=recipe.crop,
            scale=recipe.scale,
            scale_list=recipe.scale_list,
            operating_scale=recipe.operating_scale,
            aspect=recipe.aspect,
            max_category_ratio=recipe.max_category_ratio,
            appearance=appearance(recipe),
        )

    @classmethod
    def open_data(cls, root: Path | str, dataset: str | None) -> Dataset:
        """Return the dataset in a folder."""
        return open_dataset(root, dataset)

    @classmethod
    def open(
        cls,
        recipe: Recipe,
        data: Dataset | LabelledImages | Path | str,
        *,
        dataset: str | None = None,
        cache: Path | None = None,
    ) -> Segmentation:
        """Return the task on a dataset, or on the dataset in a folder; see `open_task`."""
        if isinstance(data, Path | str):
            data = cls.open_data(data, dataset)
        if isinstance(data, LabelledImages):
            raise DatasetError(f"{data.root} holds images sorted by class; segmentation trains on class maps")
        return cls(recipe, data, cache)

    def open_samples(self) -> Samples:
        """Return the samples of the split to train on."""
        return open_samples(self.dataset, self.recipe.split, self.recipe.native_short_side, self.cache)

    def warnings(self) -> list[str]:
        """Return the doubts about a sample of the labels; DatasetError if training would be senseless."""
        return quick_warnings(self.dataset, self.recipe.split)

    def build_network(self, num_classes: int, *, aux: bool = False) -> Network:
        """Return a new segmentation network."""
        return build_network(self.recipe.network, num_classes, self.recipe.network_arguments, aux=aux)

    def least_side(self, network: Network) -> int:
        """Return twice the network's size multiple."""
        return 2 * network.size_multiple

    def make_loss(self, samples: Samples, network: Network, device: torch.device) -> Loss:
        """Return the loss of all heads, with the weights of the classes."""
        recipe = self.recipe
        weights = torch.ones(len(self.classes))
        if recipe.class_weight_power:
            weights = weigh_classes(samples, recipe.split, len(self.classes), recipe.class_weight_power)
        return SegmentationLoss(
            pixel_loss=LOSSES[recipe.loss](recipe),
            class_weights=weights.to(device),
            align_corners=network.align_corners,
            aux_weights=recipe.aux_weights,
            detail_weights=recipe.detail_weights,
            stride=recipe.loss_stride,
            aux_stride=recipe.aux_loss_stride,
        )

    @cached_property
    def evaluation_samples(self) -> Samples:
        """The samples of evaluate_split at their own size."""
        return open_samples(self.dataset, self.recipe.evaluate_split, sys.maxsize, self.cache)

    def open_validation(self) -> None:
        """Open the samples of evaluate_split; DatasetError if no pixel of them has a label."""
        samples = self.evaluation_samples
        if all((samples.read(i)[1] == IGNORE).all() for i in range(len(samples.names))):
            raise self.dataset.unlabelled(self.recipe.evaluate_split)

    def validate(self, network: Network, logits: Logits, device: torch.device) -> Validation:
        """Return mIoU, pixel accuracy and IoU of the classes on evaluate_split, and overlays of its first frames."""
        return validate(TrainingEngine(logits, device), self.card(network), self.evaluation_samples)

    def save_weights(self, path: Path, network: Network) -> None:
        """Write the network's weights with their card."""
        save_weights(path, network.state_dict(), self.card(network))

    def card(self, network: Network) -> ModelCard:
        """Return the card of the network's weights."""
        recipe, dataset = self.recipe, self.dataset
        card = ModelCard(
            network=recipe.network,
            network_arguments=recipe.network_arguments,
            classes=self.classes,
            colours=dataset.labels.colours,
            mean=recipe.mean,
            std=recipe.std,
            output_stride=network.output_stride,
            size_multiple=network.size_multiple,
            align_corners=network.align_corners,
            native_short_side=recipe.native_short_side,
            operating_scale=recipe.operating_scale,
            training_data=readable(f"{dataset.name}, split {recipe.split}"),
            terms=dataset.terms,
            limits=dataset.limits,
            **self.origin(),
        )
        return card.started_from(self.ancestors)


class TrainingEngine:
    """The network in training, as an engine of `Segmenter`."""

    name, precision = "training", "float32"

    def __init__(self, logits: Logits, device: torch.device) -> None:
        self.logits, self.device = logits, device

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits, h x w x C, of a frame, H x W x 3."""
        x = torch.tensor(frame, device=self.device).permute(2, 0, 1).unsqueeze(0).float() / 255
        logits: NDArray[np.float32] = self.logits(x)[0].permute(1, 2, 0).float().contiguous().cpu().numpy()
        return logits


def open_samples(dataset: Dataset, split: str, short_side: int, cache: Path | None) -> Samples:
    """Return the samples of a split, larger ones reduced.

    Args:
        dataset: The dataset.
        split: Name of the split.
        short_side: Frames with a longer short side are reduced to it.
        cache: Folder of a memory-mapped cache of the samples, made now if there is none; None decodes them into memory.

    Raises:
        DatasetError: A sample cannot be used.
    """
    if cache is not None:
        return open_cache(dataset, split, short_side, cache)
    pairs = dataset.pairs(split)
    return Decoded(tuple(pair.name for pair in pairs), lambda i: dataset.read(pairs[i], short_side)).keep()


def build_network(name: str, num_classes: int, arguments: Mapping[str, Any], *, aux: bool = False) -> Network:
    """Return a new segmentation network, channels last; see `Task.build_network`."""
    check_arguments(arguments)
    network = build(name, num_classes, aux=aux, **arguments)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def weigh_classes(samples: Samples, split: str, num_classes: int, power: float) -> Tensor:
    """Return the weight of each class in the loss (see Recipe.class_weight_power)."""
    counts = count_pixels(samples, num_classes)
    if not counts.any():
        raise DatasetError(f"no pixel of split {split!r} has a class that counts; look at streetseg data stats")
    return torch.from_numpy(class_weights(counts, power)).float()


def count_pixels(samples: Samples, num_classes: int) -> NDArray[np.int64]:
    """Return the number of pixels of each class in the labels."""
    counts = np.zeros(IGNORE + 1, np.int64)
    for i in range(len(samples.names)):
        counts += np.bincount(samples.read(i)[1].ravel(), minlength=IGNORE + 1)
    return counts[:num_classes]


def validate(engine: TrainingEngine, card: ModelCard, samples: Samples) -> Validation:
    """Evaluate a network with the same Segmenter that users run, on frames of their own size.

    Each process evaluates its share of the frames.

    Args:
        engine: Runs the network.
        card: The network's card.
        samples: Samples at their own size; some have labels.

    Returns:
        mIoU, pixel accuracy and IoU of the classes from one confusion matrix over all pixels; overlays of the first
        frames.
    """
    segmenter, classes = Segmenter(card, engine), len(card.classes)
    matrix = np.zeros((classes, classes), np.int64)
    pictures: dict[str, NDArray[np.uint8]] = {}
    mine = range(rank(), len(samples.names), world())
    for i, (frame, label) in zip(mine, read_ahead(samples.read, mine), strict=True):
        result = segmenter(frame)
        matrix += confusion_matrix(label, result.classmap, classes)
        if len(pictures) < PICTURES:
            pictures[samples.names[i]] = result.overlay()
    matrix = summed(torch.from_numpy(matrix).to(engine.device)).cpu().numpy()
    split_scores = scores(matrix)
    ious = zip(card.classes, split_scores.iou.tolist(), strict=True)
    return Validation(
        figures={"miou": split_scores.miou, "pixel_accuracy": split_scores.pixel_accuracy},
        classes={name: iou for name, iou in ious if not math.isnan(iou)},
        pictures=pictures,
    )
