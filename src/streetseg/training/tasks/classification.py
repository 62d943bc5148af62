"""Classification: one class a frame, the pre-training of backbones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from streetseg.data.imagenet import LabelledImages, open_imagenet
from streetseg.data.pairs import Dataset, reduced_size
from streetseg.errors import DatasetError, NetworkError
from streetseg.models.networks import CLASSIFIERS
from streetseg.models.outputs import Network, Outputs
from streetseg.runtime.frames import read_frame, resize
from streetseg.runtime.provenance import today
from streetseg.training.augment import Bytes, ClassifierViews
from streetseg.training.checkpoint import save_classifier
from streetseg.training.dataset import Decoded, Samples
from streetseg.training.distributed import rank, summed, world
from streetseg.training.losses.losses import Loss
from streetseg.training.recipe import Recipe
from streetseg.training.tasks.task import Logits, Task, Validation, appearance, check_arguments

DETAIL = 2  # training shows parts of frames of this many times the short side, evaluation frames of the short side
CENTRE_CROP = 0.875  # share of the short side: ImageNet's classifiers are evaluated so (He et al., 2016)
LEAST_SIDE = 64  # pixels; every classifier's stride is at most 32


class Classification(Task):
    """Training on images with one class each.

    Attributes:
        images: The images.
    """

    def __init__(self, recipe: Recipe, images: LabelledImages, cache: Path | None = None) -> None:
        self.recipe, self.images, self.classes = recipe, images, images.names  # a cache is of class maps only
        self.views = ClassifierViews(
            crop=recipe.crop,
            crop_area=recipe.crop_area,
            crop_aspect=recipe.crop_aspect,
            appearance=appearance(recipe),
        )

    @classmethod
    def open_data(cls, root: Path | str, dataset: str | None) -> LabelledImages:
        """Return the images in a folder."""
        return open_imagenet(Path(root))

    @classmethod
    def open(
        cls,
        recipe: Recipe,
        data: Dataset | LabelledImages | Path | str,
        *,
        dataset: str | None = None,
        cache: Path | None = None,
    ) -> Classification:
        """Return the task on images, or on the images in a folder; see `open_task`."""
        if isinstance(data, Path | str):
            data = cls.open_data(data, dataset)
        if isinstance(data, Dataset):
            raise DatasetError(f"{data.root} holds class maps; classification trains on images sorted by class")
        return cls(recipe, data, cache)

    def open_samples(self) -> Samples:
        """Return the images of the split to train on."""
        return open_images(self.images, self.recipe.split, self.recipe.native_short_side)

    def build_network(self, num_classes: int, *, aux: bool = False) -> Network:
        """Return a new classifier; it has no heads that only training uses."""
        return build_classifier(self.recipe.network, num_classes, self.recipe.network_arguments)

    def least_side(self, network: Network) -> int:
        """Return a side that every classifier takes."""
        return LEAST_SIDE

    def make_loss(self, samples: Samples, network: Network, device: torch.device) -> Loss:
        """Return the cross entropy of the classes."""
        smoothing = self.recipe.label_smoothing

        def loss(outputs: Outputs, labels: Tensor, generator: Generator) -> dict[str, Tensor]:
            main = F.cross_entropy(outputs.logits.float(), labels.long(), label_smoothing=smoothing)
            return {"main": main, "total": main}

        return loss

    def open_validation(self) -> None:
        """Find the images of evaluate_split; DatasetError if there is no such split."""
        self.images.items(self.recipe.evaluate_split)

    def validate(self, network: Network, logits: Logits, device: torch.device) -> Validation:
        """Return the accuracy on evaluate_split."""
        share = accuracy(logits, device, self.images, self.recipe.evaluate_split, self.recipe.crop)
        return Validation({"accuracy": share})

    def save_weights(self, path: Path, network: Network) -> None:
        """Write the backbone's weights and their origin."""
        facts = {"network": self.recipe.network, "training_data": self.images.name, "classes": self.classes}
        ancestors = [dataclasses.asdict(one) for one in self.ancestors]
        save_classifier(path, network.state_dict(), facts | self.origin() | {"ancestors": ancestors, "date": today()})


def open_images(images: LabelledImages, split: str, short_side: int) -> Samples:
    """Return the images of a split, larger ones reduced to DETAIL times `short_side`."""
    items = images.items(split)
    names = tuple(str(path.relative_to(images.root)) for path, _ in items)
    return Decoded(
        names, lambda i: (reduced(read_frame(items[i][0]), DETAIL * short_side), np.array(items[i][1]))
    ).keep()


def reduced(frame: Bytes, short_side: int) -> Bytes:
    """Return the frame, H x W x 3, a larger one reduced to `short_side`."""
    return resize(frame, reduced_size((frame.shape[0], frame.shape[1]), short_side))


def build_classifier(name: str, num_classes: int, arguments: Mapping[str, Any]) -> Network:
    """Return a new classifier, channels last; see `Task.build_network`.

    It lacks the strides of a Network, which no caller reads.
    """
    check_arguments(arguments)
    if name not in CLASSIFIERS:
        raise NetworkError(f"no classifier {name!r}; there are {', '.join(CLASSIFIERS)}")
    network = cast(Network, CLASSIFIERS[name](num_classes, **arguments))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def accuracy(logits: Logits, device: torch.device, images: LabelledImages, split: str, crop: tuple[int, int]) -> float:
    """Return the share of a split's images whose class is predicted, 0 to 1, from the middle of each image."""
    items = images.items(split)
    right = torch.zeros((), dtype=torch.int64, device=device)
    for path, label in items[rank() :: world()]:
        frame = read_frame(path)
        height, width = frame.shape[:2]
        ratio = max(crop) / CENTRE_CROP / min(height, width)
        frame = resize(frame, (round(height * ratio), round(width * ratio)))
        top, left = (frame.shape[0] - crop[0]) // 2, (frame.shape[1] - crop[1]) // 2
        frame = frame[top : top + crop[0], left : left + crop[1]]
        x = torch.from_numpy(frame).to(device).permute(2, 0, 1).unsqueeze(0).float() / 255
        right += logits(x).argmax() == label
    share: float = summed(right).item() / len(items)
    return share
