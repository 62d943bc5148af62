"""DDRNet's recipes."""

from __future__ import annotations

from streetseg.training.recipe import Recipe


def ddrnet_23_slim_camvid() -> Recipe:
    """DDRNet-23-slim from scratch on CamVid at 360 x 480: the recipe of the weights that ship.

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
