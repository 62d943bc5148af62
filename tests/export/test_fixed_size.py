"""The size of an export that takes one size only."""

from __future__ import annotations

import dataclasses

import pytest

from streetseg.export.fixed_size import fixed_size
from streetseg.export.options import ExportOptions
from tests.support.cards import CARD


@pytest.mark.parametrize(
    ("short_side", "scale", "multiple", "size"),
    [(720, 1.0, 8, (720, 960)), (1024, 0.5, 32, (512, 672)), (360, 0.75, 64, (256, 384)), (10, 1.0, 32, (32, 32))],
)
def test_the_cards_size_is_rounded_to_what_the_network_takes(
    short_side: int, scale: float, multiple: int, size: tuple[int, int]
) -> None:
    card = dataclasses.replace(
        CARD, native_short_side=short_side, operating_scale=scale, output_stride=8, size_multiple=multiple
    )
    assert fixed_size(ExportOptions(), card) == size
    assert fixed_size(ExportOptions(size=(64, 128)), card) == (64, 128)
