"""Recipes for CamVid (Brostow et al., 2009) on two CPU cores: from scratch, and the stages of the shipped weights.

Every recipe is whole: each number of the run stands in it. The AMD EPYC of the times has AVX-512 with bfloat16, and had
other work beside the run. Figures are mIoU in per cent; docs/experiments.csv has their rows. A figure on val after
training on trainval is a fit, not an accuracy; a drive left out (0006R0, 0001TP, 0016E5) is honest, after fewer steps.
All but FASSD-Net's were trained before a recipe's seed reached augmentation: run anew, the recipes draw other views.

Where `init` is set, the run looks for that file in the current folder; `--init FILE` names another.
"""

from __future__ import annotations

from streetseg.training.recipe import Recipe


def ddrnet_23_slim_camvid() -> Recipe:
    """DDRNet-23-slim from scratch on CamVid at 360 x 480.

    Command: streetseg train --recipe ddrnet_23_slim_camvid --data CAMVID --out RUN
    Time: not recorded (4,000 steps).
    Reached: 61.32 on val after training on train; 37.76 on 0006R0 left out.
    Starts from: nothing.

    The auxiliary weight 0.4, the scale 0.5 to 2 and the power 0.9 are the paper's (Sections III-E and V-B). The
    paper starts from ImageNet weights and trains 968 epochs at 720 x 960.
    """
    return Recipe(
        name="ddrnet_23_slim_camvid", network="ddrnet_23_slim",
        init="",
        split="train", native_short_side=360, operating_scale=1.0,
        crop=(256, 352), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.4, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.05, ema_decay=0.998,
        iterations=4000, batch=8, warmup_iterations=200, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"high4": 0.4},
        seed=0,
    )  # fmt: skip


def ddrnet_23_slim_camvid_pretrained() -> Recipe:
    """DDRNet-23-slim on CamVid enlarged to 540 x 720, from rendered streets: first stage of the shipped weights.

    Command: streetseg train --recipe ddrnet_23_slim_camvid_pretrained --data CAMVID --out RUN
    Time: 85 minutes for 5,000 steps, on one thread of an AMD EPYC.
    Reached: with 3,000 steps: 41.85 on 0006R0 left out, 53.22 on 0001TP, 53.67 on 0016E5.
    Starts from: the weights of ddrnet_23_slim_streets.

    At stride 8 of a 360 x 480 frame a pole is a fraction of a logit; enlarging the frame 1.5 times costs 2.25 times
    the operations. `shade`: without it, a bright, wet road came out as sky on 0006R0. `weight_decay`: a step of
    AdamW takes rate times decay of a weight; 0.05 takes a tenth in a whole run, next to nothing.
    """
    return Recipe(
        name="ddrnet_23_slim_camvid_pretrained", network="ddrnet_23_slim",
        init="ddrnet_23_slim_streets.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(320, 416), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.5, noise=0.5, shade=1.0,
        optimiser="adamw", learning_rate=0.0012, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=5000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"high4": 0.4},
        seed=3,
    )  # fmt: skip


def ddrnet_23_slim_camvid_pretrained_restart() -> Recipe:
    """DDRNet-23-slim on CamVid, its first stage once more, then again: the shipped weights.

    Command: streetseg train --recipe ddrnet_23_slim_camvid_pretrained_restart --data CAMVID --out RUN
        streetseg train --recipe ddrnet_23_slim_camvid_pretrained_restart --data CAMVID --out AGAIN --set seed=5 \\
            --init RUN/ddrnet_23_slim_camvid_pretrained_restart.safetensors
    Time: 90 minutes for the first 5,000 steps, 95 for the second, on one thread of an AMD EPYC.
    Reached: 84.28 on val, seen in training; with 2,600 steps each: 44.25 on 0006R0 left out.
    Starts from: the weights of ddrnet_23_slim_camvid_pretrained; the second time its own, with another seed.

    A restart raises the learning rate again. On drives never seen the first one gave 1.6 and 3.0 points, the second
    0.8. Another seed, because with the same one the samples come in the same order.
    """
    return Recipe(
        name="ddrnet_23_slim_camvid_pretrained_restart", network="ddrnet_23_slim",
        init="ddrnet_23_slim_camvid_pretrained.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(320, 416), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.5, noise=0.5, shade=1.0,
        optimiser="adamw", learning_rate=0.0012, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=5000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"high4": 0.4},
        seed=4,
    )  # fmt: skip


