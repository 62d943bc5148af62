"""DDRNet's ablations and figures."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from streetseg.errors import NetworkError
from streetseg.models.ddrnet import Context, ddrnet_23_slim, ddrnet_39_1_5x
from streetseg.models.table import build


@pytest.mark.parametrize("context", get_args(Context))
def test_every_context_trains(context: Context) -> None:
    network = build("ddrnet_23_slim", 3, aux=True, context=context)
    outputs = network(torch.randn(2, 3, 64, 128))
    assert outputs.logits.shape == outputs.aux["high4"].shape == (2, 3, 8, 16)
    (outputs.logits.square().mean() + outputs.aux["high4"].square().mean()).backward()
    for name, parameter in network.named_parameters():
        # The norms after the stem's convolutions take their biases away again.
        if name not in ("trunk.stem.0.bias", "trunk.stem.3.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("context", "message"), [("dappm", "batches of 2"), ("ppm", "batches of 2")])
def test_one_image_cannot_train_where_features_are_pooled_globally(context: Context, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        ddrnet_23_slim(3, context=context)(torch.randn(1, 3, 128, 128))


def test_one_image_trains_without_context() -> None:
    assert ddrnet_23_slim(3, context="none")(torch.randn(1, 3, 128, 128)).logits.shape == (1, 3, 16, 16)


def test_a_size_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(NetworkError, match="multiples of 8, got 20 x 32"):
        ddrnet_23_slim(3).eval()(torch.randn(1, 3, 20, 32))


def test_39_1_5x_has_the_papers_size() -> None:
    """Table VII: 70.2 M parameters, 303.0 GMACs at 1024 x 1024, of which ours has half a per cent more."""
    with torch.device("meta"):
        network = ddrnet_39_1_5x(19).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            network(torch.empty(1, 3, 1024, 1024))
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 70.2
    assert counter.get_total_flops() / 2e9 == pytest.approx(303.0, rel=6e-3)
