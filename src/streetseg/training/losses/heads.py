"""Check that a recipe's losses fit the heads of its network."""

from __future__ import annotations

from collections.abc import Collection

from streetseg.errors import RecipeError
from streetseg.models.outputs import Outputs


def check_heads(network: str, outputs: Outputs, aux_weights: Collection[str], detail_weights: Collection[str]) -> bool:
    """Refuse losses on heads that a network does not have, or that are of the other kind.

    Args:
        network: Name of the network.
        outputs: Its outputs in training.
        aux_weights: The heads with a loss on class maps.
        detail_weights: The heads with a loss on outlines.

    Returns:
        True if the network has heads without a loss.

    Raises:
        RecipeError: A head is not there, or belongs in the other field.
    """
    heads = outputs.aux.keys()
    supervised = {*aux_weights, *detail_weights}
    if not supervised <= heads:
        unknown, there = ", ".join(sorted(supervised - heads)), ", ".join(sorted(heads)) or "none"
        raise RecipeError(f"{network} has no auxiliary head {unknown}; there are {there}")
    for head in supervised:
        detail = outputs.aux[head].shape[1] != outputs.logits.shape[1]
        if head in (aux_weights if detail else detail_weights):
            place, kind = ("detail_weights", "outlines") if detail else ("aux_weights", "classes")
            raise RecipeError(f"head {head} of {network} belongs in {place}, because it predicts {kind}")
    return bool(heads - supervised)
