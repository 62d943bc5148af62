"""FASSD-Net's recipes (Rosas-Arias, Benitez-Garcia, Portillo-Portillo, Sanchez-Perez, Yanai, ICPR 2020)."""

from __future__ import annotations

import dataclasses

from streetseg.training.recipe import Recipe


def fassd_net_cityscapes() -> Recipe:
    """FASSD-Net on Cityscapes, from ImageNet weights: the first 90 000 steps; fassd_net_cityscapes_final goes on.

    streetseg train --recipe fassd_net_cityscapes --data CITYSCAPES --out RUN

    Section IV-A: SGD 0.02, momentum 0.9, weight decay 0.0005, poly 0.9, batch 16, flip, scale 0.5 to 2, crop 1024,
    bootstrapped cross entropy. Its numbers, loss above 0.3 and at least 4096 pixels of a crop, are the official code's
    (configs/FASSD-Net.yml), which also decays all parameters.
    """
    return Recipe(
        name="fassd_net_cityscapes",
        network="fassd_net",
        init="fc_hardnet_70_imagenet.safetensors",
        native_short_side=1024,
        crop=(1024, 1024),
        scale=(0.5, 2.0),
        flip=0.5,
        iterations=90_000,
        batch=16,
        optimiser="sgd",
        learning_rate=0.02,
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=True,
        schedule="poly",
        poly_power=0.9,
        loss="bootstrapped",
        bootstrap_threshold=0.3,
        bootstrap_min_kept=4096 / 1024**2,
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def fassd_net_l1_cityscapes() -> Recipe:
    """FASSD-Net-L1 on Cityscapes, otherwise as fassd_net_cityscapes."""
    return dataclasses.replace(fassd_net_cityscapes(), name="fassd_net_l1_cityscapes", network="fassd_net_l1")


def fassd_net_l2_cityscapes() -> Recipe:
    """FASSD-Net-L2 on Cityscapes, otherwise as fassd_net_cityscapes."""
    return dataclasses.replace(fassd_net_cityscapes(), name="fassd_net_l2_cityscapes", network="fassd_net_l2")


def fassd_net_cityscapes_final() -> Recipe:
    """FASSD-Net on Cityscapes: the last 30 000 steps. The paper: 78.8 mIoU on val.

    streetseg train --recipe fassd_net_cityscapes_final --data CITYSCAPES --out RUN

    Section IV-A: as fassd_net_cityscapes, from whose weights it starts, with rate 0.001 and batch 24.
    """
    return Recipe(
        name="fassd_net_cityscapes_final",
        network="fassd_net",
        init="fassd_net_cityscapes.safetensors",
        native_short_side=1024,
        crop=(1024, 1024),
        scale=(0.5, 2.0),
        flip=0.5,
        iterations=30_000,
        batch=24,
        optimiser="sgd",
        learning_rate=0.001,
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=True,
        schedule="poly",
        poly_power=0.9,
        loss="bootstrapped",
        bootstrap_threshold=0.3,
        bootstrap_min_kept=4096 / 1024**2,
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def fassd_net_l1_cityscapes_final() -> Recipe:
    """FASSD-Net-L1, otherwise as fassd_net_cityscapes_final. The paper: 76.3 mIoU on val."""
    return dataclasses.replace(
        fassd_net_cityscapes_final(),
        name="fassd_net_l1_cityscapes_final",
        network="fassd_net_l1",
        init="fassd_net_l1_cityscapes.safetensors",
    )


def fassd_net_l2_cityscapes_final() -> Recipe:
    """FASSD-Net-L2, otherwise as fassd_net_cityscapes_final. The paper: 74.1 mIoU on val."""
    return dataclasses.replace(
        fassd_net_cityscapes_final(),
        name="fassd_net_l2_cityscapes_final",
        network="fassd_net_l2",
        init="fassd_net_l2_cityscapes.safetensors",
    )
