"""An origin: a code base whose checkpoints we read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

# Of ImageNet's red, green and blue, 0 to 255: what most code bases normalise by.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Origin:
    """How one code base's state dict becomes ours.

    name: "owner/repository". networks: the names in MODELS or CLASSIFIERS that it holds.
    rename: their key -> ours, or None for a tensor that our network does without (training-only or unused there).
    adapt: called on the renamed tensors where values must change too.
    arguments: what the network must be built with to be that code base's function.
    aux_arguments: what its auxiliary heads must be built with besides.
    parts: beginnings of our names that the tensors fill where they are the start of a network only, ImageNet backbones
        for instance; empty for whole networks.
    mean, std: what it normalises frames by, of red, green and blue from 0 to 255.
    bgr_stem: the convolution of ours that reads the frame, where the code base feeds it blue, green, red.
    also: other code bases whose checkpoints are named alike and mean the same function.
    """

    name: str
    networks: tuple[str, ...]
    rename: Callable[[str], str | None]
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda tensors: tensors
    arguments: Mapping[str, Any] = field(default_factory=dict)
    aux_arguments: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    bgr_stem: str | None = None
    also: tuple[str, ...] = ()


# A pattern and its replacement; None leaves out every tensor that the pattern finds.
Rule = tuple[str, str | None]

# Convolution and norm of a block have names in many code bases and places in a sequence here.
BLOCK_RULES: list[Rule] = [(r"\.conv\.(\w+)$", r".0.\1"), (r"\.bn\.(\w+)$", r".1.\1")]


def renaming(rules: Sequence[Rule]) -> Callable[[str], str | None]:
    """A rename that applies every rule in order, as regular expressions."""
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def rename(key: str) -> str | None:
        for pattern, replacement in compiled:
            if replacement is not None:
                key = pattern.sub(replacement, key)
            elif pattern.search(key):
                return None
        return key

    return rename
