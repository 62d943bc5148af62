"""Describe an origin: a code base whose checkpoints we read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

# ImageNet's red, green and blue, 0 to 255: most code bases normalise by these.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Origin:
    """How to turn one code base's state dict into ours.

    Attributes:
        name: "owner/repository".
        networks: The names in MODELS or CLASSIFIERS that it has.
        landmarks: Keys of theirs that no other code base has, parameters of different places: where one stands in a
            checkpoint, the keys before it are around the network.
        rename: Their key -> ours, or None for a tensor that our network does not need (training-only or unused there).
        adapt: Changes values of the renamed tensors where names are not enough.
        arguments: Builder arguments with which our network is that code base's function.
        aux_arguments: Further arguments for its auxiliary heads.
        parts: For a part of a network, an ImageNet backbone for instance: the beginnings of our names that the tensors
            fill. Empty for whole networks.
        mean: Mean by which it normalises frames: red, green, blue, 0 to 255.
        std: Deviation by which it normalises frames: red, green, blue, 0 to 255.
        bgr_stem: Our convolution that reads the frame, if the code base's frames are blue, green, red.
        also: Other code bases with the same names and the same function.
    """

    name: str
    networks: tuple[str, ...]
    landmarks: tuple[str, ...]
    rename: Callable[[str], str | None]
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda tensors: tensors
    arguments: Mapping[str, Any] = field(default_factory=dict)
    aux_arguments: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    bgr_stem: str | None = None
    also: tuple[str, ...] = ()


# A pattern and its replacement; None leaves out each tensor whose name matches.
Rule = tuple[str, str | None]

# In many code bases, convolution and norm of a block have names; here they have places in a sequence.
BLOCK_RULES: list[Rule] = [(r"\.conv\.(\w+)$", r".0.\1"), (r"\.bn\.(\w+)$", r".1.\1")]


def renaming(rules: Sequence[Rule]) -> Callable[[str], str | None]:
    """Return a rename that applies all rules in order, as regular expressions."""
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def rename(key: str) -> str | None:
        for pattern, replacement in compiled:
            if replacement is not None:
                key = pattern.sub(replacement, key)
            elif pattern.search(key):
                return None
        return key

    return rename
