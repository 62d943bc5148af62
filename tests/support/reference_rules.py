"""The rules by which the reference numbers were made, and how they are compared.

tests/models/reference holds, for each variant, every key and shape of the official checkpoint and the official
code's outputs for weights and inputs that these rules regenerate. Nothing there is code or a trained weight.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FOLDER = Path(__file__).parent / "reference"


class Reference:
    """One variant's fixture."""

    def __init__(self, name: str) -> None:
        self.facts: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
        self.arrays = np.load(FOLDER / f"{name}.npz")

    def state_dict(self) -> dict[str, Tensor]:
        """The official state dict, filled by the weights rule."""
        aliases = self.facts.get("aliases", {})
        constant = self.facts.get("constant_entries_not_under_the_weights_rule", {})
        return {
            name: weight(aliases.get(name, name), tuple(shape))
            for name, shape in self.facts["keys"].items()
            if name not in constant
        }

    def input(self) -> Tensor:
        """The input by the input rule."""
        shape = tuple(self.facts["input"]["shape"])
        return torch.from_numpy(np.random.RandomState(0).standard_normal(shape).astype(np.float32))

    def check(self, name: str, output: Tensor) -> None:
        """Compare an output with the stored one: at most max(3e-5 of its deviation, 10 x its float32 error).

        Where the official forward upsamples its logits, ours are upsampled likewise first."""
        facts = next(entry for entry in self.facts["outputs"] if entry["name"] == name)
        if facts.get("upsampled_by_official_forward"):
            output = F.interpolate(
                output, size=facts["shape"][-2:], mode="bilinear", align_corners=facts["align_corners"]
            )
        stored = self.arrays[f"out__{name}"]
        stride = facts["stored_stride"]
        ours = output.detach().numpy()
        assert list(ours.shape) == facts["shape"]
        if ours.ndim == 4:
            ours = ours[..., ::stride, ::stride]
        tolerance = max(3e-5 * facts["std"], 10 * facts["f32_vs_f64_max_abs"])
        assert np.abs(ours - stored).max() <= tolerance


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """A deterministic tensor for an official state dict entry."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_mean"):
        z = 0.1 * z
    elif name.endswith("running_var"):
        z = 1 + 0.25 * np.abs(z)
    elif len(shape) == 1 and name.endswith("weight"):
        z = 1 + 0.1 * z
    elif len(shape) >= 2:
        z = z * np.sqrt(2 / np.prod(shape[1:]))
    else:
        z = 0.1 * z
    return torch.from_numpy(np.asarray(z, np.float32))
