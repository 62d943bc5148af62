"""An origin: a code base whose checkpoints we read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Origin:
    """How one code base's state dict becomes ours.

    name: "owner/repository". networks: the names in MODELS or CLASSIFIERS that it holds.
    rename: their key -> ours, or None for a tensor that our network does without (training-only or unused there).
    adapt: called on the renamed tensors where values must change too.
    arguments: what the network must be built with to be that code base's function.
    part: the submodule of ours that the tensors fill; "" is the whole network.
    """

    name: str
    networks: tuple[str, ...]
    rename: Callable[[str], str | None]
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda tensors: tensors
    arguments: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""


# A pattern and its replacement; None leaves out every tensor that the pattern finds.
Rule = tuple[str, str | None]


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
