"""Judging a network while it trains, on frames of their own size, by the same Segmenter a user runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streetseg.data.imagenet import LabelledImages
from streetseg.data.pairs import read_ahead
from streetseg.measure.metrics import confusion_matrix, scores
from streetseg.runtime.card import ModelCard
from streetseg.runtime.frames import read_frame, resize
from streetseg.runtime.segmenter import Segmenter
from streetseg.training.dataset import Samples
from streetseg.training.distributed import rank, summed, world

Logits = Callable[[Tensor], Tensor]  # frames N x 3 x H x W, 0 to 1, on the device -> logits
Judgement = tuple[dict[str, float], dict[str, NDArray[np.uint8]]]

PICTURES = 4
CENTRE_CROP = 0.875  # of the short side: how ImageNet's classifiers are judged (He et al., 2016)


class TrainingEngine:
    """The network in training as an engine."""

    name, precision = "training", "float32"

    def __init__(self, logits: Logits, device: torch.device) -> None:
        self.logits, self.device = logits, device

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """H x W x 3 uint8 -> logits h x w x C."""
        x = torch.tensor(frame, device=self.device).permute(2, 0, 1).unsqueeze(0).float() / 255
        logits: NDArray[np.float32] = self.logits(x)[0].permute(1, 2, 0).float().contiguous().cpu().numpy()
        return logits


def validate(engine: TrainingEngine, card: ModelCard, samples: Samples) -> Judgement:
    """mIoU and pixel accuracy from one confusion matrix over all pixels of the samples, each process judging its share
    of the frames; and the overlays of the first frames, by their names. samples: at their own size, some labelled."""
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
    found = scores(matrix)
    return {"miou": found.miou, "pixel_accuracy": found.pixel_accuracy}, pictures


def validate_classifier(
    engine: TrainingEngine, dataset: LabelledImages, split: str, crop: tuple[int, int]
) -> Judgement:
    """The share of a split's images whose class is found, from the middle of each."""
    items = dataset.items(split)
    right = torch.zeros((), dtype=torch.int64, device=engine.device)
    for path, label in items[rank() :: world()]:
        frame = read_frame(path)
        height, width = frame.shape[:2]
        ratio = max(crop) / CENTRE_CROP / min(height, width)
        frame = resize(frame, (round(height * ratio), round(width * ratio)))
        top, left = (frame.shape[0] - crop[0]) // 2, (frame.shape[1] - crop[1]) // 2
        frame = frame[top : top + crop[0], left : left + crop[1]]
        x = torch.from_numpy(frame).to(engine.device).permute(2, 0, 1).unsqueeze(0).float() / 255
        right += engine.logits(x).argmax() == label
    return {"accuracy": summed(right).item() / len(items)}, {}
