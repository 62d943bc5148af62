"""Pre-training of the backbones on ImageNet: 1 281 167 frames, crops of 8 to 100 % of a frame and of shapes from 3:4 to
4:3 (Szegedy et al., 2015, Section 6) at 224 x 224, flips."""

from __future__ import annotations

import dataclasses

from streetseg.training.recipe import Recipe


def ddrnet_23_slim_imagenet() -> Recipe:
    """DDRNet-23-slim's backbone on ImageNet. The paper: top-1 error 29.8.

    streetseg train --recipe ddrnet_23_slim_imagenet --data IMAGENET --out RUN

    DDRNet, Section III-B: 224 x 224, batch 256, 100 epochs (500 500 steps), SGD 0.1, a tenth at epochs 30, 60 and 90,
    weight decay 0.0001, Nesterov momentum 0.9, augmentation as usual.
    """
    return Recipe(
        name="ddrnet_23_slim_imagenet",
        network="ddrnet_23_slim_classifier",
        task="classification",
        native_short_side=256,
        crop=(224, 224),
        crop_area=(0.08, 1.0),
        crop_aspect=4 / 3,
        flip=0.5,
        iterations=500_500,
        batch=256,
        optimiser="sgd",
        learning_rate=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.0001,
        decay_norms=True,
        schedule="step",
        step_at=(0.3, 0.6, 0.9),
        loss="cross_entropy",
        evaluate_every=5005,
        checkpoint_every=1000,
    )


def ddrnet_23_imagenet() -> Recipe:
    """DDRNet-23's backbone, otherwise as ddrnet_23_slim_imagenet. The paper: top-1 error 24.1."""
    return dataclasses.replace(ddrnet_23_slim_imagenet(), name="ddrnet_23_imagenet", network="ddrnet_23_classifier")


def ddrnet_39_imagenet() -> Recipe:
    """DDRNet-39's backbone, otherwise as ddrnet_23_slim_imagenet. The paper: top-1 error 22.7."""
    return dataclasses.replace(ddrnet_23_slim_imagenet(), name="ddrnet_39_imagenet", network="ddrnet_39_classifier")


def stdc1_imagenet() -> Recipe:
    """STDC1 on ImageNet. The authors: top-1 accuracy 73.91.

    streetseg train --recipe stdc1_imagenet --data IMAGENET --out RUN

    STDC-Seg, Section 4.1, cited but not checked (the official code does not have it): batch 64, 300 epochs (6 005 700
    steps), SGD rising from 0.001 to 0.1 over 5 epochs, then a cosine, momentum 0.9, weight decay 0.0001, label
    smoothing, whose 0.1 is that of the training tricks it cites (He and others, CVPR 2019).
    """
    return Recipe(
        name="stdc1_imagenet",
        network="stdc1_classifier",
        task="classification",
        native_short_side=256,
        crop=(224, 224),
        crop_area=(0.08, 1.0),
        crop_aspect=4 / 3,
        flip=0.5,
        iterations=6_005_700,
        batch=64,
        optimiser="sgd",
        learning_rate=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=0.0001,
        decay_norms=True,
        warmup_iterations=100_095,
        warmup_start=0.01,
        schedule="cosine",
        loss="cross_entropy",
        label_smoothing=0.1,
        evaluate_every=20_019,
        checkpoint_every=1000,
    )


def stdc2_imagenet() -> Recipe:
    """STDC2, otherwise as stdc1_imagenet. The authors: top-1 accuracy 76.47."""
    return dataclasses.replace(stdc1_imagenet(), name="stdc2_imagenet", network="stdc2_classifier")


def fc_hardnet_70_imagenet() -> Recipe:
    """The encoder of FC-HarDNet-70, from which FASSD-Net starts, on ImageNet; no published figure.

    streetseg train --recipe fc_hardnet_70_imagenet --data IMAGENET --out RUN

    PingoLH/Pytorch-HarDNet, imagenet/README.md, for its HarDNets: rate 0.05, batch 256, weight decay 0.00006, cosine,
    Nesterov, 150 to 250 epochs, of which this takes 150 (750 750 steps).
    """
    return Recipe(
        name="fc_hardnet_70_imagenet",
        network="fc_hardnet_70_classifier",
        task="classification",
        native_short_side=256,
        crop=(224, 224),
        crop_area=(0.08, 1.0),
        crop_aspect=4 / 3,
        flip=0.5,
        iterations=750_750,
        batch=256,
        optimiser="sgd",
        learning_rate=0.05,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.00006,
        decay_norms=True,
        schedule="cosine",
        loss="cross_entropy",
        evaluate_every=5005,
        checkpoint_every=1000,
    )
