"""Fine-tuning of any weights on a user's own data."""

from __future__ import annotations

from streetseg.training.recipe import Recipe


def finetune() -> Recipe:
    """Any network on your own data, from its NAME.safetensors: a few minutes on two CPU cores.

    streetseg train --recipe finetune --init NAME.safetensors --data DIR --out RUN

    The weights' card gives network, short side, operating scale and statistics of the input; the number and the size
    of the frames give steps, warm-up, crop and how often it evaluates. Fields that are set win. The head starts anew
    for classes that the weights do not know. No paper has this recipe: it is ddrnet_23_slim_camvid made short, at a
    third of its rate.
    """
    return Recipe(
        name="finetune",
        network="",
        left_to_card=("native_short_side", "operating_scale", "mean", "std"),
        left_to_data=("iterations", "crop", "warmup_iterations", "evaluate_every"),
        native_short_side=1024,  # if `network` is set
        crop=(256, 384),  # a multiple of every network's size_multiple
        scale=(0.5, 2.0),
        max_category_ratio=0.75,
        aspect=1.1,
        jitter=0.4,
        iterations=300,
        batch=8,
        optimiser="adamw",
        learning_rate=5e-4,
        weight_decay=0.05,
        warmup_iterations=30,
        ema_decay=0.98,
        ohem_threshold=0.7,
        ohem_min_kept=0.25,
        class_weight_power=0.5,
        loss_stride=2,
        evaluate_every=100,
        patience=5,
    )
