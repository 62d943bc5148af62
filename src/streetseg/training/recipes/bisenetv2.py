"""BiSeNetV2's recipes (arXiv 2004.02147).

The paper mines hard pixels (Table 2) and weighs its boosters, both without numbers. The numbers here are
CoinCheung/BiSeNet's: 0.7, a sixteenth of the pixels that are not void, and 1. The warm-up of 1000 steps is that code's
and mmsegmentation's; the paper does not mention one.
"""

from __future__ import annotations

import dataclasses

from streetseg.training.recipe import Recipe


def bisenetv2_cityscapes() -> Recipe:
    """BiSeNetV2 from scratch on Cityscapes. The paper: 73.4 mIoU on val, 72.6 on test.

    streetseg train --recipe bisenetv2_cityscapes --data CITYSCAPES --out RUN

    Section 5 (Training): SGD 0.05, momentum 0.9, weight decay 0.0005 on convolutions only, poly 0.9, 150 000 steps of
    16; flip, scales 0.75 to 2 by quarters, crop 2048 x 1024, which the network sees at half size; boosters after
    stages 2, 3, 4 and before the context embedding (Table 4, third row).
    """
    return Recipe(
        name="bisenetv2_cityscapes",
        network="bisenetv2",
        native_short_side=1024,
        operating_scale=0.5,
        crop=(512, 1024),
        scale_list=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
        flip=0.5,
        iterations=150_000,
        batch=16,
        optimiser="sgd",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=False,
        warmup_iterations=1000,
        schedule="poly",
        poly_power=0.9,
        loss="ohem",
        ohem_threshold=0.7,
        ohem_min_kept=1 / 16,
        ohem_min_kept_of="counted",
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def bisenetv2_large_cityscapes() -> Recipe:
    """BiSeNetV2-Large on Cityscapes, otherwise as bisenetv2_cityscapes. The paper: 75.8 on val, 75.3 on test."""
    return dataclasses.replace(bisenetv2_cityscapes(), name="bisenetv2_large_cityscapes", network="bisenetv2_large")


def bisenetv2_camvid_720() -> Recipe:
    """BiSeNetV2 from scratch on CamVid at 720 x 960. The paper: 72.4 mIoU on test (Table 8).

    streetseg train --recipe bisenetv2_camvid_720 --data CAMVID --out RUN

    Section 5 (Training): 10 000 steps of 16, crop 960 x 720, train and val; the rest as for Cityscapes, at full size.
    """
    return Recipe(
        name="bisenetv2_camvid_720",
        network="bisenetv2",
        split="trainval",
        evaluate_split="test",
        native_short_side=720,
        operating_scale=1.0,
        crop=(720, 960),
        scale_list=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
        flip=0.5,
        iterations=10_000,
        batch=16,
        optimiser="sgd",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=False,
        warmup_iterations=1000,
        schedule="poly",
        poly_power=0.9,
        loss="ohem",
        ohem_threshold=0.7,
        ohem_min_kept=1 / 16,
        ohem_min_kept_of="counted",
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def bisenetv2_large_camvid_720() -> Recipe:
    """BiSeNetV2-Large on CamVid, otherwise as bisenetv2_camvid_720. The paper: 73.2 mIoU on test."""
    return dataclasses.replace(bisenetv2_camvid_720(), name="bisenetv2_large_camvid_720", network="bisenetv2_large")


def bisenetv2_camvid_720_from_cityscapes() -> Recipe:
    """BiSeNetV2 on CamVid from Cityscapes weights, otherwise as from scratch. The paper: 76.7 mIoU on test.

    streetseg train --recipe bisenetv2_camvid_720_from_cityscapes --data CAMVID --out RUN

    The paper names no other settings for it.
    """
    return dataclasses.replace(
        bisenetv2_camvid_720(),
        name="bisenetv2_camvid_720_from_cityscapes",
        init="bisenetv2_cityscapes.safetensors",
    )


def bisenetv2_large_camvid_720_from_cityscapes() -> Recipe:
    """BiSeNetV2-Large on CamVid from Cityscapes weights, otherwise as from scratch. The paper: 78.5 mIoU on test."""
    return dataclasses.replace(
        bisenetv2_camvid_720(),
        name="bisenetv2_large_camvid_720_from_cityscapes",
        network="bisenetv2_large",
        init="bisenetv2_large_cityscapes.safetensors",
    )


def bisenetv2_cocostuff() -> Recipe:
    """BiSeNetV2 from scratch on COCO-Stuff 10k. The paper: 25.2 mIoU (Table 9).

    streetseg train --recipe bisenetv2_cocostuff --data COCOSTUFF --out RUN

    Section 5 (Training): 20 000 steps of 16, crop 640 x 640, weight decay 0.0001; the rest as for Cityscapes, at full
    size.
    """
    return Recipe(
        name="bisenetv2_cocostuff",
        network="bisenetv2",
        native_short_side=640,
        operating_scale=1.0,
        crop=(640, 640),
        scale_list=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
        flip=0.5,
        iterations=20_000,
        batch=16,
        optimiser="sgd",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=0.0001,
        decay_norms=False,
        warmup_iterations=1000,
        schedule="poly",
        poly_power=0.9,
        loss="ohem",
        ohem_threshold=0.7,
        ohem_min_kept=1 / 16,
        ohem_min_kept_of="counted",
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        evaluate_every=5000,
        checkpoint_every=1000,
    )


def bisenetv2_large_cocostuff() -> Recipe:
    """BiSeNetV2-Large on COCO-Stuff 10k, otherwise as bisenetv2_cocostuff. The paper: 28.7 mIoU."""
    return dataclasses.replace(bisenetv2_cocostuff(), name="bisenetv2_large_cocostuff", network="bisenetv2_large")