def bisenetv2_camvid() -> Recipe:
    """BiSeNetV2 from scratch on CamVid at 360 x 480.

    Command: streetseg train --recipe bisenetv2_camvid --data CAMVID --out RUN
    Time: not recorded.
    Reached: no figure: not run to its end.
    Starts from: nothing.

    As ddrnet_23_slim_camvid, with BiSeNetV2's boosters and their weights.
    """
    return Recipe(
        name="bisenetv2_camvid", network="bisenetv2",
        init="",
        split="train", native_short_side=360, operating_scale=1.0,
        crop=(256, 352), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.4, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.05, ema_decay=0.998,
        iterations=4000, batch=8, warmup_iterations=200, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        seed=0,
    )  # fmt: skip


def bisenetv2_camvid_enlarged() -> Recipe:
    """BiSeNetV2 from scratch on CamVid enlarged to 540 x 720: first stage of the shipped weights.

    Command: streetseg train --recipe bisenetv2_camvid_enlarged --data CAMVID --out RUN
    Time: 97 minutes for 2,900 steps, on one thread of an AMD EPYC.
    Reached: 72.43 on val, seen in training; with 1,450 steps: 36.28 on 0006R0 left out.
    Starts from: nothing.

    A step takes more than twice DDRNet-23-slim's time; so the crop is smaller and there are fewer steps.
    """
    return Recipe(
        name="bisenetv2_camvid_enlarged", network="bisenetv2",
        init="",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(256, 352), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.5, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.05, ema_decay=0.998,
        iterations=2900, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        seed=0,
    )  # fmt: skip


def bisenetv2_camvid_restart() -> Recipe:
    """BiSeNetV2 on CamVid, bisenetv2_camvid_enlarged once more: second stage of the shipped weights.

    Command: streetseg train --recipe bisenetv2_camvid_restart --data CAMVID --out RUN
    Time: 60 minutes for 1,600 steps, on one thread of an AMD EPYC.
    Reached: 74.35 on val, seen in training.
    Starts from: the weights of bisenetv2_camvid_enlarged.

    Stronger colours, for other cameras. Another seed, because with the same one the samples come in the same order.
    """
    return Recipe(
        name="bisenetv2_camvid_restart", network="bisenetv2",
        init="bisenetv2_camvid_enlarged.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(256, 352), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.05, ema_decay=0.998,
        iterations=1600, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        seed=1,
    )  # fmt: skip


def bisenetv2_camvid_decay() -> Recipe:
    """BiSeNetV2 on CamVid, bisenetv2_camvid_restart once more: the shipped weights.

    Command: streetseg train --recipe bisenetv2_camvid_decay --data CAMVID --out RUN
    Time: 102 minutes for 2,800 steps, on one thread of an AMD EPYC.
    Reached: 78.77 on val, seen in training.
    Starts from: the weights of bisenetv2_camvid_restart.

    With ten times the weight decay.
    """
    return Recipe(
        name="bisenetv2_camvid_decay", network="bisenetv2",
        init="bisenetv2_camvid_restart.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(256, 352), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.998,
        iterations=2800, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"stage2": 1.0, "stage3": 1.0, "stage4": 1.0, "stage5_4": 1.0},
        seed=2,
    )  # fmt: skip


def fassd_net_l2_camvid() -> Recipe:
    """FASSD-Net-L2 from scratch on CamVid at 360 x 480.

    Command: streetseg train --recipe fassd_net_l2_camvid --data CAMVID --out RUN
    Time: not recorded.
    Reached: no figure: not run to its end.
    Starts from: nothing.

    As ddrnet_23_slim_camvid, but sides of crops are multiples of 64. The network has no auxiliary head.
    """
    return Recipe(
        name="fassd_net_l2_camvid", network="fassd_net_l2",
        init="",
        split="train", native_short_side=360, operating_scale=1.0,
        crop=(256, 384), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.4, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.05, ema_decay=0.998,
        iterations=4000, batch=8, warmup_iterations=200, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        seed=0,
    )  # fmt: skip


