"""FASSD-Net's recipes (Rosas-Arias, Benitez-Garcia, Portillo-Portillo, Sanchez-Perez, Yanai, ICPR 2020)."""

from __future__ import annotations

import dataclasses

from streetseg.training.recipe import Recipe
from streetseg.training.recipes.ddrnet import ddrnet_23_slim_camvid, decay, enlarged, pretrained, restart, streets


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
    return dataclasses.replace(
        fassd_net_cityscapes(),
        name="fassd_net_cityscapes_final",
        init="fassd_net_cityscapes.safetensors",
        iterations=30_000,
        batch=24,
        learning_rate=0.001,
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


def fassd_net_l2_camvid() -> Recipe:
    """FASSD-Net-L2 from scratch on CamVid at 360 x 480, meant for two CPU cores; no figure yet.

    streetseg train --recipe fassd_net_l2_camvid --data CAMVID --out RUN

    As ddrnet_23_slim_camvid, but crops are multiples of 64. The network has no auxiliary head.
    """
    return dataclasses.replace(
        ddrnet_23_slim_camvid(),
        name="fassd_net_l2_camvid",
        network="fassd_net_l2",
        crop=(256, 384),
        aux_weights={},
    )


def fassd_net_l2_camvid_enlarged() -> Recipe:
    """FASSD-Net-L2 from scratch on CamVid enlarged to 540 x 720: the first stage of earlier weights.

    streetseg train --recipe fassd_net_l2_camvid_enlarged --data CAMVID --out RUN

    As ddrnet_23_slim_camvid_enlarged, but with no weights to start from.
    """
    return dataclasses.replace(enlarged(fassd_net_l2_camvid()), crop=(320, 448))


def fassd_net_l2_camvid_restart() -> Recipe:
    """FASSD-Net-L2 on CamVid, fassd_net_l2_camvid_enlarged once more from its own result on: their second stage.

    streetseg train --recipe fassd_net_l2_camvid_restart --data CAMVID --out RUN

    It looks for `init`, which that recipe writes, in the current folder. Another seed, or the samples would come in
    the first stage's order.
    """
    return dataclasses.replace(restart(fassd_net_l2_camvid_enlarged()), iterations=4000, seed=1)


def fassd_net_l2_camvid_decay() -> Recipe:
    """FASSD-Net-L2 on CamVid, fassd_net_l2_camvid_restart once more: their third stage.

    streetseg train --recipe fassd_net_l2_camvid_decay --data CAMVID --out RUN

    With ten times the weight decay. It looks for `init`, which that recipe writes, in the current folder.
    """
    return decay(fassd_net_l2_camvid_restart())


def fassd_net_l2_streets() -> Recipe:
    """FASSD-Net-L2 from scratch on rendered streets: pre-training for fassd_net_l2_camvid_pretrained.

    streetseg data render STREETS --val 10 --train 800 --seed 1000
    streetseg train --recipe fassd_net_l2_streets --data STREETS --out RUN

    As fassd_net_l2_camvid_enlarged, with ten times the weight decay.
    """
    return dataclasses.replace(streets(fassd_net_l2_camvid_enlarged()), weight_decay=0.5, seed=1)


def fassd_net_l2_camvid_pretrained() -> Recipe:
    """FASSD-Net-L2 on CamVid enlarged to 540 x 720, pre-trained on rendered streets: the weights on the shelf.

    streetseg train --recipe fassd_net_l2_camvid_pretrained --data CAMVID --out RUN

    As fassd_net_l2_camvid_enlarged, with ten times the weight decay, from the weights that fassd_net_l2_streets writes,
    looked for in the current folder. On drives never seen they gave 2.6 to 4.6 points (docs/experiments.md).
    """
    return dataclasses.replace(pretrained(fassd_net_l2_camvid_enlarged()), weight_decay=0.5, seed=2)


def fassd_net_streets() -> Recipe:
    """FASSD-Net from scratch on rendered streets: pre-training for fassd_net_camvid_pretrained.

    streetseg data render STREETS --val 10 --train 800 --seed 1000
    streetseg train --recipe fassd_net_streets --data STREETS --out RUN

    As fassd_net_l2_streets, at the streets' own size: it takes five times FASSD-Net-L2's operations a pixel (Table IV).
    """
    return dataclasses.replace(
        fassd_net_l2_streets(), name="fassd_net_streets", network="fassd_net", operating_scale=1.0, crop=(256, 320)
    )


def fassd_net_camvid_pretrained() -> Recipe:
    """FASSD-Net on CamVid enlarged to 450 x 600, pre-trained on rendered streets: the weights on the shelf.

    streetseg train --recipe fassd_net_camvid_pretrained --data CAMVID --out RUN

    As fassd_net_l2_camvid_pretrained, less enlarged and with stronger colours and uneven light, from the weights that
    fassd_net_streets writes, looked for in the current folder.
    """
    return dataclasses.replace(
        fassd_net_l2_camvid_pretrained(),
        name="fassd_net_camvid_pretrained",
        network="fassd_net",
        init="fassd_net_streets.safetensors",
        operating_scale=1.25,
        crop=(320, 384),
        jitter=0.7,
        shade=1.0,
        iterations=4000,
    )
