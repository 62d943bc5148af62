"""A card with every field filled, and the form of errors about cards."""

from __future__ import annotations

from streetseg.runtime.card import Accuracy, ModelCard

CARD = ModelCard(
    network="two_convolutions",
    classes=("road", "Gebüsch", "sky"),
    colours=((128, 64, 128), (107, 142, 35), (70, 130, 180)),
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    output_stride=4,
    size_multiple=8,
    align_corners=True,
    native_short_side=360,
    operating_scale=0.75,
    training_data="camvid, split train",
    terms="research",
    recipe={"name": "short", "crop": [256, 352], "aux_weights": {"high4": 0.4}, "seed": 1},
    seed=1,
    package_version="0.1.0",
    training_time="1.2 hours, one core",
    accuracy=(
        Accuracy(
            "camvid, val", "0f" * 32, "openvino, float32", 0.5, {"road": 0.75, "Gebüsch": None, "sky": 0.25}, "cmd"
        ),
    ),
    limits=("Never saw night.", "Never saw snow."),
    content_hash="0" * 64,
)


def one_line(error: Exception, source: object) -> str:
    """Return the message of an error, which is one line that begins with its source."""
    message = str(error)
    assert message.startswith((f"{source} ", f"weights file {source} "))
    assert "\n" not in message
    return message
