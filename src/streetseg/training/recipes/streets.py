"""Recipes for rendered streets: the pre-training of the shipped weights.

Render the streets first: streetseg data render STREETS --val 10 --train 800 --seed 1000

Every recipe is whole: each number of the run stands in it. The AMD EPYC of the times has AVX-512 with bfloat16, and had
other work beside the run. Figures are mIoU in per cent on CamVid's drives, which these runs have not seen;
docs/experiments.csv has their rows.
"""

from __future__ import annotations

from streetseg.training.recipe import Recipe


def ddrnet_23_slim_streets() -> Recipe:
    """DDRNet-23-slim from scratch on rendered streets, for ddrnet_23_slim_camvid_pretrained.

    Command: streetseg train --recipe ddrnet_23_slim_streets --data STREETS --out RUN
    Time: 67 minutes for 3,000 steps, on one thread of an AMD EPYC.
    Reached: 31.03 on 0006R0, 37.49 on 0001TP, 42.87 on 0016E5.
    Starts from: nothing.
    """
    return Recipe(
        name="ddrnet_23_slim_streets", network="ddrnet_23_slim",
        init="",
        split="train", native_short_side=360, operating_scale=1.5,
        crop=(320, 416), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.5, noise=0.5, shade=1.0,
        optimiser="adamw", learning_rate=0.0012, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=3000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"high4": 0.4},
        seed=3,
    )  # fmt: skip


def fassd_net_l2_streets() -> Recipe:
    """FASSD-Net-L2 from scratch on rendered streets, for fassd_net_l2_camvid_pretrained.

    Command: streetseg train --recipe fassd_net_l2_streets --data STREETS --out RUN
    Time: 20 minutes for 3,000 steps, on one thread of an AMD EPYC.
    Reached: 32.57 on 0006R0, 34.95 on 0001TP, 40.68 on 0016E5.
    Starts from: nothing.
    """
    return Recipe(
        name="fassd_net_l2_streets", network="fassd_net_l2",
        init="",
        split="train", native_short_side=360, operating_scale=1.5,
        crop=(320, 448), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.5, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=3000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        seed=1,
    )  # fmt: skip


def fassd_net_streets() -> Recipe:
    """FASSD-Net from scratch on rendered streets, for fassd_net_camvid_pretrained.

    Command: streetseg train --recipe fassd_net_streets --data STREETS --out RUN
    Time: 60 minutes for 3,000 steps, on one thread of an AMD EPYC.
    Reached: 32.37 on 0006R0.
    Starts from: nothing.

    At the streets' own size: it takes five times FASSD-Net-L2's operations a pixel (Table IV).
    """
    return Recipe(
        name="fassd_net_streets", network="fassd_net",
        init="",
        split="train", native_short_side=360, operating_scale=1.0,
        crop=(256, 320), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.5, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=3000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        seed=1,
    )  # fmt: skip


def stdc1_streets() -> Recipe:
    """STDC1-Seg from scratch on rendered streets, for stdc1_camvid_pretrained.

    Command: streetseg train --recipe stdc1_streets --data STREETS --out RUN
    Time: 91 minutes for 3,000 steps, on one thread of an AMD EPYC.
    Reached: 33.55 on 0006R0, 40.17 on 0001TP, 43.07 on 0016E5.
    Starts from: nothing.
    """
    return Recipe(
        name="stdc1_streets", network="stdc1",
        init="",
        split="train", native_short_side=360, operating_scale=1.5,
        crop=(320, 416), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.0, noise=0.0, shade=1.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=3000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"arm16": 1.0, "arm32": 1.0}, detail_weights={"detail8": 1.0},
        seed=2,
    )  # fmt: skip
