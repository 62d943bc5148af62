"""DDRNet's recipes (arXiv 2101.06085; sections and tables are the first version's).

The paper leaves some numbers open. OHEM on both heads is that of mmsegmentation's DDRNet, which is HRNet's:
probabilities below 0.9, at least 131072 pixels a process. Here the minimum is a share of the crops that each of the
paper's processes had: three of a batch's twelve on Cityscapes, all twelve on CamVid. Weight decay on norms is
mmsegmentation's, too. Its class weights are left out, because the paper has none.
"""

from __future__ import annotations

import dataclasses

from streetseg.training.recipe import Recipe


def ddrnet_23_slim_cityscapes() -> Recipe:
    """DDRNet-23-slim on Cityscapes, from ImageNet weights. The paper: 77.8 mIoU on val, 77.4 on test.

    streetseg train --recipe ddrnet_23_slim_cityscapes --data CITYSCAPES --out RUN

    Section IV-B1: SGD 0.01, momentum 0.9, weight decay 0.0005, poly 0.9, crop 1024, scale 0.5 to 2, flip, 484 epochs
    (about 120 000 steps) of 12, synchronised norms on four GPUs, OHEM. Section III-E: auxiliary loss 0.4. The test
    figure's training adds val (--set split=trainval).
    """
    return Recipe(
        name="ddrnet_23_slim_cityscapes",
        network="ddrnet_23_slim",
        init="ddrnet_23_slim_imagenet.safetensors",
        native_short_side=1024,
        crop=(1024, 1024),
        scale=(0.5, 2.0),
        flip=0.5,
        iterations=120_000,
        batch=12,
        optimiser="sgd",
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=True,
        schedule="poly",
        poly_power=0.9,
        sync_norms=True,
        loss="ohem",
        ohem_threshold=0.9,
        ohem_min_kept=131072 / (3 * 1024 * 1024),
        aux_weights={"high4": 0.4},
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def ddrnet_23_cityscapes() -> Recipe:
    """DDRNet-23 on Cityscapes, otherwise as ddrnet_23_slim_cityscapes. The paper: 79.5 on val, 79.4 on test."""
    return dataclasses.replace(
        ddrnet_23_slim_cityscapes(),
        name="ddrnet_23_cityscapes",
        network="ddrnet_23",
        init="ddrnet_23_imagenet.safetensors",
    )


def ddrnet_39_cityscapes() -> Recipe:
    """DDRNet-39 on Cityscapes, otherwise as ddrnet_23_slim_cityscapes. The paper: 80.4 on test."""
    return dataclasses.replace(
        ddrnet_23_slim_cityscapes(),
        name="ddrnet_39_cityscapes",
        network="ddrnet_39",
        init="ddrnet_39_imagenet.safetensors",
    )


def ddrnet_23_slim_camvid_720() -> Recipe:
    """DDRNet-23-slim on CamVid at 720 x 960, from ImageNet weights. The paper: 74.4 mIoU on test.

    streetseg train --recipe ddrnet_23_slim_camvid_720 --data CAMVID --out RUN

    Section IV-B2: rate 0.001, crop 960 x 720, 968 epochs of train and val (468 frames: 37 752 steps of 12), one GPU,
    the rest as for Cityscapes.
    """
    return Recipe(
        name="ddrnet_23_slim_camvid_720",
        network="ddrnet_23_slim",
        init="ddrnet_23_slim_imagenet.safetensors",
        split="trainval",
        evaluate_split="test",
        native_short_side=720,
        crop=(720, 960),
        scale=(0.5, 2.0),
        flip=0.5,
        iterations=37_752,
        batch=12,
        optimiser="sgd",
        learning_rate=0.001,
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=True,
        schedule="poly",
        poly_power=0.9,
        sync_norms=True,
        loss="ohem",
        ohem_threshold=0.9,
        ohem_min_kept=131072 / (12 * 720 * 960),
        aux_weights={"high4": 0.4},
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def ddrnet_23_camvid_720() -> Recipe:
    """DDRNet-23 on CamVid, otherwise as ddrnet_23_slim_camvid_720. The paper: 76.3 mIoU on test."""
    return dataclasses.replace(
        ddrnet_23_slim_camvid_720(),
        name="ddrnet_23_camvid_720",
        network="ddrnet_23",
        init="ddrnet_23_imagenet.safetensors",
    )


def ddrnet_23_slim_camvid_720_from_cityscapes() -> Recipe:
    """DDRNet-23-slim on CamVid, from Cityscapes weights. The paper: 78.0 mIoU on test.

    streetseg train --recipe ddrnet_23_slim_camvid_720_from_cityscapes --data CAMVID --out RUN

    Section IV-B2: 200 epochs (7 800 steps of 12) at 0.001; the rest as ddrnet_23_slim_camvid_720.
    """
    return dataclasses.replace(
        ddrnet_23_slim_camvid_720(),
        name="ddrnet_23_slim_camvid_720_from_cityscapes",
        init="ddrnet_23_slim_cityscapes.safetensors",
        iterations=7800,
    )


def ddrnet_23_camvid_720_from_cityscapes() -> Recipe:
    """DDRNet-23 on CamVid, from Cityscapes weights, otherwise as the slim one. The paper: 79.9 mIoU on test."""
    return dataclasses.replace(
        ddrnet_23_slim_camvid_720(),
        name="ddrnet_23_camvid_720_from_cityscapes",
        network="ddrnet_23",
        init="ddrnet_23_cityscapes.safetensors",
        iterations=7800,
    )


def ddrnet_23_cocostuff() -> Recipe:
    """DDRNet-23 on COCO-Stuff 10k, from ImageNet weights. The paper: 32.1 mIoU.

    streetseg train --recipe ddrnet_23_cocostuff --data COCOSTUFF --out RUN

    The paper's last version (IEEE Transactions on Intelligent Transportation Systems, 2022), Section IV, cited but not
    checked: rate 0.001, weight decay 0.0001, 110 epochs (82 500 steps of 12), short side 640, crop 640. Training does
    not enlarge frames before augmentation, and most short sides are 480. The scale makes up for it: 0.5 to 2 times
    640 / 480. The number of processes is not known: OHEM keeps Cityscapes' share of the pixels, not their number.
    """
    return Recipe(
        name="ddrnet_23_cocostuff",
        network="ddrnet_23",
        init="ddrnet_23_imagenet.safetensors",
        native_short_side=640,
        crop=(640, 640),
        scale=(2 / 3, 8 / 3),
        flip=0.5,
        iterations=82_500,
        batch=12,
        optimiser="sgd",
        learning_rate=0.001,
        momentum=0.9,
        weight_decay=0.0001,
        decay_norms=True,
        schedule="poly",
        poly_power=0.9,
        sync_norms=True,
        loss="ohem",
        ohem_threshold=0.9,
        ohem_min_kept=131072 / (3 * 1024 * 1024),
        aux_weights={"high4": 0.4},
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def ddrnet_39_cocostuff() -> Recipe:
    """DDRNet-39 on COCO-Stuff 10k, otherwise as ddrnet_23_cocostuff. The paper: 34.8 mIoU."""
    return dataclasses.replace(
        ddrnet_23_cocostuff(),
        name="ddrnet_39_cocostuff",
        network="ddrnet_39",
        init="ddrnet_39_imagenet.safetensors",
    )