def fassd_net_l2_camvid_pretrained() -> Recipe:
    """FASSD-Net-L2 on CamVid enlarged to 540 x 720, from rendered streets: the shipped weights.

    Command: streetseg train --recipe fassd_net_l2_camvid_pretrained --data CAMVID --out RUN
    Time: 47 minutes for 6,000 steps, on one thread of an AMD EPYC.
    Reached: 79.58 on val, seen in training; with 3,000 steps: 42.09 on 0006R0 left out, 42.84 on 0001TP, 50.24 on
        0016E5.
    Starts from: the weights of fassd_net_l2_streets.

    On drives never seen the pre-training gave 2.6 to 4.6 points.
    """
    return Recipe(
        name="fassd_net_l2_camvid_pretrained", network="fassd_net_l2",
        init="fassd_net_l2_streets.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(320, 448), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.5, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=6000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        seed=2,
    )  # fmt: skip


def fassd_net_camvid_pretrained() -> Recipe:
    """FASSD-Net on CamVid enlarged to 450 x 600, from rendered streets: the shipped weights.

    Command: streetseg train --recipe fassd_net_camvid_pretrained --data CAMVID --out RUN
    Time: 99 minutes for 4,000 steps, on one thread of an AMD EPYC.
    Reached: 81.96 on val, seen in training; with 3,000 steps: 42.59 on 0006R0 left out.
    Starts from: the weights of fassd_net_streets.
    """
    return Recipe(
        name="fassd_net_camvid_pretrained", network="fassd_net",
        init="fassd_net_streets.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.25,
        crop=(320, 384), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.0, noise=0.0, shade=1.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=4000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        seed=2,
    )  # fmt: skip


def stdc1_camvid() -> Recipe:
    """STDC1-Seg from scratch on CamVid at 360 x 480.

    Command: streetseg train --recipe stdc1_camvid --data CAMVID --out RUN
    Time: not recorded.
    Reached: no figure: not run to its end.
    Starts from: nothing.

    As ddrnet_23_slim_camvid, with STDC's heads and their weights.
    """
    return Recipe(
        name="stdc1_camvid", network="stdc1",
        init="",
        split="train", native_short_side=360, operating_scale=1.0,
        crop=(256, 352), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.4, blur=0.0, noise=0.0, shade=0.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.05, ema_decay=0.998,
        iterations=4000, batch=8, warmup_iterations=200, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"arm16": 1.0, "arm32": 1.0}, detail_weights={"detail8": 1.0},
        seed=0,
    )  # fmt: skip


def stdc1_camvid_pretrained() -> Recipe:
    """STDC1-Seg on CamVid enlarged to 540 x 720, from rendered streets: the shipped weights.

    Command: streetseg train --recipe stdc1_camvid_pretrained --data CAMVID --out RUN
    Time: 125 minutes for 4,000 steps, on one thread of an AMD EPYC.
    Reached: 79.29 on val, seen in training; with 2,000 steps: 41.73 on 0006R0 left out.
    Starts from: the weights of stdc1_streets.
    """
    return Recipe(
        name="stdc1_camvid_pretrained", network="stdc1",
        init="stdc1_streets.safetensors",
        split="trainval", native_short_side=360, operating_scale=1.5,
        crop=(320, 416), scale=(0.5, 2.0), aspect=1.1, flip=0.5, jitter=0.7, blur=0.0, noise=0.0, shade=1.0,
        optimiser="adamw", learning_rate=0.0015, momentum=0.9, weight_decay=0.5, ema_decay=0.999,
        iterations=4000, batch=8, warmup_iterations=300, schedule="poly", poly_power=0.9,
        loss="ohem", ohem_threshold=0.7, ohem_min_kept=0.25, class_weight_power=0.5, loss_stride=2, aux_loss_stride=4,
        aux_weights={"arm16": 1.0, "arm32": 1.0}, detail_weights={"detail8": 1.0},
        seed=3,
    )  # fmt: skip
