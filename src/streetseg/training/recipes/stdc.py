"""STDC-Seg's recipes (arXiv 2104.13188).

The numbers are the official code's (MichaelFan01/STDC-Seg: train.py, optimizer_loss.py, models/model_stages.py and the
README's commands). It has none for CamVid; see stdc1_camvid_720. Its colour jitter of brightness, contrast and
saturation by 0.5 is about our strength 0.7. Its poly schedule begins after the warm-up, ours with it, so its rate is up
to 2 % above ours.
"""

from __future__ import annotations

import dataclasses

from streetseg.training.recipe import Recipe


def stdc1_seg50_cityscapes() -> Recipe:
    """STDC1-Seg50 on Cityscapes, from ImageNet weights. The paper: 72.2 mIoU on val, 71.9 on test.

    streetseg train --recipe stdc1_seg50_cityscapes --data CITYSCAPES --out RUN

    Three processes of 16; SGD 0.01, tenfold for fusion and heads, momentum 0.9, weight decay 0.0005 on convolutions;
    1000 steps of exponential warm-up from 0.00001; 60 000 steps; crop 1024 x 512 of frames at 0.125, 0.25 ... 1.5 of
    their size (here relative to the operating scale 0.5); OHEM with 0.7 and a sixteenth of the pixels on three heads,
    each of weight 1, and the detail loss, of weight 1.
    """
    return Recipe(
        name="stdc1_seg50_cityscapes",
        network="stdc1",
        init="stdc1_imagenet.safetensors",
        native_short_side=1024,
        operating_scale=0.5,
        crop=(512, 1024),
        scale_list=tuple(eighths / 8 / 0.5 for eighths in range(1, 13)),
        flip=0.5,
        jitter=0.7,
        iterations=60_000,
        batch=48,
        optimiser="sgd",
        learning_rate=0.01,
        learning_rate_factors={"ffm": 10.0, "head": 10.0, "aux_heads": 10.0},
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=False,
        warmup_iterations=1000,
        warmup="exponential",
        warmup_start=0.001,
        schedule="poly",
        poly_power=0.9,
        sync_norms=True,
        loss="ohem",
        ohem_threshold=0.7,
        ohem_min_kept=1 / 16,
        aux_weights={"arm16": 1.0, "arm32": 1.0},
        detail_weights={"detail8": 1.0},
        evaluate_every=1000,
        checkpoint_every=1000,
    )


def stdc1_seg75_cityscapes() -> Recipe:
    """STDC1-Seg75 on Cityscapes. The paper: 74.5 mIoU on val, 75.3 on test.

    streetseg train --recipe stdc1_seg75_cityscapes --data CITYSCAPES --out RUN

    The same training as stdc1_seg50_cityscapes (one official run gives both), evaluated and used at 0.75.
    """
    return dataclasses.replace(
        stdc1_seg50_cityscapes(),
        name="stdc1_seg75_cityscapes",
        operating_scale=0.75,
        scale_list=tuple(eighths / 8 / 0.75 for eighths in range(1, 13)),
    )


def stdc2_seg50_cityscapes() -> Recipe:
    """STDC2-Seg50 on Cityscapes, otherwise as stdc1_seg50_cityscapes. The paper: 74.2 on val, 73.4 on test."""
    return dataclasses.replace(
        stdc1_seg50_cityscapes(), name="stdc2_seg50_cityscapes", network="stdc2", init="stdc2_imagenet.safetensors"
    )


def stdc2_seg75_cityscapes() -> Recipe:
    """STDC2-Seg75 on Cityscapes, otherwise as stdc1_seg75_cityscapes. The paper: 77.0 on val, 76.8 on test."""
    return dataclasses.replace(
        stdc1_seg50_cityscapes(),
        name="stdc2_seg75_cityscapes",
        network="stdc2",
        init="stdc2_imagenet.safetensors",
        operating_scale=0.75,
        scale_list=tuple(eighths / 8 / 0.75 for eighths in range(1, 13)),
    )


def stdc1_camvid_720() -> Recipe:
    """STDC1-Seg on CamVid at 720 x 960, from ImageNet weights. The paper: 73.0 mIoU on test.

    streetseg train --recipe stdc1_camvid_720 --data CAMVID --out RUN

    Not in the official code: batch 24, 10 000 steps, 200 of them warm-up, crop 960 x 720 and scales 0.5 to 2.5 by
    quarters are those of PaddleSeg's PP-LiteSeg, whose backbone this is (pp_liteseg_stdc1_camvid_960x720_10k.yml); the
    rest is as for Cityscapes.
    """
    return Recipe(
        name="stdc1_camvid_720",
        network="stdc1",
        init="stdc1_imagenet.safetensors",
        split="trainval",
        evaluate_split="test",
        native_short_side=720,
        operating_scale=1.0,
        crop=(720, 960),
        scale_list=tuple(quarters / 4 for quarters in range(2, 11)),
        flip=0.5,
        jitter=0.7,
        iterations=10_000,
        batch=24,
        optimiser="sgd",
        learning_rate=0.01,
        learning_rate_factors={"ffm": 10.0, "head": 10.0, "aux_heads": 10.0},
        momentum=0.9,
        weight_decay=0.0005,
        decay_norms=False,
        warmup_iterations=200,
        warmup="exponential",
        warmup_start=0.001,
        schedule="poly",
        poly_power=0.9,
        sync_norms=True,
        loss="ohem",
        ohem_threshold=0.7,
        ohem_min_kept=1 / 16,
        aux_weights={"arm16": 1.0, "arm32": 1.0},
        detail_weights={"detail8": 1.0},
        evaluate_every=1000,
        checkpoint_every=1000,
    )


def stdc2_camvid_720() -> Recipe:
    """STDC2-Seg on CamVid, otherwise as stdc1_camvid_720. The paper: 73.9 mIoU on test."""
    return dataclasses.replace(
        stdc1_camvid_720(), name="stdc2_camvid_720", network="stdc2", init="stdc2_imagenet.safetensors"
    )
