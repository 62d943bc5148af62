"""DDRNet's recipes (arXiv 2101.06085; sections and tables are the first version's).

What the paper leaves open: OHEM's numbers and its place on both heads are those of mmsegmentation's DDRNet, which are
HRNet's: probabilities below 0.9, at least 131072 pixels a process, here a share of the crops that each of the paper's
processes had: three of a batch's twelve on Cityscapes, all twelve on CamVid. Weight decay on norms, too, is theirs as
well; their class weights are left out, the paper has none.
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
    return dataclasses.replace(
        ddrnet_23_slim_cityscapes(),
        name="ddrnet_23_slim_camvid_720",
        split="trainval",
        evaluate_split="test",
        native_short_side=720,
        crop=(720, 960),
        iterations=37_752,
        learning_rate=0.001,
        ohem_min_kept=131072 / (12 * 720 * 960),
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
        ddrnet_23_slim_camvid_720_from_cityscapes(),
        name="ddrnet_23_camvid_720_from_cityscapes",
        network="ddrnet_23",
        init="ddrnet_23_cityscapes.safetensors",
    )


def ddrnet_23_cocostuff() -> Recipe:
    """DDRNet-23 on COCO-Stuff 10k, from ImageNet weights. The paper: 32.1 mIoU.

    streetseg train --recipe ddrnet_23_cocostuff --data COCOSTUFF --out RUN

    The paper's last version (IEEE Transactions on Intelligent Transportation Systems, 2022), Section IV, cited but not
    checked: rate 0.001, weight decay 0.0001, 110 epochs (82 500 steps of 12), short side 640, crop 640. Frames
    are never enlarged here before augmentation, and most short sides are 480; the scale makes up for it: 0.5 to 2
    times 640 / 480. How many processes there were is not known: OHEM keeps Cityscapes' share of the pixels, not their
    number.
    """
    return dataclasses.replace(
        ddrnet_23_cityscapes(),
        name="ddrnet_23_cocostuff",
        native_short_side=640,
        crop=(640, 640),
        scale=(2 / 3, 8 / 3),
        iterations=82_500,
        learning_rate=0.001,
        weight_decay=0.0001,
    )


def ddrnet_39_cocostuff() -> Recipe:
    """DDRNet-39 on COCO-Stuff 10k, otherwise as ddrnet_23_cocostuff. The paper: 34.8 mIoU."""
    return dataclasses.replace(
        ddrnet_23_cocostuff(),
        name="ddrnet_39_cocostuff",
        network="ddrnet_39",
        init="ddrnet_39_imagenet.safetensors",
    )


def ddrnet_23_slim_camvid() -> Recipe:
    """DDRNet-23-slim from scratch on CamVid at 360 x 480: the first stage of earlier weights.

    streetseg train --recipe ddrnet_23_slim_camvid --data CAMVID --out RUN

    Auxiliary weight 0.4, scale 0.5 to 2 and power 0.9 are the paper's (Sections III-E and V-B); it starts from
    ImageNet weights and runs 968 epochs at 720 x 960, this one starts from nothing and is meant for two CPU cores.
    """
    return Recipe(
        name="ddrnet_23_slim_camvid",
        network="ddrnet_23_slim",
        split="train",
        native_short_side=360,
        iterations=4000,
        batch=8,
        crop=(256, 352),
        scale=(0.5, 2.0),
        aspect=1.1,
        jitter=0.4,
        optimiser="adamw",
        learning_rate=1.5e-3,
        weight_decay=0.05,
        momentum=0.9,
        warmup_iterations=200,
        poly_power=0.9,
        ema_decay=0.998,
        aux_weights={"high4": 0.4},
        class_weight_power=0.5,
        ohem_threshold=0.7,
        ohem_min_kept=0.25,
        loss_stride=2,
        aux_loss_stride=4,
        seed=0,
    )


def ddrnet_23_slim_camvid_enlarged() -> Recipe:
    """DDRNet-23-slim on CamVid enlarged to 540 x 720, from ddrnet_23_slim_camvid on: their second stage.

    streetseg train --recipe ddrnet_23_slim_camvid_enlarged --data CAMVID --out RUN

    It looks for `init`, which weights/ of the repository has, in the current folder.
    """
    return dataclasses.replace(
        enlarged(ddrnet_23_slim_camvid()), init="ddrnet_23_slim_camvid.safetensors", learning_rate=1.2e-3
    )


def ddrnet_23_slim_camvid_restart() -> Recipe:
    """DDRNet-23-slim on CamVid, ddrnet_23_slim_camvid_enlarged once more from its own result on: their third stage.

    streetseg train --recipe ddrnet_23_slim_camvid_restart --data CAMVID --out RUN

    It looks for `init`, which that recipe writes, in the current folder.
    """
    return dataclasses.replace(restart(ddrnet_23_slim_camvid_enlarged()), iterations=4800)


def ddrnet_23_slim_camvid_cameras() -> Recipe:
    """DDRNet-23-slim on CamVid, ddrnet_23_slim_camvid_restart once more: their fourth stage.

    streetseg train --recipe ddrnet_23_slim_camvid_cameras --data CAMVID --out RUN

    Another restart, with the blur and noise of other cameras. It looks for `init`, which that recipe writes, in the
    current folder. Another seed, or the samples would come in the third stage's order.
    """
    return dataclasses.replace(
        ddrnet_23_slim_camvid_restart(),
        name="ddrnet_23_slim_camvid_cameras",
        init="ddrnet_23_slim_camvid_restart.safetensors",
        iterations=5000,
        blur=0.5,
        noise=0.5,
        seed=1,
    )


def ddrnet_23_slim_camvid_decay() -> Recipe:
    """DDRNet-23-slim on CamVid, ddrnet_23_slim_camvid_cameras once more: their fifth stage.

    streetseg train --recipe ddrnet_23_slim_camvid_decay --data CAMVID --out RUN

    Another restart and seed, with ten times the weight decay. It looks for `init`, which that recipe writes, in the
    current folder.
    """
    return dataclasses.replace(decay(ddrnet_23_slim_camvid_cameras()), iterations=6000)


def ddrnet_23_slim_camvid_shade() -> Recipe:
    """DDRNet-23-slim on CamVid, ddrnet_23_slim_camvid_decay once more: their sixth stage.

    streetseg train --recipe ddrnet_23_slim_camvid_shade --data CAMVID --out RUN

    Another restart and seed, with uneven light: without it, where 0006R0 was left out, a bright, wet road came out as
    sky (docs/experiments.md). It looks for `init`, which that recipe writes, in the current folder.
    """
    return dataclasses.replace(
        ddrnet_23_slim_camvid_decay(),
        name="ddrnet_23_slim_camvid_shade",
        init="ddrnet_23_slim_camvid_decay.safetensors",
        iterations=5000,
        shade=1.0,
        seed=3,
    )


def ddrnet_23_slim_streets() -> Recipe:
    """DDRNet-23-slim from scratch on rendered streets: pre-training for ddrnet_23_slim_camvid_pretrained.

    streetseg data render STREETS --val 10 --train 800 --seed 1000
    streetseg train --recipe ddrnet_23_slim_streets --data STREETS --out RUN

    Augmented as in ddrnet_23_slim_camvid_shade.
    """
    return streets(ddrnet_23_slim_camvid_shade())


def ddrnet_23_slim_camvid_pretrained() -> Recipe:
    """DDRNet-23-slim on CamVid enlarged to 540 x 720, pre-trained on rendered streets.

    streetseg train --recipe ddrnet_23_slim_camvid_pretrained --data CAMVID --out RUN

    As ddrnet_23_slim_camvid_shade, but from the weights that ddrnet_23_slim_streets writes, looked for in the current
    folder (docs/experiments.md).
    """
    return pretrained(ddrnet_23_slim_camvid_shade())


def ddrnet_23_slim_camvid_pretrained_restart() -> Recipe:
    """DDRNet-23-slim on CamVid, ddrnet_23_slim_camvid_pretrained once more, then again: the weights that ship.

    streetseg train --recipe ddrnet_23_slim_camvid_pretrained_restart --data CAMVID --out RUN
    streetseg train --recipe ddrnet_23_slim_camvid_pretrained_restart --data CAMVID --out AGAIN \\
        --init RUN/ddrnet_23_slim_camvid_pretrained_restart.safetensors --set seed=5

    Restarts with other seeds; on drives never seen the first gave 1.6 and 3.0 points, the second 0.8
    (docs/experiments.md). It looks for `init`, which that recipe writes, in the current folder.
    """
    return dataclasses.replace(
        ddrnet_23_slim_camvid_pretrained(),
        name="ddrnet_23_slim_camvid_pretrained_restart",
        init="ddrnet_23_slim_camvid_pretrained.safetensors",
        seed=4,
    )


def enlarged(recipe: Recipe) -> Recipe:
    """The recipe, NAME_enlarged, on train and val with frames enlarged to 540 x 720: of all weights on the shelf.

    At stride 8 of a 360 x 480 frame a pole is a fraction of a logit; one and a half times the frame costs 2.25 times
    the operations (docs/experiments.md).
    """
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}_enlarged",
        split="trainval",
        operating_scale=1.5,
        iterations=6000,
        crop=(320, 416),
        jitter=0.5,
        warmup_iterations=300,
        ema_decay=0.999,
    )


def restart(recipe: Recipe) -> Recipe:
    """NAME_enlarged once more from its own result on, NAME_restart: a warm restart of the learning rate, with stronger
    colours for cameras that are not CamVid's. On a drive never seen it gave 1.8 points (docs/experiments.md)."""
    return dataclasses.replace(
        recipe,
        name=recipe.name.removesuffix("_enlarged") + "_restart",
        init=f"{recipe.name}.safetensors",
        jitter=0.7,
    )


def decay(recipe: Recipe) -> Recipe:
    """The last stage's recipe once more from its own result on, its name now ending in _decay: another warm restart,
    with ten times the weight decay, and another seed, or the samples would come in the same order.

    A step of AdamW takes rate times decay of a weight: with 0.05 a tenth in a whole run, next to nothing. On drives
    never seen 0.5 gave FASSD-Net-L2 1.4 and 1.6 points (docs/experiments.md).
    """
    return dataclasses.replace(
        recipe,
        name=recipe.name.rpartition("_")[0] + "_decay",
        init=f"{recipe.name}.safetensors",
        weight_decay=0.5,
        seed=2,
    )


def streets(recipe: Recipe) -> Recipe:
    """A recipe for CamVid as NETWORK_streets: from nothing on rendered streets, what `pretrained` starts from."""
    return dataclasses.replace(recipe, name=f"{recipe.network}_streets", split="train", init="", iterations=3000)


def pretrained(recipe: Recipe) -> Recipe:
    """A recipe for CamVid as NETWORK_camvid_pretrained: from the weights that NETWORK_streets writes."""
    return dataclasses.replace(
        recipe, name=f"{recipe.network}_camvid_pretrained", init=f"{recipe.network}_streets.safetensors"
    )
