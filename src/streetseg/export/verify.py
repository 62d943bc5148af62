"""Verify an artefact: run it and the network that it was made from, and compare their logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from streetseg.errors import ArtefactError, VerificationError
from streetseg.models.outputs import Network
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import write_whole

# In units of size_multiple: a square, a wide and a tall frame. The graph was traced at none of these sizes.
SIZES = ((9, 9), (11, 30), (20, 7))
# In standard deviations of the logits. Half-precision weights err by 2^-11 each, which moves the logits far less.
TOLERANCE = 2e-2


def write_verified(out: Path, content: bytes, network: Network, card: ModelCard, engine: str) -> float:
    """Write an artefact and return its largest logit difference.

    The file takes its name only after it has been opened and has matched its network.
    """
    difference = 0.0

    def write(temporary: Path) -> None:
        nonlocal difference
        temporary.write_bytes(content)
        try:
            read_card(temporary)
        except ArtefactError as error:
            raise VerificationError(f"{out} was not written, because it cannot be opened: {error}") from None
        difference = verify_artefact(temporary, network, card, engine)

    write_whole(out, write)
    return difference


def verify_artefact(path: Path, network: Network, card: ModelCard, engine: str) -> float:
    """Run the artefact in an engine, and the network, on frames of several sizes.

    Args:
        path: The artefact.
        network: The network that it was made from, in evaluation mode.
        card: The network's card.
        engine: The engine's name.

    Returns:
        The largest difference of a logit, in standard deviations of the network's logits.

    Raises:
        VerificationError: The difference is above TOLERANCE, the graph puts out another shape, or either puts out NaN
            or infinity.
    """
    # On frames this small, several threads only wait for each other.
    run = open_engine(path, card, EngineOptions(engine, threads=1, precision="float32"))
    mean, std = torch.tensor(card.mean), torch.tensor(card.std)
    worst = 0.0
    for height, width in SIZES:
        rng = np.random.default_rng((height, width))
        size = (height * card.size_multiple, width * card.size_multiple, 3)
        frame = rng.integers(0, 256, size, np.uint8)
        x = ((torch.from_numpy(frame) - mean) / std).permute(2, 0, 1).unsqueeze(0)
        with torch.inference_mode():
            expected = network(x).logits[0].permute(1, 2, 0).numpy()
        logits = run(frame)
        if logits.shape != expected.shape:
            raise VerificationError(f"the exported graph puts out {logits.shape}, the network {expected.shape}")
        if not np.isfinite(expected).all():
            raise VerificationError("the network puts out NaN or infinity: its weights are broken; nothing was written")
        if not np.isfinite(logits).all():
            raise VerificationError(
                "the exported graph puts out NaN or infinity where the network does not: its weights leave the range "
                "of half precision; nothing was written"
            )
        spread = max(float(expected.std()), float(np.finfo(np.float32).tiny))  # not 0 where all logits are the same
        difference = float(np.abs(logits - expected).max()) / spread
        if difference > TOLERANCE:
            raise VerificationError(
                f"the exported graph differs from the network by {difference:.1e} of the logits' deviation, "
                f"allowed is {TOLERANCE:.0e}; nothing was written"
            )
        worst = max(worst, difference)
    return worst
